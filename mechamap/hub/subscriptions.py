"""Subscriptions: a connection joins a channel, leaves it, or loses it."""

import logging

from mechamap.broker.protocol import Broker
from mechamap.domain.access import Decision
from mechamap.domain.channels import Channel, Parse
from mechamap.domain.credentials import Credentials
from mechamap.domain.dialects import Dialect, mark
from mechamap.domain.errors import Forbidden, InvalidField, Unavailable
from mechamap.domain.history import Gap, History, Position
from mechamap.presence.protocol import Roster

from .access import Judge
from .catching_up import CatchingUp
from .connection import Connection
from .connections import Connections
from .journal import Journal
from .presence import Presence
from .protocol import Meter, Transport
from .recovery import Recovery
from .spelling import Spelling
from .subscribing import Past, Subscribed

log = logging.getLogger(__name__)


class Subscriptions:
    """Those of one worker."""

    def __init__(
        self,
        *,
        connections: Connections,
        transport: Transport,
        broker: Broker,
        roster: Roster,
        judge: Judge,
        recovery: Recovery,
        catching_up: CatchingUp,
        presence: Presence,
        meter: Meter,
        journal: Journal,
        parse: Parse,
        most: int,
    ) -> None:
        """``most``: channels of one connection."""
        self._connections = connections
        self._transport = transport
        self._broker = broker
        self._roster = roster
        self._judge = judge
        self._recovery = recovery
        self._catching_up = catching_up
        self._presence = presence
        self._meter = meter
        self._journal = journal
        self._parse = parse
        self._most = most
        self._spelling = Spelling(transport, recovery, presence)
        self._past = Past(transport, broker, catching_up)

    def subscribe(
        self,
        sid: str,
        name: object,
        since: Position | None,
        dialect: Dialect | None,
        credentials: Credentials | None,
    ) -> Subscribed:
        """See ``Hub.subscribe``."""
        connection = self._connections.signed_in(sid)
        channel = self._parse(name)
        dialect = dialect or connection.dialect
        joined = connection.canonicals
        if channel.canonical in joined:
            if self._spelling.again(connection, channel, dialect):
                self._roster.record(connection)
            return self._past.none(channel, since)
        if len(joined) >= self._most:
            raise InvalidField(
                "channel",
                f"The connection has {len(joined)} channels; the limit is {self._most}.",
                code="too_many_subscriptions",
            )
        try:
            decision = self._judge.decide(connection.identity, channel, connection.facts, credentials)
        except Unavailable as err:
            self._meter.subscription(channel.kind.value, err.code)
            self._journal_refusal(connection, channel, err.code)
            raise
        if not decision.allowed:
            self._refused(connection, channel, decision)
            raise Forbidden(decision.reason, code=decision.code)
        self._broker.subscribe(channel.canonical)
        try:
            missed = self._past.read(sid, channel.canonical, since)
        except BaseException:
            self._broker.unsubscribe(channel.canonical)
            raise
        if self._connections.get(sid) is not connection or channel.canonical in connection.canonicals:
            # it left, or asked twice at once, while the broker was confirming
            self._catching_up.stop(sid)
            self._broker.unsubscribe(channel.canonical)
            self._connections.signed_in(sid)
            return self._past.none(channel, since)
        return self._enter(connection, channel, dialect, since, missed)

    def _enter(
        self,
        connection: Connection,
        channel: Channel,
        dialect: Dialect,
        since: Position | None,
        missed: History | Gap | None,
    ) -> Subscribed:
        """Put a followed channel into the books, and let the connection in."""
        sid, owed = connection.sid, isinstance(missed, History)
        begin = self._broker.position(channel.canonical)
        start = since if owed and since is not None else begin
        self._connections.subscribe(connection, channel, start, dialect)
        had = mark(channel.name, dialect)
        if not owed:
            self._transport.join(sid, channel.canonical, connection.spelled(channel.canonical))
        kept = False
        try:
            listing = self._presence.enter(connection, channel)
            self._connections.signed_in(sid)  # that waited; nothing is kept of one that left meanwhile
            self._recovery.joined(connection, channel)
            kept = True
            self._presence.tell(connection, channel, listing)
            if owed:
                self._check_still(connection, channel)
            self._connections.signed_in(sid)  # keeping waited too
            self._roster.record(connection)
            # the list has what was announced until now
            told = (self._presence.heard,) if listing is not None else ()
            done = self._past.let_in(connection, channel, missed, *told) if owed else None
        except Unavailable:
            self._catching_up.stop(sid)
            if self.leave(connection, channel.canonical) and kept:
                self._keep_left(connection, had)
            raise
        self._meter.subscription(channel.kind.value, "allowed")
        # without the past it has what came since it entered the room, while the rest here waited
        live = done.position if done is not None else begin
        self._journal.joined(connection, channel.canonical, live, start.offset)
        return done or self._past.none(channel, since, missed)

    def _check_still(self, connection: Connection, channel: Channel) -> None:
        """It did not leave, nor was the channel taken from it, while its session was being kept."""
        if self._connections.signed_in(connection.sid) is not connection or not connection.has(channel):
            self._catching_up.stop(connection.sid)
            raise Forbidden("The channel was taken away meanwhile.", code="subscription_revoked")

    def unsubscribe(self, sid: str, name: object) -> Channel:
        """See ``Hub.unsubscribe``."""
        connection = self._connections.signed_in(sid)
        channel = self._parse(name)
        had = connection.mark_of(channel.canonical)
        if had is not None and self.leave(connection, channel.canonical):
            self._journal_left(connection, channel, "unsubscribed")
            self._recovery.left(connection, had)
        return channel

    def revoke(self, connection: Connection, channel: Channel, decision: Decision) -> None:
        """See ``Hub.revoke``."""
        self._refused(connection, channel, decision)
        dialect, had = connection.dialect_of(channel.canonical), connection.mark_of(channel.canonical)
        if had is not None and self.leave(connection, channel.canonical):
            self._journal_left(connection, channel, decision.code)
            self.tell_revoked(connection.sid, channel, decision, dialect)
            self._keep_left(connection, had)

    def tell_revoked(self, sid: str, channel: Channel, decision: Decision, dialect: Dialect) -> None:
        """See ``Hub.tell_revoked``."""
        told = {"channel": channel.name, "code": decision.code, "message": decision.reason}
        first = (channel.name, Forbidden.http_status) if dialect is Dialect.ECHO else ()
        self._transport.send(sid, "subscription_error", *first, {**told, "error": "Unauthorized"})
        self._transport.send(sid, "unsubscribed", {**told, "reason": "revoked"})

    def leave(self, connection: Connection, canonical: str) -> bool:
        """Take a channel out of the books; whether the connection had it."""
        if self._connections.get(connection.sid) is not connection:
            return False  # it is gone, and left all of them then
        spelled = connection.spelled(canonical)
        if not self._connections.unsubscribe(connection, canonical):
            return False
        self._transport.leave(connection.sid, canonical, spelled)
        self._presence.leave(connection, canonical)
        self._broker.unsubscribe(canonical)
        self._roster.record(connection)
        return True

    def _keep_left(self, connection: Connection, had: str) -> None:
        try:
            self._recovery.left(connection, had)
        except Unavailable as err:  # a return would judge it again
            log.info("session_not_kept", extra={"sid": connection.sid, "code": err.code})

    def _refused(self, connection: Connection, channel: Channel, decision: Decision) -> None:
        self._meter.subscription(channel.kind.value, decision.code)
        self._journal_refusal(connection, channel, decision.code)
        who = {"user": connection.user_id, "sid": connection.sid}
        log.info("subscription_refused", extra={**who, "channel": channel.name, "code": decision.code})

    def _journal_refusal(self, connection: Connection, channel: Channel, code: str) -> None:
        position = self._broker.position(channel.canonical)
        self._journal.refused(connection, channel.canonical, position, code)

    def _journal_left(self, connection: Connection, channel: Channel, code: str) -> None:
        position = self._broker.position(channel.canonical)
        self._journal.left(connection, channel.canonical, position, code)
