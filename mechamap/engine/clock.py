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


class Timed:
    """What the clock calls at its time: `fire`, once for each `Clock.set`."""

    __slots__ = ("_bucket", "due")

    def __init__(self) -> None:
        self._bucket: set[Timed] | None = None
        self.due: float | None = None  # None: nothing is set

    def fire(self) -> None:
        """The time has come. For subclasses."""

    def wait_in(self, bucket: "set[Timed]") -> None:
        bucket.add(self)
        self._bucket = bucket

    def cancel(self) -> None:
        """Do not fire."""
        self.unset()

    def unset(self) -> None:
        """Leave the clock."""
        self.due = None
        if self._bucket is not None:
            self._bucket.discard(self)
            self._bucket = None


class Deadline(Timed):
    """A callback that runs once at its time unless cancelled first."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], object]) -> None:
        super().__init__()
        self.callback: Callable[[], object] | None = callback

    def fire(self) -> None:
        callback, self.callback = self.callback, None
        if callback is not None:
            callback()

    def cancel(self) -> None:
        """Never run it. Also lets go of whatever the callback refers to."""
        super().cancel()
        self.callback = None


class Clock:
    """Fires what is due, in the order of the times. What it calls must not block and should not raise."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self._near: list[tuple[float, int, Timed]] = []
        self._buckets: dict[int, set[Timed]] = {}
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
        """Call back in so many seconds."""
        deadline = Deadline(callback)
        self.set(deadline, seconds)
        return deadline

    def set(self, timed: Timed, seconds: float) -> None:
        """Fire it in so many seconds, and not when it was set to before. For what has one deadline after the
        other all its life, and in such number that an object and a callback for each would be felt.
        """
        timed.unset()
        timed.due = due = self.now() + seconds
        number = int(due / _BUCKET)
        if number <= self._opened:
            self._approach(timed)
        else:
            bucket = self._buckets.get(number)
            if bucket is None:
                bucket = self._buckets[number] = set()
                heapq.heappush(self._order, number)
            timed.wait_in(bucket)
        if due < self._wakes:
            self._changed.set()
        if not self._greenlet:  # falsy while not started and again once dead
            self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        if self._greenlet:
            self._greenlet.kill(block=False)
            self._greenlet = None
        self._near.clear()
        self._buckets.clear()
        self._order.clear()

    def _approach(self, timed: Timed) -> None:
        heapq.heappush(self._near, (timed.due, next(self._count), timed))

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
            for timed in self._buckets.pop(heapq.heappop(self._order)):
                timed._bucket = None
                self._approach(timed)

    def _next(self) -> float:
        near = self._near[0][0] if self._near else float("inf")
        far = (self._order[0] - 1) * _BUCKET if self._order else float("inf")
        return min(near, far)

    def _fire(self) -> None:
        now, turn = self.now(), Turn()
        while self._near and self._near[0][0] <= now:
            due, _, timed = heapq.heappop(self._near)
            if timed.due != due:  # cancelled, or set anew
                continue
            timed.due = None
            try:
                timed.fire()
            except Exception:
                LOG.exception("deadline_failed")
            turn.check()
