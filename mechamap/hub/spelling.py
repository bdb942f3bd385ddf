"""How a connection hears a channel that it has: the latest subscription decides the name and the dialect."""

from mechamap.domain.channels import Channel
from mechamap.domain.dialects import Dialect
from mechamap.domain.errors import Forbidden

from .connection import Connection
from .presence import Presence
from .protocol import Transport
from .recovery import Recovery


class Spelling:
    """One worker's part in it."""

    def __init__(self, transport: Transport, recovery: Recovery, presence: Presence) -> None:
        self._transport = transport
        self._recovery = recovery
        self._presence = presence

    def again(self, connection: Connection, channel: Channel, dialect: Dialect) -> bool:
        """A connection subscribed to a channel that it has. It is told the members once more; under a name
        that has members it becomes one. In the plan's dialect names do not matter otherwise, for they are not
        in its events; in Echo's the events come under the new name from now on. Whether its name changed.

        Raises:
            BrokerUnavailable: it may not be kept for a return.
            Unavailable: it cannot be told the members.
            Forbidden: the channel was taken from it while it became a member.
        """
        sid, canonical = connection.sid, channel.canonical
        had, before = connection.channels[canonical], connection.spelled(canonical)
        after = channel.name if dialect is Dialect.ECHO else None
        becomes_member = channel.presence and not had.presence
        if before == after and not becomes_member:
            self._presence.tell_again(connection, channel)
            return False
        listing = self._presence.enter(connection, channel) if becomes_member else None
        if not connection.has(channel):
            raise Forbidden("The channel was taken away meanwhile.", code="subscription_revoked")
        mark = connection.mark_of(canonical)
        connection.respell(channel, dialect)
        if before != after:
            self._transport.leave(sid, canonical, before)
            self._transport.join(sid, canonical, after)
        if had.presence and not channel.presence:
            self._presence.leave(connection, canonical)
        if mark is not None:
            self._recovery.left(connection, mark)
        self._recovery.joined(connection, channel)
        if becomes_member:
            self._presence.tell(connection, channel, listing)
        else:
            self._presence.tell_again(connection, channel)
        return True
