"""What the rest of the product may ask of a broker, with the guarantees every implementation keeps."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mechamap.domain.commands import Command
from mechamap.domain.errors import RealtimeError
from mechamap.domain.history import Gap, History, LogState, Position
from mechamap.domain.inquiries import Question, Replies, Reply
from mechamap.domain.publication import Publication, Receipt


@dataclass(frozen=True, slots=True)
class BrokerState:
    """``ok`` False: publishing answers 503. ``detail`` is one sentence for operators, without addresses or
    secrets."""

    ok: bool
    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class Published:
    """How far a series of publications came.

    Attributes:
        receipts: of those that were accepted: always the first ones, in their order.
        failure: why the one after them was not; None when all were. Nothing behind it was accepted either,
            unless the failure is a ``BrokerUnavailable`` that says ``unknown``.
    """

    receipts: tuple[Receipt, ...]
    failure: RealtimeError | None = None


class BrokerEvents(Protocol):
    """Where a broker delivers. Calls come from one greenlet, one at a time, and must not yield: their order
    is the channel's order."""

    def on_publication(self, publication: Publication) -> None: ...

    def on_command(self, command: Command) -> None: ...

    def on_gap(self, channels: Collection[str], reason: Gap) -> None:
        """Events of these canonical channels, which this worker follows, may be missing for good: its link
        was down and the logs cannot prove otherwise. Called before what could be had is delivered."""


class Broker(Protocol):
    """Orders and hands on.

    * Every worker receives the publications of a channel in one and the same order, its own included: the
      publishing worker delivers when the broker hands the publication back, never before.
    * A publication to several channels reaches a worker once, however many of them it subscribed to.
    * Nothing is queued while the broker is away: ``publish`` and ``command`` raise instead.
    * A worker whose link was down hears what was published meanwhile, in order and once, before anything
      newer; or ``on_gap``, if that cannot be proven.
    * Every publication is kept in its channels' logs for a while, whether anybody subscribed or not.
    """

    def publish(self, publication: Publication) -> Receipt:
        """Order the event and hand it to every worker with subscribers of its channels.

        One that its publisher named (``once``) is accepted once within a window, whichever workers are asked
        and however many at once: later ones get the receipt of the first, as ``duplicate``. So one that ended
        in ``unknown`` may be published again under its name.

        Raises:
            BrokerUnavailable: it was not accepted; or, with ``unknown``, that cannot be told.
            Conflict: something else was accepted under its name.
            InvalidField, PayloadTooLarge: it cannot be carried; nothing was sent.
        """

    def publish_many(self, publications: Sequence[Publication]) -> Published:
        """``publish`` each in this order, up to the first that is not accepted, for the price of one round
        trip. Workers see them in this order. Raises none of those errors: it returns the first.
        """

    def command(self, command: Command) -> None:
        """Hand the command to every worker, this one included.

        Raises:
            BrokerUnavailable: no worker will see it.
        """

    def subscribe(self, channel: str) -> None:
        """Count one more subscriber of the canonical ``channel`` on this worker.

        Returns once every later publication to the channel will reach this worker and the count is visible to
        publishers.

        Raises:
            BrokerUnavailable: that could not be promised in time; nothing was counted.
        """

    def unsubscribe(self, channel: str) -> None:
        """Count one subscriber less. Never raises and never waits; unknown channels are ignored."""

    def channels(self) -> dict[str, int]:
        """Subscribers of every channel that has any, over all live workers. A dead worker's count goes with
        its lease.

        Raises:
            BrokerUnavailable
        """

    def history(self, channel: str, since: Position | None, limit: int) -> History:
        """The first ``limit`` publications to the canonical ``channel`` after ``since``.

        Without ``since`` the last ``limit``; the history is then complete if the channel had no others in
        this epoch. Without events where a complete history cannot be given: what is left is given with the
        gap, except across epochs.

        Raises:
            BrokerUnavailable
        """

    def replay(self, channels: Mapping[str, int], epoch: str, limit: int) -> History:
        """What was published to several canonical channels, to each after its offset in ``epoch``: merged in
        the order of the sequence, each publication once, of each channel the first ``limit`` at most.

        The position is one up to which nothing is left out; what came later may be in it or not. Without
        events where the epoch is another one now, and with a gap where one of the channels has one.

        Raises:
            BrokerUnavailable
        """

    def log_state(self, channel: str) -> LogState:
        """How much the log of the canonical ``channel`` holds. For people: it reads all of it.

        Raises:
            BrokerUnavailable
        """

    def purge(self, channel: str) -> int:
        """Empty the log of the canonical ``channel``; how many events it held. Its events keep their numbers,
        so whoever asks for them is told that they are ``trimmed``; later ones are kept as ever.

        Raises:
            BrokerUnavailable
        """

    def position(self, channel: str) -> Position:
        """Where the sequence is, as far as this worker knows: of the followed canonical ``channel``, it has
        delivered everything up to there that it ever will. Does not wait."""


class BrokerLink(Protocol):
    """The life of a broker inside a worker. Publishing works without ``start`` (command line)."""

    def start(self, events: BrokerEvents) -> None:
        """Begin to deliver; returns at once, connecting goes on behind it."""

    def stop(self) -> None:
        """Stop delivering and give up this worker's counts."""

    def state(self) -> BrokerState:
        """How it is now; never blocks longer than a second."""


class Turn(Protocol):
    """What its holder does, nobody else does at the same time for the same name."""

    @property
    def held(self) -> bool:
        """Whether it still is, for at least as long as one more publication takes."""

    def release(self) -> None:
        """Let the next one begin. Once. Never raises."""


class Turns(Protocol):
    """One at a time for a name, over all workers."""

    def take(self, name: str) -> Turn | None:
        """Wait for it; None if it was not to be had within some seconds, or if the broker is away."""


Answer = Callable[[Question], Reply]
"""Answers a question about this worker. Never raises; may yield, and had better in long work."""


class Inquiries(Protocol):
    """Asking workers about what only they know."""

    def ask(self, question: Question, workers: Collection[str]) -> Replies:
        """Ask these workers at once and wait for their answers, for half a second at most.

        Raises:
            BrokerUnavailable: nobody can be asked.
            ValueError: the question is too large.
        """


class InquiriesLink(Protocol):
    """The life of the inquiries inside a worker. Asking works without ``start`` (command line)."""

    def start(self, answer: Answer) -> None:
        """Begin to answer."""

    def stop(self) -> None:
        """Answer no more."""
