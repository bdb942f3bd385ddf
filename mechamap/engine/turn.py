"""A greenlet's turn: how long it may work before the others get theirs.

gevent switches only where a greenlet waits, and a socket that always has data, or a handler that never waits,
is no such place. `gevent.sleep(0)` would run other callbacks but not poll for I/O; the smallest timer does
both, and costs up to 1 ms because libev's epoll counts in milliseconds. So it is taken every 5 ms of work and
not every message.
"""

import time

import gevent

_SECONDS = 0.005
_PAUSE = 1e-5


class Turn:
    """Call `check` between two pieces of work."""

    __slots__ = ("_began",)

    def __init__(self) -> None:
        self._began = time.perf_counter()

    def check(self) -> None:
        """Let the others work if this turn was long enough."""
        if time.perf_counter() - self._began > _SECONDS:
            gevent.sleep(_PAUSE)
            self._began = time.perf_counter()
