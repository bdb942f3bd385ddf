"""What a client missed is given to it: at a return in all its channels, or in one that it subscribes to from
a position of its own.

The worker follows the channels and collects what is published from then on; the logs give what came before;
and without yielding in between the client gets the one and the other, in one order, and joins the rooms.

The logs may be ahead of the worker: what it has read there it may still hear live, above all when it was
stopped for a while. So the client is passed over until the live events are past what it was given.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from mechamap.broker.protocol import Broker
from mechamap.domain.errors import Unavailable
from mechamap.domain.history import Gap, History, Position
from mechamap.domain.publication import Publication
from mechamap.domain.whispers import momentary

MOST_EVENTS = 500
"""Replayed at one return. A page that was away for more wants its state, from Laravel."""
MOST_BYTES = 524_288
"""Half of what may wait for one client; more would close it as a slow consumer."""
MOST_COLLECTED = 2_000
"""Events published to a client's channels during the few milliseconds of its return."""


@dataclass(slots=True)
class _Collecting:
    """What was published to the rooms of a client about to rejoin. ``broken``: something may be missing."""

    rooms: frozenset[str]
    epoch: str
    events: list[Publication] = field(default_factory=list)
    broken: bool = False

    def add(self, publication: Publication) -> None:
        if publication.epoch != self.epoch or len(self.events) >= MOST_COLLECTED:
            self.broken = True
        else:
            self.events.append(publication)


@dataclass(frozen=True, slots=True)
class _Ahead:
    """How far a client is ahead of its worker, which hears Redis on another connection than it asks on.

    Attributes:
        end: the client has what was published to ``rooms`` up to here.
        others: offsets of those that it gets, or got, through another of its channels.
    """

    end: Position
    rooms: frozenset[str]
    others: frozenset[int]

    def holds(self, publication: Publication) -> bool:
        return (
            publication.epoch == self.end.epoch
            and publication.offset <= self.end.offset
            and publication.offset not in self.others
            and not self.rooms.isdisjoint(publication.rooms)
        )

    def outlives(self, publication: Publication) -> bool:
        """Live events have an order: behind the end there is none that the client has."""
        return publication.epoch == self.end.epoch and publication.offset < self.end.offset


class CatchingUp:
    """One worker's part in it."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        # by socket id: clients about to rejoin, and those that were given more than this worker has heard
        self._collecting: dict[str, _Collecting] = {}
        self._ahead: dict[str, tuple[_Ahead, ...]] = {}

    def collect(self, sid: str, rooms: frozenset[str], epoch: str) -> None:
        """Collect what is published to the rooms, which the worker follows already, in this epoch, until
        ``owed``, ``stop`` or ``drop``."""
        self._collecting[sid] = _Collecting(rooms, epoch)

    def stop(self, sid: str) -> None:
        """The client does not rejoin after all."""
        self._collecting.pop(sid, None)

    def drop(self, sid: str) -> None:
        """Forget about the connection."""
        self._collecting.pop(sid, None)
        self._ahead.pop(sid, None)

    def check(self, sid: str) -> None:
        """Whether nothing was left out.

        Raises:
            Unavailable: too much was published meanwhile, or the worker may have missed something.
        """
        if self._collecting[sid].broken:
            raise Unavailable("Too much happened during the return.", code="return_overrun", retry_after=1)

    def missed(self, since: Mapping[str, int], epoch: str) -> History | Gap:
        """What was published to these canonical channels, to each after its offset in ``epoch``, or why it
        cannot be given whole.

        Raises:
            BrokerUnavailable
        """
        history = self._broker.replay(since, epoch, MOST_EVENTS + 1)
        if history.gap is not None:
            return history.gap
        lasting = (publication for publication in history.events if not momentary(publication.event))
        size = sum(len(publication.payload) for publication in lasting)
        if len(history.events) > MOST_EVENTS or size > MOST_BYTES:
            return Gap.TOO_MUCH
        return history

    def owed(
        self,
        sid: str,
        missed: History,
        senders: Collection[str],
        gets: Callable[[Publication], bool] = lambda publication: False,
    ) -> list[Publication]:
        """All of it that is not momentary, in order, each once, but what it sent itself, as one of
        ``senders``, and what it ``gets`` through another of its channels; from now on nothing is collected.
        The caller must not yield until the client has it and has joined the rooms.

        Raises:
            Unavailable: as ``check``; it goes on being collected.
        """
        self.check(sid)
        collected, end = self._collecting.pop(sid), missed.position
        later = [publication for publication in collected.events if publication.offset > end.offset]
        others = frozenset(publication.offset for publication in missed.events if gets(publication))
        self._ahead[sid] = (*self._ahead.get(sid, ()), _Ahead(end, collected.rooms, others))
        return [
            publication
            for publication in (*missed.events, *later)
            if publication.except_id not in senders
            and not momentary(publication.event)
            and not gets(publication)
        ]

    def on_publication(self, publication: Publication) -> Collection[str]:
        """Part of every delivery; must not yield. Whom to pass over, because they have it already."""
        for collecting in self._collecting.values():
            if not collecting.rooms.isdisjoint(publication.rooms):
                collecting.add(publication)
        return self._have(publication) if self._ahead else ()

    def on_gap(self, channels: Collection[str]) -> None:
        """This worker may have missed events of these channels: so may those who are about to rejoin."""
        for collecting in self._collecting.values():
            if not collecting.rooms.isdisjoint(channels):
                collecting.broken = True

    def _have(self, publication: Publication) -> list[str]:
        having = []
        for sid, behind in list(self._ahead.items()):
            if any(ahead.holds(publication) for ahead in behind):
                having.append(sid)
            left = tuple(ahead for ahead in behind if ahead.outlives(publication))
            if left:
                self._ahead[sid] = left
            else:
                del self._ahead[sid]
        return having
