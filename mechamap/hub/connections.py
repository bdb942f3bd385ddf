"""The live connections of this worker and what each is subscribed to."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field

from mechamap.domain.channels import Channel
from mechamap.domain.identity import Identity, UserFacts
from mechamap.presence.protocol import ConnectionRecord


@dataclass(slots=True)
class Connection:
    """One accepted browser connection.

    Attributes:
        facts: what the directory last said of the user; None where it has no table of users.
        channels: canonical name → the channel as this client spells it.
    """

    sid: str
    identity: Identity
    facts: UserFacts | None
    transport: str
    address: str | None
    user_agent: str | None
    connected_at: float
    channels: dict[str, Channel] = field(default_factory=dict)

    @property
    def role(self) -> str | None:
        return self.facts.role if self.facts is not None else self.identity.role

    def record(self, worker: str) -> ConnectionRecord:
        """How operators see it."""
        return ConnectionRecord(
            sid=self.sid,
            user_id=self.identity.user_id,
            name=self.facts.name if self.facts is not None else self.identity.name,
            role=self.role,
            worker=worker,
            transport=self.transport,
            address=self.address,
            user_agent=self.user_agent,
            kind=self.identity.kind.value,
            connected_at=self.connected_at,
            expires_at=self.identity.expires_at,
            channels=tuple(channel.name for channel in self.channels.values()),
        )


class SidIndex:
    """Key → the connections that have it. Most users have one connection and most private channels one
    member, so a lone id is kept bare: a set would cost 216 bytes more for each."""

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
    """Registry with the look-ups the use cases need; every operation costs the connection's own size at
    most."""

    def __init__(self) -> None:
        self._by_sid: dict[str, Connection] = {}
        self._by_user = SidIndex()
        self._by_channel = SidIndex()
        self._subscriptions = 0
        self._expiries: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._by_sid)

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._by_sid.values()))

    def get(self, sid: str) -> Connection | None:
        return self._by_sid.get(sid)

    def add(self, connection: Connection) -> None:
        self._by_sid[connection.sid] = connection
        self._by_user.add(connection.identity.user_id, connection.sid)
        if connection.identity.expires_at is not None:
            heapq.heappush(self._expiries, (connection.identity.expires_at, connection.sid))

    def remove(self, sid: str) -> Connection | None:
        connection = self._by_sid.pop(sid, None)
        if connection is not None:
            self._by_user.discard(connection.identity.user_id, sid)
            self._subscriptions -= len(connection.channels)
            for canonical in connection.channels:
                self._by_channel.discard(canonical, sid)
        return connection

    def subscribe(self, connection: Connection, channel: Channel) -> None:
        connection.channels[channel.canonical] = channel
        self._by_channel.add(channel.canonical, connection.sid)
        self._subscriptions += 1

    def unsubscribe(self, connection: Connection, canonical: str) -> bool:
        """False when it was not subscribed."""
        if connection.channels.pop(canonical, None) is None:
            return False
        self._by_channel.discard(canonical, connection.sid)
        self._subscriptions -= 1
        return True

    def of_user(self, user_id: int) -> list[Connection]:
        return [self._by_sid[sid] for sid in self._by_user.get(user_id)]

    def of_channel(self, canonical: str) -> list[Connection]:
        return [self._by_sid[sid] for sid in self._by_channel.get(canonical)]

    def expired(self, now: float) -> list[Connection]:
        """Connections whose token ended by ``now`` (Unix seconds), each reported once."""
        ended = []
        while self._expiries and self._expiries[0][0] <= now:
            expires_at, sid = heapq.heappop(self._expiries)
            connection = self._by_sid.get(sid)
            if connection is not None and connection.identity.expires_at == expires_at:
                ended.append(connection)
        return ended

    @property
    def subscriptions(self) -> int:
        return self._subscriptions
