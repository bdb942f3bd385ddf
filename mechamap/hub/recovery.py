"""Recovery: a client that returns gets its channels and exactly the events it missed, or is told why not.

A session is kept with every change of its channels, so nothing depends on how its connection ended. At a
return the person proves who they are as always and every channel is judged again. The worker follows the
channels and collects what is published from then on; the logs give what came before; and without yielding in
between the client gets the one and the other, in one order, and joins the rooms.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mechamap.broker.protocol import Broker
from mechamap.domain.access import Decision
from mechamap.domain.channels import Channel, parse_channel
from mechamap.domain.errors import InvalidChannel, Unavailable
from mechamap.domain.history import Gap, History
from mechamap.domain.identity import Identity, UserFacts
from mechamap.domain.publication import Publication
from mechamap.domain.recovery import Kept, Lost, Reason, Returning, new_pid
from mechamap.recovery.protocol import Sessions

from .access import Judge
from .connections import Connection

MOST_EVENTS = 500
"""Replayed at one return. A page that was away for more wants its state, from Laravel."""
MOST_BYTES = 524_288
"""Half of what may wait for one client; more would close it as a slow consumer."""
MOST_COLLECTED = 2_000
"""Events published to a client's channels during the few milliseconds of its return."""
FINAL = frozenset({"client_disconnect", "server_disconnect", "parse_error"})
"""Ends of a connection that end its session; a client that was cut off may return."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A session that its client may have back.

    Attributes:
        epoch: of the offsets in ``owed``.
        owed: the channels still allowed, each with the offset after which its events are owed.
        refused: the channels that are not allowed any more.
    """

    kept: Kept
    epoch: str
    owed: Mapping[Channel, int]
    refused: tuple[tuple[Channel, Decision], ...]

    @property
    def rooms(self) -> frozenset[str]:
        return frozenset(channel.canonical for channel in self.owed)


class Recovery:
    """One worker's part in it."""

    def __init__(self, sessions: Sessions, broker: Broker, judge: Judge) -> None:
        self._sessions = sessions
        self._broker = broker
        self._judge = judge
        # by socket id: the rooms of a client about to rejoin, and what was published there since
        self._collecting: dict[str, tuple[frozenset[str], list[Publication]]] = {}

    def keep(self, connection: Connection, pid: str | None = None) -> None:
        """Keep the connection's session as it is now: a new one, that of ``pid``, or its own.

        Raises:
            BrokerUnavailable: that cannot be promised.
        """
        connection.pid = connection.pid or pid or new_pid()
        self._sessions.keep(connection)

    def ended(self, connection: Connection, reason: str, *, sent_away: bool) -> None:
        """The connection is over; its client may return unless it or the server meant it."""
        self.drop(connection.sid)
        if connection.pid is not None:
            self._sessions.ended(connection, final=sent_away or reason in FINAL)

    def claim(self, returning: Returning, identity: Identity, facts: UserFacts | None) -> Claim | Reason:
        """What a returning client may have back, or why it gets nothing.

        Raises:
            BrokerUnavailable, DirectoryUnavailable: it cannot be told now.
        """
        kept = self._sessions.find(returning.pid)
        if kept is None or kept.user_id != identity.user_id:
            return Lost.UNKNOWN
        position = returning.position or kept.position
        owed, refused = {}, []
        for name, since in kept.channels.items():
            try:
                channel = parse_channel(name)
            except InvalidChannel:  # a name of an older version
                return Lost.UNKNOWN
            decision = self._judge.decide(identity, channel, facts)
            if decision.allowed:
                comparable = kept.position.epoch == position.epoch
                owed[channel] = max(since if comparable else 0, position.offset)
            else:
                refused.append((channel, decision))
        return Claim(kept, position.epoch, owed, tuple(refused))

    def collect(self, sid: str, rooms: frozenset[str]) -> None:
        """Collect what is published to the rooms, which the worker follows already, until ``owed`` or
        ``drop``."""
        self._collecting[sid] = (rooms, [])

    def drop(self, sid: str) -> None:
        """Collect no more."""
        self._collecting.pop(sid, None)

    def check_collected(self, sid: str) -> None:
        """Whether nothing was left out.

        Raises:
            Unavailable: too much was published meanwhile.
        """
        if len(self._collecting[sid][1]) > MOST_COLLECTED:
            raise Unavailable("Too much happened during the return.", code="return_overrun", retry_after=1)

    def missed(self, claim: Claim) -> History | Gap:
        """What was published before, or why it cannot be given whole.

        Raises:
            BrokerUnavailable
        """
        wanted = {channel.canonical: since for channel, since in claim.owed.items()}
        history = self._broker.replay(wanted, claim.epoch, MOST_EVENTS + 1)
        if history.gap is not None:
            return history.gap
        size = sum(len(publication.payload) for publication in history.events)
        if len(history.events) > MOST_EVENTS or size > MOST_BYTES:
            return Gap.TOO_MUCH
        return history

    def owed(self, sid: str, claim: Claim, missed: History) -> list[Publication]:
        """All of it, in order, each once; from now on nothing is collected. The caller must not yield until
        the client has it and has joined the rooms."""
        _, since = self._collecting.pop(sid, (frozenset(), []))
        later = (publication for publication in since if publication.offset > missed.position.offset)
        return [p for p in (*missed.events, *later) if p.except_id != claim.kept.sid]

    def on_publication(self, publication: Publication) -> None:
        """Part of every delivery; must not yield."""
        if self._collecting:
            for rooms, since in self._collecting.values():
                if len(since) <= MOST_COLLECTED and not rooms.isdisjoint(publication.rooms):
                    since.append(publication)
