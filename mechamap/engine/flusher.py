"""The flusher: writes what broadcasts have marked.

A broadcast marks each member's connection with one shared frame, without yielding; that makes the order. The
flusher then makes one system call per marked connection, and what was marked meanwhile goes out in the same
call: joined under backlog, never delayed for the sake of joining.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import gevent

from .turn import breathe

if TYPE_CHECKING:
    from .clock import Clock
    from .connection import Connection
    from .reasons import Limits

# System calls (5 to 8 us each) before the others get their turn: a private message does not wait longer for a
# broadcast than these take.
_SLICE = 64


class Flusher:
    """One per server; it also knows the bounds that its connections share."""

    __slots__ = ("_dirty", "_greenlet", "clock", "limits", "max_bytes", "max_frames")

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self.clock = clock
        self.limits = limits
        self.max_bytes = limits.max_queue_bytes
        self.max_frames = limits.max_queue_packets
        self._dirty: deque[Connection] = deque()
        self._greenlet: gevent.Greenlet | None = None

    def mark(self, connection: Connection) -> None:
        """Write to this connection soon; it is marked once, however much waits for it."""
        self._dirty.append(connection)
        if self._greenlet is None:
            self._greenlet = gevent.spawn(self._run)

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
