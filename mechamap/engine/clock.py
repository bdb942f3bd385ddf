"""The clock: one greenlet that runs every deadline of a worker, pings and timeouts alike.

python-engineio 4.15.1 keeps a sleeping greenlet per connection (8 KB each) and a monitor that walks all
sessions; here a deadline costs one heap entry.
"""

import heapq
import itertools
import logging
import time
from collections.abc import Callable

import gevent
from gevent.event import Event

LOG = logging.getLogger(__name__)


class Deadline:
    """A callback that runs once at its time unless cancelled first."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        """Never run it. Also lets go of whatever the callback refers to."""
        self.callback = None


class Clock:
    """Runs callbacks after a delay, in the order of their times. Callbacks must not block and should not
    raise.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._heap: list[tuple[float, int, Deadline]] = []
        self._count = itertools.count()
        self._changed = Event()
        self._greenlet: gevent.Greenlet | None = None

    def after(self, seconds: float, callback: Callable[[], object]) -> Deadline:
        deadline = Deadline(callback)
        entry = (self._now() + seconds, next(self._count), deadline)
        heapq.heappush(self._heap, entry)
        if self._heap[0] is entry:
            self._changed.set()
        if not self._greenlet:  # falsy while not started and again once dead
            self._greenlet = gevent.spawn(self._run)
        return deadline

    def stop(self) -> None:
        if self._greenlet:
            self._greenlet.kill(block=False)
            self._greenlet = None
        self._heap.clear()

    def _run(self) -> None:
        while True:
            self._changed.clear()
            wait = self._heap[0][0] - self._now() if self._heap else None
            if wait is None or wait > 0:
                self._changed.wait(wait)
                continue
            callback = heapq.heappop(self._heap)[2].callback
            if callback is None:
                continue
            try:
                callback()
            except Exception:
                LOG.exception("deadline_failed")
