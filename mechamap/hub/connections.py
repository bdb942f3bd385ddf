"""The live connections of this worker and the look-ups of them."""

import math
from collections.abc import Iterator

from mechamap.domain.channels import Channel
from mechamap.domain.dialects import Dialect
from mechamap.domain.errors import NotFound
from mechamap.domain.history import Position

from .connection import Connection


class SidIndex:
    """Key → the connections that have it. Most users have one connection, so a lone id is kept bare: a set
    would cost 216 bytes more for each."""

    def __init__(self) -> None:
        self._sids: dict[object, str | set[str]] = {}

    def add(self, key: object, sid: str) -> None:
        found = self._sids.get(key)
        if found is None:
            self._sids[key] = sid
        elif isinstance(found, set):
            found.add(sid)
        elif found != sid:
            self._sids[key] = {found, sid}

    def discard(self, key: object, sid: str) -> None:
        found = self._sids.get(key)
        if isinstance(found, set):
            found.discard(sid)
            if not found:
                del self._sids[key]
        elif found == sid:
            del self._sids[key]

    def get(self, key: object) -> tuple[str, ...]:
        found = self._sids.get(key)
        if found is None:
            return ()
        return tuple(found) if isinstance(found, set) else (found,)


class Connections:
    """Registry with the look-ups the use cases need. Adding and removing cost the connection's own size;
    what is asked for seldom (``of_channel``, ``expired``) looks at all of them instead of being kept for
    each: 0.1 us a connection."""

    def __init__(self) -> None:
        self._by_sid: dict[str, Connection] = {}
        self._by_user = SidIndex()
        self._subscriptions = 0
        self._earliest = math.inf  # no token ends before

    def __len__(self) -> int:
        return len(self._by_sid)

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._by_sid.values()))

    def get(self, sid: str) -> Connection | None:
        return self._by_sid.get(sid)

    def signed_in(self, sid: str) -> Connection:
        """The connection.

        Raises:
            NotFound: there is none of this id.
        """
        connection = self._by_sid.get(sid)
        if connection is None:
            raise NotFound("The connection is not signed in.", code="not_connected")
        return connection

    def add(self, connection: Connection) -> None:
        self._by_sid[connection.sid] = connection
        self._by_user.add(connection.user_id, connection.sid)
        self._subscriptions += len(connection.canonicals)
        if connection.expires_at is not None and connection.expires_at < self._earliest:
            self._earliest = connection.expires_at

    def remove(self, sid: str) -> Connection | None:
        connection = self._by_sid.pop(sid, None)
        if connection is not None:
            self._by_user.discard(connection.user_id, sid)
            self._subscriptions -= len(connection.canonicals)
        return connection

    def subscribe(
        self, connection: Connection, channel: Channel, position: Position, dialect: Dialect = Dialect.PLAN
    ) -> None:
        """The caller knows that it is not subscribed."""
        connection.join(channel, position, dialect)
        self._subscriptions += 1

    def unsubscribe(self, connection: Connection, canonical: str) -> bool:
        """False when it was not subscribed."""
        left = connection.leave(canonical)
        self._subscriptions -= left
        return left

    def of_user(self, user_id: int) -> list[Connection]:
        return [self._by_sid[sid] for sid in self._by_user.get(user_id)]

    def of_channel(self, canonical: str) -> list[Connection]:
        return [connection for connection in self._by_sid.values() if canonical in connection.canonicals]

    def of_token(self, ref: str) -> list[Connection]:
        return [connection for connection in self._by_sid.values() if connection.came_with(ref)]

    def expired(self, now: float) -> list[Connection]:
        """Connections whose token ended by ``now`` (Unix seconds); the caller removes them."""
        if now < self._earliest:
            return []
        ended, earliest = [], math.inf
        for connection in self._by_sid.values():
            end = connection.expires_at
            if end is None:
                continue
            if end <= now:
                ended.append(connection)
            elif end < earliest:
                earliest = end
        # one that could not be closed is looked at again
        self._earliest = now if ended else earliest
        return ended

    @property
    def subscriptions(self) -> int:
        return self._subscriptions
