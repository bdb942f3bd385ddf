"""What pages of groups ask for: how many their members are, and that a message be stored."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from mechamap.broker.protocol import Broker
from mechamap.domain.channels import Channel, Parse
from mechamap.domain.errors import Forbidden
from mechamap.domain.group_messages import GroupMessage, unsupported
from mechamap.store.protocol import GroupMembers

from .access import Judge
from .connection import Connection
from .connections import Connections
from .protocol import GroupMessages

COUNTS_SECONDS = 1.0
"""After which the counts of connections are read again: that costs as much as there are channels, for one
group. While one who asks reads them the others are told those before, if they are not twice as old."""


@dataclass(frozen=True, slots=True)
class GroupCount:
    """``members``: active ones, as Laravel's table has them; ``online``: connections that have the group's
    channel, on all workers."""

    group_id: int
    members: int
    online: int


class Groups:
    """For people who may be in the group, and nobody else."""

    def __init__(
        self,
        *,
        connections: Connections,
        broker: Broker,
        judge: Judge,
        members: GroupMembers,
        messages: GroupMessages | None,
        parse: Parse,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``messages``: who stores them; None where nobody does."""
        self._connections = connections
        self._broker = broker
        self._judge = judge
        self._members = members
        self._messages = messages
        self._parse = parse
        self._clock = clock
        self._counts: dict[str, int] = {}
        self._read_at = self._reading_at = -2 * COUNTS_SECONDS

    def count(self, sid: str, name: object) -> GroupCount:
        """How many are in the group with this channel.

        Raises:
            InvalidField: the name.
            Forbidden: the person may not be in the group.
            NotFound: the connection is gone.
            Unavailable: facts, or the broker, are away.
        """
        _, channel, group_id = self._entered(sid, name)
        return GroupCount(group_id, self._members.count(group_id), self._online(channel))

    def _online(self, channel: Channel) -> int:
        now = self._clock()
        if now >= self._reading_at + COUNTS_SECONDS or now >= self._read_at + 2 * COUNTS_SECONDS:
            self._reading_at = now
            self._counts, self._read_at = self._broker.channels(), now
        return self._counts.get(channel.canonical, 0)

    def post(self, sid: str, name: object, message: GroupMessage) -> tuple[int, int | str | None]:
        """Have a message stored; the group's id, and the message's where it is told one. Who is in the group
        hears of it from Laravel.

        Raises:
            InvalidField, Forbidden, NotFound, Unavailable: as ``count``.
            NotStored: it is not stored, or that cannot be told.
        """
        if self._messages is None:
            raise unsupported()
        connection, _, group_id = self._entered(sid, name)
        return group_id, self._messages.store(group_id, connection.user_id, message)

    def _entered(self, sid: str, name: object) -> tuple[Connection, Channel, int]:
        connection = self._connections.signed_in(sid)
        channel = self._parse(name)
        if not connection.has(channel):  # what it has is judged again and again
            decision = self._judge.decide(connection.identity, channel, connection.facts)
            if not decision.allowed:
                raise Forbidden(decision.reason, code=decision.code)
        return connection, channel, channel.target or 0
