"""What publishers and clients wrote down during a run: the only thing the checker looks at."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from mechamap.domain.history import Position

Key = tuple[str, int]
"""Publisher and its running number: travels in the event's data."""


class Outcome(StrEnum):
    """What a publisher was answered."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    """With a status below 500: it must reach nobody."""
    UNSURE = "unsure"
    """A 503, or no answer: it may have been accepted all the same."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One publication. Times are of the one monotonic clock of the machine, in seconds.

    Attributes:
        position: as the answer gave it; None where it gave none.
    """

    key: Key
    channel: str
    began: float
    ended: float
    outcome: Outcome
    id: str | None = None
    position: Position | None = None


@dataclass(frozen=True, slots=True)
class OfChannel:
    """Something between a client and the server about one channel."""

    at: float
    channel: str


class Joined(OfChannel):
    """The server confirmed a subscription."""

    __slots__ = ()


class Asked(OfChannel):
    """The client asked for a subscription, perhaps again."""

    __slots__ = ()


class Leaving(OfChannel):
    """The client asked to leave a channel: it is owed nothing more of it."""

    __slots__ = ()


class Left(OfChannel):
    """The server confirmed that: nothing more of it may come until the client asks for it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Received:
    """``position``: what stood behind the event for the client to return with."""

    at: float
    channel: str
    key: Key
    position: Position | None


@dataclass(frozen=True, slots=True)
class Returned:
    """The client was let in again; ``recovered`` as ``socket.recovered`` says."""

    at: float
    recovered: bool


@dataclass(frozen=True, slots=True)
class Told:
    """The client was told that something may be missing; ``channels`` None: in any of its channels."""

    at: float
    reason: str
    channels: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Dismissed:
    """The client was refused or sent away in a way after which the stock client does not return by itself."""

    at: float
    reason: str


Entry = Joined | Asked | Leaving | Left | Received | Returned | Told | Dismissed


@dataclass(slots=True)
class Log:
    """What one client saw, in the order it saw it.

    Attributes:
        channels: those it asks for, its own private one included.
        own: the private one, which it is in without asking.
    """

    client: str
    channels: frozenset[str]
    own: str
    entries: list[Entry] = field(default_factory=list)

    def of(self, kind: type) -> list:
        return [entry for entry in self.entries if isinstance(entry, kind)]


@dataclass(slots=True)
class History:
    """One run."""

    attempts: list[Attempt] = field(default_factory=list)
    logs: list[Log] = field(default_factory=list)

    def figures(self) -> dict[str, int]:
        """How much happened: a run in which nothing did proves nothing."""
        outcomes = [attempt.outcome for attempt in self.attempts]
        entries = [entry for log in self.logs for entry in log.entries]
        returned = [entry.recovered for entry in entries if isinstance(entry, Returned)]
        return {
            "clients": len(self.logs),
            "accepted": outcomes.count(Outcome.ACCEPTED),
            "unsure": outcomes.count(Outcome.UNSURE),
            "received": sum(isinstance(entry, Received) for entry in entries),
            "returns": len(returned),
            "recovered": returned.count(True),
            "told": sum(isinstance(entry, Told) for entry in entries),
        }


def around(entries: Iterable[Entry], index: int, width: int = 3) -> list[str]:
    """The lines of a log around one of them, for people."""
    listed = list(entries)
    first = max(0, index - width)
    return [
        f"{'>' if number == index else ' '} {number:5} {entry}"
        for number, entry in enumerate(listed[first : index + width + 1], first)
    ]
