"""What happened to this worker's connections in the last minutes, so that it can be told afterwards what
reached whom and why not.

Bounded in time and in number, whichever ends first; nothing is noted per event, only when a connection
begins, ends, or changes its channels. Entries are plain tuples of plain values, which the garbage collector
does not follow.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mechamap.domain.history import Position

from .connection import Connection
from .tap import Kind, Tap

SECONDS = 600.0
MOST = 20_000
"""Entries of one worker, about 250 bytes each. A connection makes three in its life, and one for each
channel that it joins, leaves or is refused."""


class Moment(StrEnum):
    """What can happen to a connection."""

    CONNECTED = "connected"
    JOINED = "joined"
    LEFT = "left"
    REFUSED = "refused"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Entry:
    """One moment.

    Attributes:
        at: Unix seconds.
        channel: canonical; empty where it is about none.
        epoch, offset: where this worker was in the sequence: what came before was dealt with before.
        since: of a joining, what it is owed from; what lies between this and ``offset`` was replayed.
        code: why it left, was refused or ended; how it came (``new``, ``recovered``, or why that failed).
        confirmed: of an end, up to where it is certain that the client had everything.
        sids: of one that returned, its earlier connections, whose own events it does not get.
    """

    at: float
    moment: Moment
    user_id: int
    sid: str
    channel: str
    epoch: str
    offset: int
    since: int = 0
    code: str = ""
    confirmed: int = 0
    sids: tuple[str, ...] = ()


class Journal:
    """One worker's. Never raises, never waits."""

    def __init__(
        self,
        *,
        seconds: float = SECONDS,
        most: int = MOST,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.tap = Tap(clock=clock)
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._entries: deque[tuple] = deque()
        self._since = clock()

    @property
    def since(self) -> float:
        """Nothing after this moment was forgotten."""
        self._forget(self._clock())
        return self._since

    def __len__(self) -> int:
        return len(self._entries)

    def of_user(self, user_id: int) -> list[Entry]:
        """What is remembered of a user's connections, the earliest first."""
        self._forget(self._clock())
        return [Entry(*entry) for entry in self._entries if entry[2] == user_id]

    def connected(
        self, connection: Connection, position: Position, code: str, sids: Sequence[str] = ()
    ) -> None:
        """It was admitted: ``new``, ``recovered``, or why its session could not be."""
        self._note(Moment.CONNECTED, connection, "", position, 0, code, 0, tuple(sids))
        if self.tap.on:
            about = {"transport": connection.transport, "address": connection.address}
            self._tell(Kind.CONNECT, connection, code=code, **about)

    def joined(self, connection: Connection, canonical: str, position: Position, since: int) -> None:
        """It has the channel: live from ``position`` on, and behind what it had missed after ``since``."""
        self._note(Moment.JOINED, connection, canonical, position, since, "", 0, ())
        if self.tap.on:
            self._tell(Kind.SUBSCRIBE, connection, channels=(canonical,), code="allowed")

    def left(self, connection: Connection, canonical: str, position: Position, code: str) -> None:
        """It does not have the channel any more: ``unsubscribed``, or why it was taken away."""
        self._note(Moment.LEFT, connection, canonical, position, 0, code, 0, ())
        if self.tap.on:
            self._tell(Kind.UNSUBSCRIBE, connection, channels=(canonical,), code=code)

    def refused(self, connection: Connection, canonical: str, position: Position, code: str) -> None:
        """It may not join the channel. The tap hears of refusals where clients are told of them."""
        self._note(Moment.REFUSED, connection, canonical, position, 0, code, 0, ())

    def ended(self, connection: Connection, position: Position, code: str, *, sent_away: bool) -> None:
        """It is over; ``sent_away`` by the server."""
        has = connection.position
        confirmed = has.offset if has.epoch == position.epoch else 0
        self._note(Moment.ENDED, connection, "", position, 0, code, confirmed, ())
        if self.tap.on:
            self._tell(Kind.KICK if sent_away else Kind.DISCONNECT, connection, code=code)

    def _note(
        self,
        moment: Moment,
        connection: Connection,
        channel: str,
        position: Position,
        since: int,
        code: str,
        confirmed: int,
        sids: tuple[str, ...],
    ) -> None:
        now = self._clock()
        entries = self._entries
        # one string in several places: the object that the books hold, not a copy
        entries.append(
            (now, moment, connection.user_id, connection.sid, channel, position.epoch, position.offset,
             since, code, confirmed, sids)
        )  # fmt: skip
        if len(entries) > self._most or entries[0][0] < now - self._seconds:
            self._forget(now)

    def _forget(self, now: float) -> None:
        entries, end = self._entries, now - self._seconds
        while entries and (len(entries) > self._most or entries[0][0] < end):
            self._since = max(self._since, entries.popleft()[0])

    def _tell(self, kind: Kind, connection: Connection, **about: object) -> None:
        self.tap.note(kind, user_id=connection.user_id, sid=connection.sid, **about)
