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


class Connections:
    """Registry with the look-ups the use cases need; every operation costs the connection's own size at
    most."""

    def __init__(self) -> None:
        self._by_sid: dict[str, Connection] = {}
        self._by_user: dict[int, set[str]] = {}
        self._by_channel: dict[str, set[str]] = {}
        self._expiries: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._by_sid)

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._by_sid.values()))

    def get(self, sid: str) -> Connection | None:
        return self._by_sid.get(sid)

    def add(self, connection: Connection) -> None:
        self._by_sid[connection.sid] = connection
        self._by_user.setdefault(connection.identity.user_id, set()).add(connection.sid)
        if connection.identity.expires_at is not None:
            heapq.heappush(self._expiries, (connection.identity.expires_at, connection.sid))

    def remove(self, sid: str) -> Connection | None:
        connection = self._by_sid.pop(sid, None)
        if connection is not None:
            _discard(self._by_user, connection.identity.user_id, sid)
            for canonical in connection.channels:
                _discard(self._by_channel, canonical, sid)
        return connection

    def subscribe(self, connection: Connection, channel: Channel) -> None:
        connection.channels[channel.canonical] = channel
        self._by_channel.setdefault(channel.canonical, set()).add(connection.sid)

    def unsubscribe(self, connection: Connection, canonical: str) -> bool:
        """False when it was not subscribed."""
        if connection.channels.pop(canonical, None) is None:
            return False
        _discard(self._by_channel, canonical, connection.sid)
        return True

    def of_user(self, user_id: int) -> list[Connection]:
        return [self._by_sid[sid] for sid in self._by_user.get(user_id, ())]

    def of_channel(self, canonical: str) -> list[Connection]:
        return [self._by_sid[sid] for sid in self._by_channel.get(canonical, ())]

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
        return sum(len(sids) for sids in self._by_channel.values())


def _discard(index: dict, key: object, sid: str) -> None:
    members = index.get(key)
    if members is not None:
        members.discard(sid)
        if not members:
            del index[key]
