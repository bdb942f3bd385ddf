"""What browsers do: connect, subscribe, unsubscribe, mark notifications as read, leave; and what reaches
them."""

import logging
import time
from collections.abc import Callable, Collection

from mechamap.broker.protocol import Broker
from mechamap.domain.access import Decision
from mechamap.domain.channels import Channel, parse_channel, user_channel
from mechamap.domain.commands import Action, Command
from mechamap.domain.errors import Forbidden, InvalidField, NotFound, Unavailable
from mechamap.domain.history import Gap
from mechamap.domain.identity import Identity, UserFacts
from mechamap.domain.payloads import payload_of
from mechamap.domain.publication import Publication
from mechamap.presence.protocol import Roster
from mechamap.store.protocol import MarkedRead, Notifications

from .access import Judge
from .connections import Connection, Connections
from .protocol import Meter, Transport

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
        max_connections: int,
        max_subscriptions: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.connections = Connections()
        self.worker_id = worker_id
        self.recheck: Callable[[int], None] = lambda user_id: None
        self._transport = transport
        self._broker = broker
        self._roster = roster
        self._judge = judge
        self._notifications = notifications
        self._meter = meter
        self._max_connections = max_connections
        self._max_subscriptions = max_subscriptions
        self._clock = clock

    def connect(
        self,
        sid: str,
        identity: Identity,
        facts: UserFacts | None,
        *,
        transport: str,
        address: str | None,
        user_agent: str | None,
    ) -> Connection:
        """Admit a verified person's connection and join it to the person's own channel.

        Raises:
            Unavailable: this worker is full, or the broker cannot promise delivery.
        """
        if len(self.connections) >= self._max_connections:
            raise Unavailable("The server is full; try again shortly.", code="server_full", retry_after=5)
        connection = Connection(
            sid,
            identity,
            facts,
            self.worker_id,
            transport=transport,
            address=address,
            user_agent=user_agent,
            connected_at=self._clock(),
        )
        own = user_channel(identity.user_id)
        self._broker.subscribe(own.canonical)
        self.connections.add(connection)
        self.connections.subscribe(connection, own)
        self._transport.join(sid, own.canonical)
        self._roster.record(connection)
        self._meter.connection("accepted")
        log.info(
            "connected",
            extra={"user": identity.user_id, "sid": sid, "kind": identity.kind.value, "transport": transport},
        )
        return connection

    def disconnect(self, sid: str, reason: str) -> None:
        """Forget a connection that ended; unknown ids (refused ones) are ignored."""
        connection = self.connections.remove(sid)
        if connection is None:
            return
        for canonical in connection.canonicals:
            self._broker.unsubscribe(canonical)
        self._roster.forget(sid)
        self._meter.disconnection(reason)
        log.info("disconnected", extra={"user": connection.user_id, "sid": sid, "code": reason})

    def subscribe(self, sid: str, name: object) -> Channel:
        """Join a channel; joining twice is once. Returns only when every later event of the channel will
        arrive.

        Raises:
            InvalidField: the name, or the connection's number of channels.
            Forbidden: the rule refused; ``code`` is the decision's.
            Unavailable: facts or broker are away.
            NotFound: the connection is gone.
        """
        connection = self._connection(sid)
        channel = parse_channel(name)
        joined = connection.canonicals
        if channel.canonical in joined:
            return channel
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
        if self.connections.get(sid) is not connection or channel.canonical in connection.canonicals:
            # it left, or asked twice at once, while the broker was confirming
            self._broker.unsubscribe(channel.canonical)
            self._connection(sid)
            return channel
        self.connections.subscribe(connection, channel)
        self._transport.join(sid, channel.canonical)
        self._roster.record(connection)
        self._meter.subscription(channel.kind.value, "allowed")
        return channel

    def unsubscribe(self, sid: str, name: object) -> Channel:
        """Leave a channel; leaving one that was not joined is harmless.

        Raises:
            InvalidField: the name.
            NotFound: the connection is gone.
        """
        connection = self._connection(sid)
        channel = parse_channel(name)
        self._leave(connection, channel.canonical)
        return channel

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
            told = {"channel": channel.name, "code": decision.code, "message": decision.reason}
            self._transport.send(connection.sid, "subscription_error", {**told, "error": "Unauthorized"})
            self._transport.send(connection.sid, "unsubscribed", {**told, "reason": "revoked"})

    def close(self, connection: Connection, code: str, reason: str) -> None:
        """End a connection and tell it why. It leaves the books now, not when the transport notices."""
        self._transport.send(connection.sid, "force_disconnect", {"reason": reason, "code": code})
        self._transport.close(connection.sid, code)
        self.disconnect(connection.sid, code)

    def note_transport(self, connection: Connection, transport: str) -> None:
        """A connection was found on this transport: polling connections upgrade some time after they were
        accepted."""
        if connection.transport != transport:
            connection.transport = transport
            self._roster.record(connection)

    def on_publication(self, publication: Publication) -> None:
        """Deliver to this worker's subscribers. Called in the channel's order; must not yield."""
        skip = (publication.except_id,) if publication.except_id else ()
        count = self._transport.deliver(publication.rooms, publication.event, publication.payload, skip)
        self._meter.delivery(count, max(0.0, self._clock() - publication.accepted_at))

    def on_gap(self, channels: Collection[str], reason: Gap) -> None:
        """Events of channels with subscribers here may be missing; the broker has logged which."""
        self._meter.gap(reason.value, len(channels))

    def on_command(self, command: Command) -> None:
        """Carry out an operator's command on this worker's connections."""
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
        if not self.connections.unsubscribe(connection, canonical):
            return False
        self._transport.leave(connection.sid, canonical)
        self._broker.unsubscribe(canonical)
        self._roster.record(connection)
        return True

    def _refused(self, connection: Connection, channel: Channel, decision: Decision) -> None:
        self._meter.subscription(channel.kind.value, decision.code)
        who = {"user": connection.user_id, "sid": connection.sid}
        log.info("subscription_refused", extra={**who, "channel": channel.name, "code": decision.code})
