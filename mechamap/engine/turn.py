"""A greenlet's turn: how long it may work before the others get theirs.

gevent switches only where a greenlet waits, and a socket that always has data, or a handler that never waits,
is no such place. `gevent.sleep(0)` would run other callbacks but not poll for I/O. The smallest timer polls,
but sleeps a whole millisecond, because libev's epoll counts in milliseconds (1,007 us measured, gevent
26.9.0). An idle watcher of the highest priority makes the loop poll without waiting and comes back in the
next round, whatever else is ready (12 us).
"""

import time

import gevent

_SECONDS = 0.005
_HIGHEST = 2  # libev's EV_MAXPRI; with less, a busy loop would never be idle enough


def breathe() -> None:
    """Let everything that is ready run once, I/O included."""
    gevent.idle(_HIGHEST)


class Turn:
    """Call `check` between two pieces of work."""

    __slots__ = ("_began",)

    def __init__(self) -> None:
        self._began = time.perf_counter()

    def check(self) -> None:
        """Let the others work if this turn was long enough."""
        if time.perf_counter() - self._began > _SECONDS:
            breathe()
            self._began = time.perf_counter()
