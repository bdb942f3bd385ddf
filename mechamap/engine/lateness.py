"""How late the worker's loop is: what everything it serves has to wait for at least.

A timer is told by how much it came late: a handler that computes, a long garbage collection or a machine
without time for us all show there. A stall is seen up to a tick shorter than it was. At rest, when hardly
anybody is there to wait, ticks are rarer: each wakes a sleeping processor, which costs 0.1 ms on a virtual
machine.
"""

import time
from collections.abc import Callable

import gevent

_TICK = 0.05  # seconds
_REST = 0.2  # seconds between two ticks at rest
_BUSY = 40  # turns of the loop per second; at rest it makes some ten


class Lateness:
    """Tells ``seen`` of every tick how many seconds late it was. ``seen`` must neither wait nor raise."""

    def __init__(self, seen: Callable[[float], object]) -> None:
        self._seen = seen
        self._due = 0.0
        self._turns = 0
        self._timer = None

    def start(self) -> None:
        """Begin, in the process and the thread that are to be measured."""
        self._next(_TICK)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None

    def _next(self, after: float) -> None:
        loop = gevent.get_hub().loop
        self._due, self._turns = time.perf_counter() + after, loop.iteration
        self._timer = loop.timer(after, ref=False)  # its interval cannot be changed
        self._timer.start(self._tick, after)

    def _tick(self, after: float) -> None:
        late = max(0.0, time.perf_counter() - self._due)
        turns = self._timer.loop.iteration - self._turns
        self.stop()
        self._seen(late)
        self._next(_TICK if turns > _BUSY * (after + late) else _REST)
