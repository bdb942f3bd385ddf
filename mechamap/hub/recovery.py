"""Recovery: a client that returns gets its channels and exactly the events it missed, or is told why not.

A session is kept with every change of its channels, so nothing depends on how its connection ended. At a
return the person proves who they are as always and every channel is judged again. The worker follows the
channels and collects what is published from then on; the logs give what came before; and without yielding in
between the client gets the one and the other, in one order, and joins the rooms.

A client that keeps its own position gets one channel's events in the same way, with its subscription.

The logs may be ahead of the worker: what it has read there it may still hear live, above all when it was
stopped for a while. So the client is passed over until the live events are past what it was given.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from mechamap.broker.protocol import Broker
from mechamap.domain.access import Decision
from mechamap.domain.channels import Channel, parse_channel_of_site
from mechamap.domain.credentials import Credentials
from mechamap.domain.dialects import Dialect, mark, unmark
from mechamap.domain.errors import InvalidChannel, Unavailable
from mechamap.domain.history import Gap, History, Position
from mechamap.domain.identity import Identity, UserFacts
from mechamap.domain.publication import Publication
from mechamap.domain.recovery import Kept, Lost, Reason, Returning, new_pid
from mechamap.domain.whispers import momentary
from mechamap.recovery.protocol import Sessions

from .access import Judge
from .connections import Connection

MOST_EVENTS = 500
"""Replayed at one return. A page that was away for more wants its state, from Laravel."""
MOST_BYTES = 524_288
"""Half of what may wait for one client; more would close it as a slow consumer."""
MOST_COLLECTED = 2_000
"""Events published to a client's channels during the few milliseconds of its return."""
STALLED = 5.0
"""Seconds between two ticks of one: the worker did nothing else either."""
FINAL = frozenset({"client_disconnect", "server_disconnect", "parse_error"})
"""Ends of a connection that end its session; a client that was cut off may return."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A session that its client may have back.

    Attributes:
        epoch: of the offsets in ``owed``.
        owed: the channels still allowed, each with the offset after which its events are owed.
        refused: the channels that are not allowed any more.
        echo: of both, the canonical names of those that it hears in Laravel Echo's dialect.
    """

    kept: Kept
    epoch: str
    owed: Mapping[Channel, int]
    refused: tuple[tuple[Channel, Decision], ...]
    echo: frozenset[str] = frozenset()

    def dialect_of(self, channel: Channel) -> Dialect:
        """In which one it hears the channel."""
        return Dialect.ECHO if channel.canonical in self.echo else Dialect.PLAN

    @property
    def since(self) -> dict[str, int]:
        """What is owed, by canonical names."""
        return {channel.canonical: since for channel, since in self.owed.items()}


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


class Recovery:
    """One worker's part in it."""

    def __init__(
        self,
        sessions: Sessions,
        broker: Broker,
        judge: Judge,
        *,
        answers_within: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``answers_within``: seconds after which a connection that still lives has received what it was
        given before."""
        self._sessions = sessions
        self._broker = broker
        self._judge = judge
        self._answers_within = answers_within
        self._clock = clock
        self._confirmed = self._ticked = clock()
        # by socket id: clients about to rejoin, and those that were given more than this worker has heard
        self._collecting: dict[str, _Collecting] = {}
        self._ahead: dict[str, tuple[_Ahead, ...]] = {}

    def begin(self, connection: Connection) -> None:
        """Keep the session of a connection that came without one.

        Raises:
            BrokerUnavailable: that cannot be promised.
        """
        connection.pid = new_pid()
        self._sessions.keep(connection)

    def resume(self, connection: Connection, pid: str, claim: Claim) -> None:
        """Give a session to the connection that returned to it, and take from it what it may not have.

        Raises:
            BrokerUnavailable: that cannot be promised.
        """
        connection.pid = pid
        has = set(connection.marks)
        self._sessions.keep(connection, [name for name in claim.kept.channels if name not in has])

    def joined(self, connection: Connection, channel: Channel) -> None:
        """Keep that the connection has the channel, as it spells and hears it.

        Raises:
            BrokerUnavailable: that cannot be promised.
        """
        self._sessions.joined(connection, mark(channel.name, connection.dialect_of(channel.canonical)))

    def left(self, connection: Connection, mark: str) -> None:
        """Keep that it has no channel with this mark (``Connection.mark_of``) any more.

        Raises:
            BrokerUnavailable: a return may bring it back, if its rule allows.
        """
        self._sessions.left(connection, mark)

    def ended(self, connection: Connection, reason: str, *, sent_away: bool) -> None:
        """The connection is over; its client may return unless it or the server meant it."""
        self.drop(connection.sid)
        if connection.pid is not None:
            self._sessions.ended(connection, final=sent_away or reason in FINAL)

    def give_up(self, connection: Connection, returning: Returning | None) -> None:
        """The connection was not admitted after all: the session it came for goes on waiting, one that was
        made for it never was."""
        self.drop(connection.sid)
        if connection.pid is not None:
            came_for = returning.pid if returning is not None else None
            self._sessions.ended(connection, final=connection.pid != came_for)

    def claim(
        self,
        returning: Returning,
        identity: Identity,
        facts: UserFacts | None,
        credentials: Credentials | None = None,
    ) -> Claim | Reason:
        """What a returning client may have back, or why it gets nothing.

        Raises:
            Unavailable: it cannot be told now.
        """
        kept = self._sessions.find(returning.pid)
        if kept is None or kept.user_id != identity.user_id:
            return Lost.UNKNOWN
        position = returning.position or kept.position
        owed: dict[Channel, int] = {}
        refused, spelled, echo = [], {}, set()
        for marked, since in kept.channels.items():
            name, dialect = unmark(marked)
            try:
                channel = parse_channel_of_site(name)
            except InvalidChannel:  # a name of an older version
                return Lost.UNKNOWN
            if dialect is Dialect.ECHO and channel.canonical not in spelled:
                echo.add(channel.canonical)
            decision = self._judge.decide_again(identity, channel, facts, credentials)
            if decision.allowed:
                comparable = kept.position.epoch == position.epoch
                received = returning.position.offset if returning.position is not None else 0
                since = max(since if comparable else 0, received)
                # two connections of the session may have spelled it in two ways
                channel = spelled.setdefault(channel.canonical, channel)
                owed[channel] = min(owed.get(channel, since), since)
            else:
                refused.append((channel, decision))
        return Claim(kept, position.epoch, owed, tuple(refused), frozenset(echo))

    def confirm(self, connections: Iterable[Connection]) -> None:
        """Once a second: move the sessions of live connections on to what their clients have for certain.

        Without it a client that received nothing for as long as quiet channels are remembered could not
        prove, when it returns, that it missed nothing. A worker that was stopped may hold connections for
        alive that are not, so it begins to wait anew.
        """
        now = self._clock()
        stalled, self._ticked = now - self._ticked > STALLED, now
        if stalled or now - self._confirmed >= self._answers_within:
            self._confirmed = now
            given = None if stalled else self._broker.position("")
            for connection in connections:
                connection.confirm(given)

    def collect(self, sid: str, rooms: frozenset[str], epoch: str) -> None:
        """Collect what is published to the rooms, which the worker follows already, in this epoch, until
        ``owed``, ``stop_collecting`` or ``drop``."""
        self._collecting[sid] = _Collecting(rooms, epoch)

    def stop_collecting(self, sid: str) -> None:
        """The client does not rejoin after all."""
        self._collecting.pop(sid, None)

    def drop(self, sid: str) -> None:
        """Forget about the connection."""
        self._collecting.pop(sid, None)
        self._ahead.pop(sid, None)

    def check_collected(self, sid: str) -> None:
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
        size = sum(len(publication.payload) for publication in history.events)
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
        The caller must not yield until the client has it and has joined the rooms."""
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
