"""The roster of live connections and workers, and the members of presence channels, cluster-wide."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from mechamap.domain.connection_limit import Standing
from mechamap.domain.members import Announcement, Joined, Listed, Member, MemberPage


@dataclass(frozen=True, slots=True)
class ConnectionRecord:
    """One live connection as operators may see it: no token, no Engine.IO id.

    Attributes:
        sid: the public Socket.IO id.
        worker: id of the worker that holds it.
        transport: ``websocket`` or ``polling``.
        kind: how the person proved who they are (``jwt``, ``sanctum``).
        connected_at, expires_at: Unix seconds; ``expires_at`` None for tokens without an end.
        channels: the names it subscribed to, in its own spelling.
    """

    sid: str
    user_id: int
    name: str | None
    role: str | None
    worker: str
    transport: str
    address: str | None
    user_agent: str | None
    kind: str
    connected_at: float
    expires_at: float | None
    channels: tuple[str, ...] = ()

    def record(self) -> "ConnectionRecord":
        """Itself: a record is live too, and never changes."""
        return self


class Live(Protocol):
    """A live connection as its worker holds it; ``record`` tells what it is now."""

    @property
    def sid(self) -> str: ...

    @property
    def user_id(self) -> int: ...

    @property
    def connected_at(self) -> float: ...

    def record(self) -> ConnectionRecord:
        """Neither waits nor fails."""


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """One live worker. Times are Unix seconds, ``memory`` is resident bytes."""

    id: str
    slot: int
    pid: int
    host: str
    started_at: float
    connections: int
    memory: int
    draining: bool = False


class Roster(Protocol):
    """Every live connection of every live worker.

    A worker's entries end with its lease at the latest (10 s after it died); a clean stop removes them at
    once.
    """

    def record(self, connection: Live) -> None:
        """Add or replace this worker's connection, or tell that it changed. The roster keeps the object
        instead of a copy. Visible cluster-wide within 0.5 s; never raises, never waits: while Redis is away
        entries are kept and written on its return."""

    def forget(self, sid: str) -> None:
        """Remove this worker's connection; unknown ids are ignored. Same timing as ``record``."""

    def connections(
        self, *, user_id: int | None = None, sid: str | None = None, limit: int = 1000
    ) -> list[ConnectionRecord]:
        """Live connections, newest first.

        Raises:
            BrokerUnavailable: the cluster cannot be asked.
        """

    def totals(self) -> tuple[int, int]:
        """(connections, distinct users) over all workers, at a cost that does not grow with the size of the
        records read.

        Raises:
            BrokerUnavailable
        """

    def workers(self) -> list[WorkerRecord]:
        """Live workers by slot.

        Raises:
            BrokerUnavailable
        """


class Census(Protocol):
    """Counting users' connections, and asking all workers at once how those of one user stand. A question
    goes to the workers as a ``survey`` command, whose id it has."""

    def counts(self, user_ids: Collection[int]) -> dict[int, int]:
        """How many connections the live workers have of each; those of a dead one count until its lease ends.
        Two round trips for 500 users.

        Raises:
            BrokerUnavailable: the cluster cannot be asked.
        """

    def answer(self, question: str, standings: Sequence[Standing]) -> None:
        """Tell how this worker's connections of the user stand; at most ``MOST_ANSWERED`` are kept, for
        ``ANSWERS_SECONDS``.

        Raises:
            BrokerUnavailable
        """

    def answers(self, question: str) -> list[Standing]:
        """What was told so far.

        Raises:
            BrokerUnavailable
        """


MOST_ANSWERED = 1000
"""Connections that one worker tells of."""
ANSWERS_SECONDS = 30
"""That answers are kept: far longer than whoever asked waits."""


class RosterLink(Protocol):
    """The life of a roster inside a worker. Reading works without ``start`` (command line)."""

    def start(self, describe: Callable[[], WorkerRecord]) -> None:
        """Begin to keep this worker's lease; ``describe`` is called at each renewal."""

    def stop(self) -> None:
        """Give up the lease: this worker and its connections leave the roster now."""


class Members(Protocol):
    """Who is in which presence channel, over all live workers.

    A user is a member from the first connection until the last is gone. Both are announced, once each and in
    one order for all workers, which is that of their ``Serial`` numbers. A connection that ends leaves its
    user a grace period to come back in which nothing is announced; one that leaves on purpose, as the last,
    does not, whatever became of the others. The connections of a worker that died count until its lease ends.

    A member is called as the latest of its connections that had a name for it. That is not announced: who was
    told before knows the earlier name.
    """

    def join(self, channel: str, member: Member, sid: str, *, most: int, returning: bool = False) -> Joined:
        """Add a connection to a canonical channel; again is harmless. Returns once every worker sees it, with
        the first ``most`` members (none for 0), the user among those counted.

        A joining that this causes is announced to all but the connection itself, except to one that is
        ``returning``, which may have heard that its user left.

        Raises:
            BrokerUnavailable: that cannot be promised; the connection is not in the channel.
        """

    def leave(self, channel: str, user_id: int, sid: str, *, at_once: bool) -> None:
        """Remove a connection; unknown ones are ignored. ``at_once`` without the grace period. Never raises,
        never waits."""

    def page(self, channel: str, after: int, limit: int) -> MemberPage:
        """The first ``limit`` members whose id is above ``after``.

        Raises:
            BrokerUnavailable: the cluster cannot be asked.
        """

    def listed(self, channel: str, after: int, limit: int) -> Listed:
        """``page`` for one of many who may ask at once in this worker, and what it knows of.

        Raises:
            BrokerUnavailable
        """


Announce = Callable[[Sequence[Announcement]], int]
"""Announces in this order and returns how many were, from the first on; the rest is tried again. Never
raises."""


class MembersLink(Protocol):
    """The life of the members inside a worker. Reading works without ``start`` (command line)."""

    def start(self, announce: Announce) -> None:
        """Begin to keep this worker's lease and to announce what changes."""

    def stop(self) -> None:
        """This worker's connections are gone, with the grace period."""
