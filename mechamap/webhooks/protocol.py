"""What webhooks need of their queues, the table of dead letters and the meters, and what is said of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mechamap.domain.webhooks import Notice


@dataclass(frozen=True, slots=True)
class Batch:
    """The events that are to be sent next; the same, under the same id, until they are done with.

    Attributes:
        id: random.
        events: JSON texts.
        attempts: how often it was tried in vain.
        age: seconds since the last of its events happened.
        failing: seconds since the receiver last took something, at the first vain attempt after that; 0 if
            it is well.
    """

    id: str
    events: tuple[bytes, ...]
    attempts: int
    age: float
    failing: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for one receiver: how many events, the age of the first in seconds, and since when and why
    the receiver does not take them (a code; None if it is well)."""

    events: int
    age: float
    failure: str | None


class Queues(Protocol):
    """The events that wait, in their order: a queue for each receiver, and what is known of channels.

    Every method raises ``BrokerUnavailable`` when they cannot be reached. A queue is bounded in events and
    bytes; beyond that the oldest are dropped.
    """

    def add(self, notices: Sequence[Notice]) -> int:
        """Append them to every queue, each as its mark says; how many events were dropped for it."""

    def take(self, receiver: str) -> Batch | None:
        """What is to be sent next."""

    def failed(self, receiver: str, batch_id: str, why: str) -> None:
        """An attempt was vain. Without effect if that batch is done with."""

    def done(self, receiver: str, batch_id: str, *, delivered: bool) -> None:
        """The batch was taken, or given up. Without effect if it is done with already."""

    def waiting(self, receiver: str) -> Waiting:
        """How it stands."""

    def occupied(self) -> set[str]:
        """The channels of which was last said that they are occupied; canonical."""

    def count_occupied(self) -> int:
        """How many."""

    def restore_occupied(self, channels: Iterable[str]) -> None:
        """Put back what was lost, without telling anybody."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A batch that was given up."""

    batch_id: str
    receiver: str
    events: tuple[bytes, ...]
    code: str
    attempts: int


class DeadLetters(Protocol):
    """Our table of them. Every method raises ``Unavailable`` when it cannot be asked."""

    def keep(self, letter: Letter) -> None:
        """Add one; again is harmless. Of too many the oldest go."""

    def count(self) -> int: ...


class WebhookMeter(Protocol):
    """Counts what became of events, and of attempts to send them."""

    def webhook_events(self, outcome: str, count: int = 1) -> None:
        """So many events were ``delivered``, are ``dead``, or were ``dropped``."""

    def webhook_attempt(self, code: str) -> None:
        """A batch was sent: ``ok``, or why not."""


@dataclass(frozen=True, slots=True)
class WebhookState:
    """How it is now.

    Attributes:
        ok: events are being taken, whichever worker sends them.
        detail: one sentence for operators, without addresses or secrets.
        leader: whether this worker sends them.
        waiting: events in the queues.
        lag: seconds the first of them has waited.
        dead: dead letters in the table when the leader last counted; 0 in other workers.
    """

    ok: bool
    detail: str
    leader: bool
    waiting: int
    lag: float
    dead: int
