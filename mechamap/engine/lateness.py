"""How late the worker's loop is: what everything it serves has to wait for at least.

A repeating timer is told by how much it came late: a handler that computes, a long garbage collection or a
machine without time for us all show there. A stall is seen up to a tick shorter than it was.
"""

import time
from collections.abc import Callable

import gevent

_TICK = 0.05  # seconds; twenty of these callbacks a second cost about a thousandth of a processor


class Lateness:
    """Tells ``seen`` of every tick how many seconds late it was. ``seen`` must neither wait nor raise."""

    def __init__(self, seen: Callable[[float], object]) -> None:
        self._seen = seen
        self._last = 0.0
        self._timer = None

    def start(self) -> None:
        """Begin, in the process and the thread that are to be measured."""
        self._last = time.perf_counter()
        self._timer = gevent.get_hub().loop.timer(_TICK, _TICK, ref=False)
        self._timer.start(self._tick)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None

    def _tick(self) -> None:
        now = time.perf_counter()
        late, self._last = now - self._last - _TICK, now
        self._seen(late if late > 0.0 else 0.0)
