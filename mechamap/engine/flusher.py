"""The flusher: marks the connections of a broadcast's recipients, and writes what was marked.

A broadcast marks each recipient's connection with one shared frame, without yielding; that makes the order.
The flusher then makes one system call per marked connection, and what was marked meanwhile goes out in the
same call: joined under backlog, never delayed for the sake of joining.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

import gevent

from .frames import FrameParser
from .pending import Run, followed, size_of
from .turn import breathe

if TYPE_CHECKING:
    from .clock import Clock
    from .connection import Connection
    from .members import Member
    from .outflow import Outflow
    from .reasons import Limits

# System calls (5 to 8 us each) before the others get their turn: a private message does not wait longer for a
# broadcast than these take.
_SLICE = 64
_MILESTONES = 256  # that wait at once; what is to be measured beyond that is not


class Milestone:
    """Stands behind the connections of a broadcast: when its turn comes, all of them were written to."""

    __slots__ = ("_arguments", "_callback", "_flusher", "marked")

    def __init__(self, flusher: Flusher, callback: Callable[..., object], arguments: tuple) -> None:
        self.marked = True
        self._flusher = flusher
        self._callback = callback
        self._arguments = arguments

    def flush(self) -> bool:
        """As a connection's: whether the kernel was asked."""
        self._flusher.milestones -= 1
        self._callback(*self._arguments)
        return False


class Flusher:
    """One per server; it also knows what its connections share: the clock and the bounds.

    Attributes:
        spreads: how many broadcasts went to rooms that are not written to at once.
        stalled: the connections whose peer does not take what the kernel was offered.
    """

    __slots__ = (
        "_dirty", "_greenlet", "clock", "limits", "max_bytes", "max_frames", "milestones", "spare_parser",
        "spreads", "stalled",
    )  # fmt: skip

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self.clock = clock
        self.limits = limits
        self.max_bytes = limits.max_queue_bytes
        self.max_frames = limits.max_queue_packets
        self._dirty: deque[Connection | Milestone] = deque()
        self.milestones = 0
        self.spreads = 0
        self.stalled: set[Outflow] = set()
        self._greenlet: gevent.Greenlet | None = None
        self.spare_parser: FrameParser | None = None  # most messages come whole: one parser serves them all

    def take_parser(self) -> FrameParser | None:
        """The spare parser, if nobody has it."""
        parser, self.spare_parser = self.spare_parser, None
        return parser

    def mark(self, connection: Connection) -> None:
        """Write to this connection soon; it is marked once, however much waits for it."""
        connection.marked = True
        self._dirty.append(connection)
        if self._greenlet is None:
            self._greenlet = gevent.spawn(self._run)

    def when_written(self, callback: Callable[..., object], *arguments: object) -> None:
        """Call back once all that is marked was written, at once if nothing is. It must neither wait nor
        raise. One measurement for a broadcast, whatever the number of its recipients; some are left out when
        very many broadcasts wait.
        """
        if not self._dirty:
            callback(*arguments)
        elif self.milestones < _MILESTONES:
            self.milestones += 1
            self._dirty.append(Milestone(self, callback, arguments))

    def spread(self, members: Collection[Member], frame: bytes) -> tuple[int, list[Member]]:
        """Queue one frame for every member with a connection: how many have it, and the members that are to
        be served one by one (polling, slow, leaving).

        Runs a thousand times per broadcast, so it is one loop that calls nothing for a connection that waits
        for nothing, or for just what the one before it waits for. What waits is looked up by identity: those
        that wait for the same go on sharing it, in whatever order they come.
        """
        self.spreads += 1
        dirty, before, after, others = self._dirty, self, None, []
        seen: dict[int, tuple[object, Run]] = {}  # with what it is the identity of, or it could be used again
        for member in members:
            connection = member.connection
            if connection is None:
                others.append(member)
                continue
            pending = connection.pending
            if pending is None:
                connection.pending = frame
                if not connection.marked:
                    connection.marked = True
                    dirty.append(connection)
            elif pending is before:
                connection.pending = after
            elif (known := seen.get(id(pending))) is not None:
                before, after = known
                connection.pending = after
            elif self._has_room(pending, frame):
                before, after = pending, followed(pending, frame)
                seen[id(pending)] = (before, after)
                connection.pending = after
            else:
                others.append(member)
        if dirty and self._greenlet is None:
            self._greenlet = gevent.spawn(self._run)
        return len(members) - len(others), others

    def _has_room(self, pending: object, frame: bytes) -> bool:
        kind = type(pending)
        if kind is not bytes and (kind is not Run or pending.count >= self.max_frames):
            return False
        return size_of(pending) + len(frame) <= self.max_bytes

    def _run(self) -> None:
        dirty, calls = self._dirty, 0
        try:
            while dirty:
                connection = dirty.popleft()
                connection.marked = False
                calls += connection.flush()
                if calls >= _SLICE:
                    calls = 0
                    breathe()
        finally:
            self._greenlet = None
