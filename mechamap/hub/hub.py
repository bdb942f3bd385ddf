"""What browsers do: connect, subscribe, unsubscribe, leave; and what reaches them."""

import logging
import time
from collections.abc import Callable, Collection
from typing import Any

from mechamap.broker.protocol import Broker
from mechamap.domain.access import Decision
from mechamap.domain.channels import Channel, Parse, parse_channel
from mechamap.domain.commands import Command
from mechamap.domain.credentials import Credentials
from mechamap.domain.dialects import Dialect
from mechamap.domain.errors import Unavailable
from mechamap.domain.history import Gap, Position
from mechamap.domain.identity import Identity, UserFacts
from mechamap.domain.members import MemberPage
from mechamap.domain.moments import now_iso
from mechamap.domain.publication import Publication
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
    """One worker's use cases. Also the broker's listener: deliveries come in through ``on_publication``."""

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
        self.recheck: Callable[[int], None] = lambda user_id: None
        # a connection left this canonical channel, or with None all; must not yield
        self.on_left: Callable[[str, str | None], None] = lambda sid, canonical: None
        self.ordered: Callable[[Command], None] = lambda command: None
        self.arrived: Callable[[Connection], None] = lambda connection: None
        self.survey: Callable[[Command], None] = lambda command: None
        self._transport = transport
        self._broker = broker
        self._roster = roster
        self._meter = meter
        self._recovery = recovery
        self._catching_up = CatchingUp(broker)
        bars = Bars(clock)
        self._commands = Commands(self, bars)
        self.barred: Callable[[Command], None] = lambda command: None
        self._presence = presence
        self._arrivals = Arrivals(
            worker_id=worker_id,
            connections=self.connections,
            transport=transport,
            broker=broker,
            roster=roster,
            recovery=recovery,
            catching_up=self._catching_up,
            presence=presence,
            meter=meter,
            journal=self.journal,
            most=max_connections,
            clock=clock,
            bars=bars,
        )
        self._subscriptions = Subscriptions(
            connections=self.connections,
            transport=transport,
            broker=broker,
            roster=roster,
            judge=judge,
            recovery=recovery,
            catching_up=self._catching_up,
            presence=presence,
            meter=meter,
            journal=self.journal,
            parse=parse,
            most=max_subscriptions,
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

    def on_publication(self, publication: Publication) -> None:
        """Deliver to this worker's subscribers. Called in the channel's order; must not yield."""
        if self._presence.heard(publication):
            return
        owed = self._presence.on_publication(publication)
        having = self._catching_up.on_publication(publication)
        count = self._transport.deliver(publication, having)
        self._presence.tell_owed(owed)
        seconds = max(0.0, self._clock() - publication.accepted_at)
        self._meter.delivery(count, seconds)
        if self._tap.on:
            self._tap.published(Kind.DELIVERY, publication, connections=count, seconds=round(seconds, 6))

    def on_gap(self, channels: Collection[str], reason: Gap) -> None:
        """Events of channels with subscribers here may be missing; the broker has logged which. Their
        subscribers are told, because their own position will soon be past the gap."""
        self._meter.gap(reason.value, len(channels))
        if self._tap.on:
            self._tap.note(Kind.GAP, channels=tuple(channels), code=reason.value)
        missing = set(channels)
        self._catching_up.on_gap(missing)
        for connection in self.connections:
            names = [c.name for canonical, c in connection.channels.items() if canonical in missing]
            if names:
                told = {"recovered": False, "reason": reason.value, "channels": names, "timestamp": now_iso()}
                self._transport.send(connection.sid, "recovery", told)

    def on_command(self, command: Command) -> None:
        """Carry out a command on this worker's connections."""
        self._commands.carry_out(command)
