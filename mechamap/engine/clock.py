"""The clock: every deadline of a worker, pings and timeouts alike, in one wheel of buckets.

python-engineio 4.15.1 keeps a sleeping greenlet per connection (8 KB each) and a monitor that walks all
sessions. Here a far deadline waits in the bucket of its tenth of a second, unsorted, and leaves it the moment
it is cancelled, so the pong deadlines of living clients do not pile up. Only what is due next is sorted, and
kept to the millisecond.
"""

import heapq
import itertools
import logging
import time
from collections.abc import Callable

import gevent
from gevent.event import Event

from .turn import Turn

LOG = logging.getLogger(__name__)

_BUCKET = 0.1  # seconds
_PACE = 0.005  # between two looks: 10,000 clients have 400 pings a second, and a look costs more than a ping


class Deadline:
    """A callback that runs once at its time unless cancelled first."""

    __slots__ = ("_bucket", "callback", "due")

    def __init__(self, callback: Callable[[], object], due: float) -> None:
        self.callback: Callable[[], object] | None = callback
        self.due = due
        self._bucket: set[Deadline] | None = None

    def wait_in(self, bucket: "set[Deadline]") -> None:
        bucket.add(self)
        self._bucket = bucket

    def cancel(self) -> None:
        """Never run it. Also lets go of whatever the callback refers to."""
        self.callback = None
        if self._bucket is not None:
            self._bucket.discard(self)
            self._bucket = None


class Clock:
    """Runs callbacks after a delay, in the order of their times. Callbacks must not block and should not
    raise.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self._near: list[tuple[float, int, Deadline]] = []
        self._buckets: dict[int, set[Deadline]] = {}
        self._order: list[int] = []  # the numbers of the buckets, as a heap
        self._opened = int(now() / _BUCKET) + 1  # buckets up to this one are among the near
        self._count = itertools.count()
        self._changed = Event()
        self._wakes = 0.0
        self._greenlet: gevent.Greenlet | None = None

    def __len__(self) -> int:
        """The deadlines that wait, cancelled ones only where they are due within a bucket's time."""
        return len(self._near) + sum(map(len, self._buckets.values()))

    def after(self, seconds: float, callback: Callable[[], object]) -> Deadline:
        deadline = Deadline(callback, self.now() + seconds)
        number = int(deadline.due / _BUCKET)
        if number <= self._opened:
            self._approach(deadline)
        else:
            bucket = self._buckets.get(number)
            if bucket is None:
                bucket = self._buckets[number] = set()
                heapq.heappush(self._order, number)
            deadline.wait_in(bucket)
        if deadline.due < self._wakes:
            self._changed.set()
        if not self._greenlet:  # falsy while not started and again once dead
            self._greenlet = gevent.spawn(self._run)
        return deadline

    def stop(self) -> None:
        if self._greenlet:
            self._greenlet.kill(block=False)
            self._greenlet = None
        self._near.clear()
        self._buckets.clear()
        self._order.clear()

    def _approach(self, deadline: Deadline) -> None:
        heapq.heappush(self._near, (deadline.due, next(self._count), deadline))

    def _run(self) -> None:
        while True:
            self._changed.clear()
            self._open_buckets()
            self._wakes = self._next()
            wait = self._wakes - self.now()
            if wait > 0:
                self._changed.wait(None if wait == float("inf") else wait)
                continue
            self._fire()
            gevent.sleep(_PACE)

    def _open_buckets(self) -> None:
        """Sort in what is due within this bucket's time and the next."""
        self._opened = max(self._opened, int(self.now() / _BUCKET) + 1)
        while self._order and self._order[0] <= self._opened:
            for deadline in self._buckets.pop(heapq.heappop(self._order)):
                deadline._bucket = None
                self._approach(deadline)

    def _next(self) -> float:
        near = self._near[0][0] if self._near else float("inf")
        far = (self._order[0] - 1) * _BUCKET if self._order else float("inf")
        return min(near, far)

    def _fire(self) -> None:
        now, turn = self.now(), Turn()
        while self._near and self._near[0][0] <= now:
            callback = heapq.heappop(self._near)[2].callback
            if callback is None:
                continue
            try:
                callback()
            except Exception:
                LOG.exception("deadline_failed")
            turn.check()
