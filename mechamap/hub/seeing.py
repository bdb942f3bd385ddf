"""What a worker tells operators of its connections: a search's page, one connection in full, a channel's."""

import heapq
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from mechamap.domain.searching import Place, Search, key_of
from mechamap.presence.protocol import ConnectionRecord

from .connection import Connection
from .connections import Connections
from .inquiries import Inquiries
from .matching import matches
from .protocol import Buffered, Buffers

SLICE = 250
"""Connections looked at without yielding: a millisecond or two."""
MOST_NAMES = 6
"""Channels told of each connection of a list."""

FIND, CONNECTION, REACH = "connections", "connection", "channel_reach"
"""Kinds of questions."""


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """One connection in a list.

    Attributes:
        channels: the first of its channels, as it spells them; ``subscriptions`` is how many it has.
        queued_bytes, queued_packets: what waits for it here, beside what the kernel holds.
    """

    sid: str
    user_id: int
    name: str | None
    role: str | None
    kind: str
    worker: str
    transport: str
    dialect: str
    address: str | None
    user_agent: str | None
    connected_at: float
    expires_at: float | None
    channels: tuple[str, ...]
    subscriptions: int
    queued_bytes: int
    queued_packets: int


@dataclass(frozen=True, slots=True)
class Found:
    """One worker's part of a search: all that match, and the first of them."""

    matches: int
    rows: tuple[ConnectionRow, ...]


@dataclass(frozen=True, slots=True)
class ChannelOf:
    """One channel of a connection.

    Attributes:
        joined_at: Unix seconds.
        since: the number in the sequence behind which its events are owed to the connection.
    """

    name: str
    canonical: str
    dialect: str
    joined_at: float
    since: int


@dataclass(frozen=True, slots=True)
class ConnectionInFull:
    """Everything its worker knows of a connection.

    Attributes:
        token: names its token (``Identity.token_ref``); empty for guests.
        session: whether it has a session to return to.
        epoch, received: it surely has all events of its channels up to there.
    """

    row: ConnectionRow
    record: ConnectionRecord
    channels: tuple[ChannelOf, ...]
    token: str
    session: bool
    epoch: str
    received: int


@dataclass(frozen=True, slots=True)
class ReachHere:
    """Who of one worker is in a channel, by dialect and by transport."""

    dialects: dict[str, int]
    transports: dict[str, int]
    users: int


@dataclass(frozen=True, slots=True)
class ChannelAsked:
    canonical: str


@dataclass(frozen=True, slots=True)
class ConnectionAsked:
    sid: str


class Seeing:
    """One worker's answers. Nothing is kept for it: all is read when somebody asks."""

    def __init__(
        self,
        connections: Connections,
        buffers: Buffers,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._connections = connections
        self._buffers = buffers
        self._sleep = sleep
        self._clock = clock

    def register(self, inquiries: Inquiries) -> None:
        inquiries.answers(FIND, Search, self.find)
        inquiries.answers(CONNECTION, ConnectionAsked, self.connection)
        inquiries.answers(REACH, ChannelAsked, self.reach)

    def find(self, search: Search) -> Found:
        """The connections that match, the first page of them as rows."""
        count, page = 0, []
        now, wanted = self._clock(), search.text.casefold()
        after = (search.after.key, search.after.sid) if search.after is not None else None
        some = self._connections.of_user(search.user_id) if search.user_id else self._connections
        for number, connection in enumerate(some, 1):
            if number % SLICE == 0:
                self._sleep(0.00001)
            queued = None
            if search.min_queued or search.order == "queue":
                queued = self._buffers.buffered(connection.sid)
            if not matches(connection, search, wanted, now, queued):
                continue
            count += 1
            key = key_of(search.order, connection.connected_at, queued.bytes if queued else 0)
            place = (key, connection.sid)
            if after is None or place < after:
                page.append((place, connection))
                if len(page) >= 4 * search.limit:
                    page = heapq.nlargest(search.limit, page, key=lambda each: each[0])
        first = heapq.nlargest(search.limit, page, key=lambda each: each[0])
        return Found(count, tuple(self._row(connection) for _, connection in first))

    def connection(self, asked: ConnectionAsked) -> ConnectionInFull | None:
        """The connection; None if this worker has none of this id."""
        connection = self._connections.get(asked.sid)
        if connection is None:
            return None
        since, record = connection.joins(), connection.record()
        names = {name: _sayable(getattr(record, name)) for name in ("name", "role", "user_agent")}
        channels = tuple(
            ChannelOf(name, canonical, connection.dialect_of(canonical).value, joined_at, since[mark])
            for canonical, name, mark, joined_at in zip(
                connection.canonicals,
                connection.spellings,
                connection.marks,
                connection.joined_at,
                strict=True,
            )
        )
        return ConnectionInFull(
            self._row(connection),
            replace(record, **names),
            channels,
            connection.token_ref,
            connection.pid is not None,
            connection.position.epoch,
            connection.position.offset,
        )

    def reach(self, asked: ChannelAsked) -> ReachHere:
        here = self._connections.of_channel(asked.canonical)
        return ReachHere(
            Counter(connection.dialect_of(asked.canonical).value for connection in here),
            Counter(connection.transport for connection in here),
            len({connection.user_id for connection in here}),
        )

    def _row(self, connection: Connection) -> ConnectionRow:
        buffered = self._buffers.buffered(connection.sid) or Buffered(connection.transport, 0, 0)
        names = connection.spellings
        return ConnectionRow(
            sid=connection.sid,
            user_id=connection.user_id,
            name=_sayable(connection.name),
            role=_sayable(connection.role),
            kind=connection.kind.value,
            worker=connection.worker,
            transport=buffered.transport,
            dialect=connection.dialect.value,
            address=connection.address,
            user_agent=_sayable((connection.user_agent or "")[:300]) or None,
            connected_at=connection.connected_at,
            expires_at=connection.expires_at,
            channels=names[:MOST_NAMES],
            subscriptions=len(names),
            queued_bytes=buffered.bytes,
            queued_packets=buffered.packets,
        )


def place_of(row: ConnectionRow, search: Search) -> Place:
    """Where the row stands in the search's order."""
    return Place(key_of(search.order, row.connected_at, row.queued_bytes), row.sid)


def _sayable(text: str | None) -> str | None:
    """Half surrogate pairs (browsers may send anything) become question marks: JSON cannot hold them."""
    return text if text is None or text.isascii() else text.encode(errors="replace").decode()
