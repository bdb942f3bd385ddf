"""A short memory in front of a look-up: rows are kept for seconds, and concurrent questions share queries.

After a restart thousands of browsers ask for their rows at once. Keys that are asked for in one turn of the
event loop, or while a query runs, are gathered and fetched together by the next one, so a storm costs one
connection and a few queries, not one query per browser.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Hashable, Mapping
from copy import copy
from typing import Generic, TypeVar

import gevent
from gevent.event import Event

from mechamap.domain.errors import DirectoryUnavailable, Unavailable

log = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MAX_ROWS = 10_000
"""Rows kept; the least recently stored go first. At some 300 bytes each this is 3 MB."""
BATCH = 500
"""Keys in one query."""
PATIENCE = 10.0
"""Seconds until a waiter gives up. All timeouts of a query add up to less, so only a defect reaches it."""

_LAST = 2  # libev's EV_MAXPRI: after everything that is ready, before the loop would wait


class _Batch(Generic[K, V]):
    """Keys that one query fetches, and whoever waits for it."""

    __slots__ = ("answered", "error", "keys", "rows")

    def __init__(self) -> None:
        self.keys: set[K] = set()
        self.answered = Event()
        self.rows: Mapping[K, V] = {}
        self.error: Exception | None = None


class FactCache(Generic[K, V]):
    """Rows by key. A row that is missing is None and not remembered: it may be created the next moment.

    Queries run in a greenlet of their own, so a caller that is killed takes nobody with it. For the greenlets
    of one thread: nothing here yields but waiting, so the books need no lock.

    Args:
        load: fetches many rows in one query; missing keys are left out. May raise Unavailable, which every
            waiter is told.
        seconds: how long a row is kept, counted from the beginning of its query; 0 keeps nothing, and still
            joins concurrent questions.
    """

    def __init__(
        self,
        load: Callable[[Collection[K]], Mapping[K, V]],
        seconds: float,
        size: int = MAX_ROWS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._seconds = seconds
        self._size = size
        self._clock = clock
        self._rows: dict[K, tuple[V, float]] = {}  # the oldest first
        self._asked: dict[K, _Batch[K, V]] = {}
        self._queue: deque[_Batch[K, V]] = deque()
        self._worker: gevent.Greenlet | None = None
        self._sweeper: gevent.Greenlet | None = None
        self._forgotten = 0

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: K) -> V | None:
        """The row, from memory or from a query that may be shared with others.

        Raises:
            Unavailable: as ``load`` raised it.
        """
        row = self._rows.get(key)
        if row is not None and self._clock() < row[1]:
            return row[0]
        batch = self._asked.get(key) or self._ask(key)
        if not batch.answered.wait(PATIENCE):
            raise DirectoryUnavailable("The database took too long to answer.")
        if batch.error is not None:
            # one exception object raised in many greenlets would grow a traceback of all of them
            raise copy(batch.error) from batch.error
        return batch.rows.get(key)

    def ticket(self) -> int:
        """Taken before a query whose rows will be ``put``: tells whether anything was forgotten meanwhile."""
        return self._forgotten

    def put(self, rows: Mapping[K, V], ticket: int) -> None:
        """Remember rows that were fetched by other means, unless something was forgotten since ``ticket``."""
        if ticket == self._forgotten:
            self._keep(rows, self._clock())

    def forget(self, key: K) -> None:
        """The next question asks the database, even if an older one is under way."""
        self._forgotten += 1
        self._rows.pop(key, None)
        self._asked.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._forgotten += 1
        self._rows = {}
        self._asked = {}

    def _ask(self, key: K) -> _Batch[K, V]:
        """Put the key into the query that is gathered now."""
        if not self._queue or len(self._queue[-1].keys) >= BATCH or key in self._queue[-1].keys:
            self._queue.append(_Batch())
        batch = self._asked[key] = self._queue[-1]
        batch.keys.add(key)
        if not self._worker:  # falsy once dead
            self._worker = gevent.spawn(self._work)
        return batch

    def _work(self) -> None:
        """Serve the queue, a batch per query, until it is empty."""
        gevent.idle(_LAST)  # who else is asking now comes along
        while self._queue:
            self._fetch(self._queue.popleft())
        self._worker = None

    def _fetch(self, batch: _Batch[K, V]) -> None:
        began, error = self._clock(), None
        rows: Mapping[K, V] = {}
        try:
            rows = self._load(batch.keys)
        except Unavailable as err:
            error = err
        except Exception:
            # a defect, not an outage; whoever waits is still answered
            log.exception("lookup_failed")
            error = DirectoryUnavailable("The look-up failed.")
        # a key that was forgotten, or asked for again since, answers those who wait and leaves no trace
        own = [key for key in batch.keys if self._asked.get(key) is batch]
        for key in own:
            del self._asked[key]
        self._keep({key: rows[key] for key in own if key in rows}, began)
        batch.rows, batch.error = rows, error
        batch.answered.set()

    def _keep(self, rows: Mapping[K, V], began: float) -> None:
        if self._seconds <= 0 or not rows:
            return
        kept, until = self._rows, began + self._seconds
        for key, value in rows.items():
            kept.pop(key, None)
            kept[key] = (value, until)
        while len(kept) > self._size:
            del kept[next(iter(kept))]
        if not self._sweeper:
            self._sweeper = gevent.spawn_later(self._seconds, self._sweep)

    def _sweep(self) -> None:
        """Let go of what is out of date: after a storm thousands of rows would stay for nobody."""
        while self._rows:
            now = self._clock()
            self._rows = {key: row for key, row in self._rows.items() if now < row[1]}
            gevent.sleep(self._seconds)
        self._sweeper = None
