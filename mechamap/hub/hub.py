"""What browsers do: connect, subscribe, unsubscribe, leave."""

import logging
import time
from collections.abc import Callable
from typing import Any

from mechamap.broker.protocol import Broker
from mechamap.domain.access import Decision
from mechamap.domain.channels import Channel, Parse, parse_channel
from mechamap.domain.credentials import Credentials
from mechamap.domain.dialects import Dialect
from mechamap.domain.errors import Unavailable
from mechamap.domain.history import Position
from mechamap.domain.identity import Identity, UserFacts
from mechamap.domain.members import MemberPage
from mechamap.domain.recovery import Returning
from mechamap.domain.whispers import Whisper
from mechamap.presence.protocol import Roster

from .access import Judge
from .arrivals import Admission, Arrivals
from .bars import Bars
from .catching_up import CatchingUp
from .commands import Commands
from .connection import Connection
from .connections import Connections
from .hearing import Hearing
from .journal import Journal
from .presence import Presence
from .protocol import Meter, Observer, Transport
from .recovery import Recovery
from .subscribing import Subscribed
from .subscriptions import Subscriptions
from .tap import Kind
from .whispering import Whispering

log = logging.getLogger(__name__)


class Hub:
    """One worker's use cases. What reaches browsers comes in through ``hearing``."""

    def __init__(
        self,
        *,
        worker_id: str,
        transport: Transport,
        broker: Broker,
        roster: Roster,
        judge: Judge,
        meter: Meter,
        recovery: Recovery,
        presence: Presence,
        max_connections: int,
        max_subscriptions: int,
        journal: Journal | None = None,
        parse: Parse = parse_channel,
        observer: Observer | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.connections = Connections()
        self.journal = journal if journal is not None else Journal(clock=clock)
        self._tap = self.journal.tap
        # a connection left this canonical channel, or with None all; must not yield
        self.on_left: Callable[[str, str | None], None] = lambda sid, canonical: None
        self.arrived: Callable[[Connection], None] = lambda connection: None
        self._transport = transport
        self._broker = broker
        self._roster = roster
        self._meter = meter
        self._recovery = recovery
        self._catching_up = CatchingUp(broker)
        bars = Bars(clock)
        self.commands = Commands(self, bars)
        self._presence = presence
        shared: dict[str, Any] = {
            "connections": self.connections,
            "transport": transport,
            "broker": broker,
            "roster": roster,
            "recovery": recovery,
            "catching_up": self._catching_up,
            "presence": presence,
            "meter": meter,
            "journal": self.journal,
        }
        self._arrivals = Arrivals(**shared, worker_id=worker_id, most=max_connections, clock=clock, bars=bars)
        self._subscriptions = Subscriptions(**shared, judge=judge, parse=parse, most=max_subscriptions)
        self.hearing = Hearing(
            connections=self.connections,
            transport=transport,
            catching_up=self._catching_up,
            presence=presence,
            meter=meter,
            tap=self._tap,
            carry_out=self.commands.carry_out,
            clock=clock,
        )
        self._whispering = Whispering(self.connections, broker, parse, self._tap, observer)
        self._parse = parse
        self._clock = clock

    def connect(
        self,
        sid: str,
        identity: Identity,
        facts: UserFacts | None,
        returning: Returning | None = None,
        **about: Any,
    ) -> Admission:
        """Admit a verified person's connection; ``join`` lets it into its channels. See ``Arrivals``."""
        return self._arrivals.admit(sid, identity, facts, returning, **about)

    def join(self, admission: Admission) -> int:
        """Let an admitted connection into its channels, behind what it missed. See ``Arrivals``.

        Raises:
            Unavailable: something may be missing after all; the connection is over for the hub.
        """
        try:
            given = self._arrivals.join(admission)
        except Unavailable as err:
            self._forget(admission.connection.sid, err.code, sent_away=False)
            raise
        self.arrived(admission.connection)
        return given

    def active(self, sid: str) -> None:
        """The browser sent an event that no timer of its page sends."""
        connection = self.connections.get(sid)
        if connection is not None:
            connection.active_at = self._clock()

    def disconnect(self, sid: str, reason: str) -> None:
        """Forget a connection that ended; unknown ids (refused ones) are ignored."""
        self._forget(sid, reason, sent_away=False)

    def _forget(self, sid: str, reason: str, *, sent_away: bool) -> None:
        connection = self.connections.remove(sid)
        if connection is None:
            return
        self._catching_up.drop(sid)
        self.on_left(sid, None)
        self._recovery.ended(connection, reason, sent_away=sent_away)
        self._presence.ended(connection)
        for canonical, spelled in connection.rooms:
            if spelled is not None:
                self._transport.leave(sid, canonical, spelled)
            self._broker.unsubscribe(canonical)
        self._roster.forget(sid)
        self.journal.ended(connection, self._broker.position(""), reason, sent_away=sent_away)
        self._meter.disconnection(reason)
        log.info("disconnected", extra={"user": connection.user_id, "sid": sid, "code": reason})

    def subscribe(
        self,
        sid: str,
        name: object,
        since: Position | None = None,
        dialect: Dialect | None = None,
        credentials: Credentials | None = None,
    ) -> Subscribed:
        """Join a channel; joining twice is once, and the second says how it is spelled. Returns only when
        every later event of the channel will arrive. In a presence channel the connection is sent the members
        first. Without a ``dialect`` its events come in the connection's own. ``credentials`` are for channels
        on which Laravel decides; asking it takes time, and the connection is looked at again afterwards.

        With ``since`` the client is first sent what the channel had after that position, if that can be given
        whole. The caller must not yield before it has told the client the result.

        Raises:
            InvalidField: the name, or the connection's number of channels.
            Forbidden: the rule refused; ``code`` is the decision's.
            Unavailable: facts or broker are away, or what was missed cannot be given whole now.
            NotFound: the connection is gone.
        """
        return self._subscriptions.subscribe(sid, name, since, dialect, credentials)

    def position(self, channel: Channel) -> Position:
        """Where this worker is in a channel it follows: what a client may ask from later."""
        return self._broker.position(channel.canonical)

    def unsubscribe(self, sid: str, name: object) -> Channel:
        """Leave a channel; leaving one that was not joined is harmless.

        Raises:
            InvalidField: the name.
            NotFound: the connection is gone.
            BrokerUnavailable: it left, but would be brought back by a recovery.
        """
        channel = self._subscriptions.unsubscribe(sid, name)
        self.on_left(sid, channel.canonical)
        return channel

    def members(self, sid: str, name: object, after: int) -> MemberPage:
        """More members of a channel that the connection is in.

        Raises:
            InvalidField: the name.
            Forbidden: it is no member.
            NotFound: the connection is gone.
            BrokerUnavailable
        """
        return self._presence.page(self.connections.signed_in(sid), self._parse(name), after)

    def whisper(self, sid: str, whisper: Whisper) -> Channel:
        """Hand what a browser says to the others in a channel that it has.

        Raises:
            InvalidField: the channel's name.
            Forbidden: it has not subscribed, or the channel carries no whispers.
            NotFound: the connection is gone.
            BrokerUnavailable
        """
        return self._whispering.whisper(sid, whisper)

    def revoke(self, connection: Connection, channel: Channel, decision: Decision) -> None:
        """Take a channel from a live connection whose rule no longer holds, and tell it why."""
        self.on_left(connection.sid, channel.canonical)
        self._subscriptions.revoke(connection, channel, decision)

    def tell_revoked(
        self, sid: str, channel: Channel, decision: Decision, dialect: Dialect = Dialect.PLAN
    ) -> None:
        """Tell a connection why it has a channel no more."""
        self._subscriptions.tell_revoked(sid, channel, decision, dialect)

    def close(self, connection: Connection, code: str, reason: str) -> None:
        """End a connection and tell it why. It leaves the books now, not when the transport notices."""
        self._transport.send(connection.sid, "force_disconnect", {"reason": reason, "code": code})
        self._transport.close(connection.sid, code)
        self._forget(connection.sid, code, sent_away=True)

    def note_transport(self, connection: Connection, transport: str) -> None:
        """A connection was found on this transport: polling connections upgrade some time after they were
        accepted."""
        if connection.transport != transport:
            connection.transport = transport
            if self._tap.on:
                about = {"user_id": connection.user_id, "sid": connection.sid}
                self._tap.note(Kind.UPGRADE, transport=transport, **about)
            self._roster.record(connection)

    def confirm_received(self) -> None:
        """Once a second: note what clients have for certain. See ``Recovery.confirm``."""
        self._recovery.confirm(self.connections)
