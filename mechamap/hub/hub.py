"""What browsers do: connect, subscribe, unsubscribe, mark notifications as read, leave; and what reaches
them."""

import logging
import time
from collections.abc import Callable, Collection
from typing import Any

from mechamap.broker.protocol import Broker
from mechamap.domain.access import Decision
from mechamap.domain.channels import Channel, Parse, parse_channel, user_channel
from mechamap.domain.commands import Action, Command
from mechamap.domain.errors import Forbidden, InvalidField, NotFound, Unavailable
from mechamap.domain.history import Gap, History, Position
from mechamap.domain.identity import Identity, UserFacts
from mechamap.domain.members import MemberPage
from mechamap.domain.moments import now_iso
from mechamap.domain.payloads import payload_of
from mechamap.domain.publication import Publication
from mechamap.domain.recovery import Returning
from mechamap.presence.protocol import Roster
from mechamap.store.protocol import MarkedRead, Notifications

from .access import Judge
from .arrivals import Admission, Arrivals
from .connections import Connection, Connections
from .presence import Presence
from .protocol import Meter, Transport
from .recovery import Recovery
from .subscribing import Past, Subscribed

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
        notifications: Notifications,
        meter: Meter,
        recovery: Recovery,
        presence: Presence,
        max_connections: int,
        max_subscriptions: int,
        parse: Parse = parse_channel,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.connections = Connections()
        self.recheck: Callable[[int], None] = lambda user_id: None
        self.ordered: Callable[[Command], None] = lambda command: None
        self._transport = transport
        self._broker = broker
        self._roster = roster
        self._judge = judge
        self._notifications = notifications
        self._meter = meter
        self._recovery = recovery
        self._presence = presence
        self._arrivals = Arrivals(
            worker_id=worker_id,
            connections=self.connections,
            transport=transport,
            broker=broker,
            roster=roster,
            recovery=recovery,
            presence=presence,
            meter=meter,
            most=max_connections,
            clock=clock,
        )
        self._past = Past(transport, broker, recovery)
        self._max_subscriptions = max_subscriptions
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
        """Let an admitted connection into its channels, behind what it missed. See ``Arrivals``."""
        return self._arrivals.join(admission)

    def disconnect(self, sid: str, reason: str) -> None:
        """Forget a connection that ended; unknown ids (refused ones) are ignored."""
        self._forget(sid, reason, sent_away=False)

    def _forget(self, sid: str, reason: str, *, sent_away: bool) -> None:
        connection = self.connections.remove(sid)
        if connection is None:
            return
        self._recovery.ended(connection, reason, sent_away=sent_away)
        self._presence.ended(connection)
        for canonical in connection.canonicals:
            self._broker.unsubscribe(canonical)
        self._roster.forget(sid)
        self._meter.disconnection(reason)
        log.info("disconnected", extra={"user": connection.user_id, "sid": sid, "code": reason})

    def subscribe(self, sid: str, name: object, since: Position | None = None) -> Subscribed:
        """Join a channel; joining twice is once. Returns only when every later event of the channel will
        arrive. In a presence channel the connection is sent the members first.

        With ``since`` the client is first sent what the channel had after that position, if that can be given
        whole. The caller must not yield before it has told the client the result.

        Raises:
            InvalidField: the name, or the connection's number of channels.
            Forbidden: the rule refused; ``code`` is the decision's.
            Unavailable: facts or broker are away.
            NotFound: the connection is gone.
        """
        connection = self._connection(sid)
        channel = self._parse(name)
        joined = connection.canonicals
        if channel.canonical in joined:
            if self._presence.tell_again(connection, channel):
                self._connection(sid)  # that waited
                self._recovery.keep(connection)
                self._roster.record(connection)
            return self._past.none(channel, since)
        if len(joined) >= self._max_subscriptions:
            raise InvalidField(
                "channel",
                f"The connection has {len(joined)} channels; the limit is {self._max_subscriptions}.",
                code="too_many_subscriptions",
            )
        decision = self._judge.decide(connection.identity, channel, connection.facts)
        if not decision.allowed:
            self._refused(connection, channel, decision)
            raise Forbidden(decision.reason, code=decision.code)
        self._broker.subscribe(channel.canonical)
        try:
            missed = self._past.read(sid, channel.canonical, since)
        except BaseException:
            self._broker.unsubscribe(channel.canonical)
            raise
        if self.connections.get(sid) is not connection or channel.canonical in connection.canonicals:
            # it left, or asked twice at once, while the broker was confirming
            self._recovery.stop_collecting(sid)
            self._broker.unsubscribe(channel.canonical)
            self._connection(sid)
            return self._past.none(channel, since)
        owed = isinstance(missed, History)
        begin = self._broker.position(channel.canonical)
        self.connections.subscribe(connection, channel, since if owed and since is not None else begin)
        if not owed:
            self._transport.join(sid, channel.canonical)
        try:
            listing = self._presence.enter(connection, channel)
            self._connection(sid)  # that waited; nothing is kept of one that left meanwhile
            self._recovery.keep(connection)
            self._presence.tell(connection, channel, listing)
            if owed:
                self._check_still(connection, channel)
                self._recovery.check_collected(sid)
        except Unavailable:
            self._recovery.stop_collecting(sid)
            self._leave(connection, channel.canonical)
            raise
        self._connection(sid)  # keeping waited too
        self._roster.record(connection)
        self._meter.subscription(channel.kind.value, "allowed")
        if isinstance(missed, History):
            return self._past.let_in(connection, channel, missed)
        return self._past.none(channel, since, missed)

    def position(self, channel: Channel) -> Position:
        """Where this worker is in a channel it follows: what a client may ask from later."""
        return self._broker.position(channel.canonical)

    def _check_still(self, connection: Connection, channel: Channel) -> None:
        """It did not leave, nor was the channel taken from it, while its session was being kept."""
        if self._connection(connection.sid) is not connection or not connection.has(channel):
            self._recovery.stop_collecting(connection.sid)
            raise Forbidden("The channel was taken away meanwhile.", code="subscription_revoked")

    def unsubscribe(self, sid: str, name: object) -> Channel:
        """Leave a channel; leaving one that was not joined is harmless.

        Raises:
            InvalidField: the name.
            NotFound: the connection is gone.
            BrokerUnavailable: it left, but would be brought back by a recovery.
        """
        connection = self._connection(sid)
        channel = self._parse(name)
        if self._leave(connection, channel.canonical):
            self._recovery.keep(connection)
        return channel

    def members(self, sid: str, name: object, after: int) -> MemberPage:
        """More members of a channel that the connection is in.

        Raises:
            InvalidField: the name.
            Forbidden: it is no member.
            NotFound: the connection is gone.
            BrokerUnavailable
        """
        return self._presence.page(self._connection(sid), self._parse(name), after)

    def mark_read(self, sid: str, ids: Collection[int | str]) -> tuple[MarkedRead, bool]:
        """Mark the person's notifications as read and tell the person's other connections.

        Returns:
            What was marked, and whether the other connections could be told.

        Raises:
            NotFound: the connection is gone, or none of the ids is the person's own.
            DirectoryUnavailable: nothing was marked.
        """
        connection = self._connection(sid)
        user_id = connection.identity.user_id
        own = user_channel(user_id)
        marked = self._notifications.mark_read(user_id, ids)
        news = []
        for notification_id in marked.ids:
            data = {
                "notificationId": notification_id,
                "notification_id": notification_id,
                "readBy": user_id,
                "unreadCount": marked.unread_count,
                "unread_count": marked.unread_count,
                "timestamp": marked.read_at,
            }
            news.append(Publication((own,), "notification_read", payload_of(data), except_id=sid))
        failure = self._broker.publish_many(news).failure
        if failure is not None:
            log.warning("read_not_synced", extra={"user": user_id, "code": failure.code})
        return marked, failure is None

    def revoke(self, connection: Connection, channel: Channel, decision: Decision) -> None:
        """Take a channel from a live connection whose rule no longer holds, and tell it why."""
        self._refused(connection, channel, decision)
        if self._leave(connection, channel.canonical):
            self.tell_revoked(connection.sid, channel, decision)
            try:
                self._recovery.keep(connection)
            except Unavailable as err:  # a return would judge it again
                log.info("session_not_kept", extra={"sid": connection.sid, "code": err.code})

    def tell_revoked(self, sid: str, channel: Channel, decision: Decision) -> None:
        """Tell a connection why it has a channel no more."""
        told = {"channel": channel.name, "code": decision.code, "message": decision.reason}
        self._transport.send(sid, "subscription_error", {**told, "error": "Unauthorized"})
        self._transport.send(sid, "unsubscribed", {**told, "reason": "revoked"})

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
            self._roster.record(connection)

    def confirm_received(self) -> None:
        """Once a second: note what clients have for certain. See ``Recovery.confirm``."""
        self._recovery.confirm(self.connections)

    def on_publication(self, publication: Publication) -> None:
        """Deliver to this worker's subscribers. Called in the channel's order; must not yield."""
        having = self._recovery.on_publication(publication)
        self._presence.on_publication(publication)
        count = self._transport.deliver(publication, having)
        self._meter.delivery(count, max(0.0, self._clock() - publication.accepted_at))

    def on_gap(self, channels: Collection[str], reason: Gap) -> None:
        """Events of channels with subscribers here may be missing; the broker has logged which. Their
        subscribers are told, because their own position will soon be past the gap."""
        self._meter.gap(reason.value, len(channels))
        missing = set(channels)
        self._recovery.on_gap(missing)
        for connection in self.connections:
            names = [c.name for canonical, c in connection.channels.items() if canonical in missing]
            if names:
                told = {"recovered": False, "reason": reason.value, "channels": names, "timestamp": now_iso()}
                self._transport.send(connection.sid, "recovery", told)

    def on_command(self, command: Command) -> None:
        """Carry out a command on this worker's connections."""
        if command.subject is not None:  # subscribing waits, which this must not
            self.ordered(command)
            return
        for connection in self._named(command):
            if command.action is Action.KICK:
                self.close(connection, command.code, command.reason)
            else:
                self.recheck(connection.user_id)

    def _named(self, command: Command) -> list[Connection]:
        if command.everyone:
            return list(self.connections)
        if command.user_id is not None:
            return self.connections.of_user(command.user_id)
        if command.channel is not None:
            return self.connections.of_channel(command.channel)
        connection = self.connections.get(command.sid or "")
        return [connection] if connection is not None else []

    def _connection(self, sid: str) -> Connection:
        connection = self.connections.get(sid)
        if connection is None:
            raise NotFound("The connection is not signed in.", code="not_connected")
        return connection

    def _leave(self, connection: Connection, canonical: str) -> bool:
        if self.connections.get(connection.sid) is not connection:
            return False  # it is gone, and left all of them then
        if not self.connections.unsubscribe(connection, canonical):
            return False
        self._transport.leave(connection.sid, canonical)
        self._presence.leave(connection, canonical)
        self._broker.unsubscribe(canonical)
        self._roster.record(connection)
        return True

    def _refused(self, connection: Connection, channel: Channel, decision: Decision) -> None:
        self._meter.subscription(channel.kind.value, decision.code)
        who = {"user": connection.user_id, "sid": connection.sid}
        log.info("subscription_refused", extra={**who, "channel": channel.name, "code": decision.code})
