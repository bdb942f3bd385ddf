"""A short memory in front of a look-up: rows are kept for seconds, and concurrent questions share queries.

After a restart thousands of browsers ask for their rows at once. Keys that are asked for while a query runs
are gathered and fetched together by the next one, so a storm costs one connection and a few queries, not one
query per browser.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Mapping
from copy import copy
from typing import Generic, TypeVar

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


class _Flight(Generic[K, V]):
    """One key being fetched, and whoever waits for it."""

    __slots__ = ("done", "error", "key", "value")

    def __init__(self, key: K) -> None:
        self.key = key
        self.done = threading.Event()
        self.value: V | None = None
        self.error: Exception | None = None


class FactCache(Generic[K, V]):
    """Rows by key. A row that is missing is None and not remembered: it may be created the next moment.

    Queries run in a thread of their own (a greenlet under gevent), so a caller that is killed takes nobody
    with it.

    Args:
        load: fetches many rows in one query; missing keys are left out. May raise Unavailable, which every
            waiter is told.
        seconds: how long a row is kept; 0 keeps nothing, and still joins concurrent questions.
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
        self._lock = threading.Lock()
        self._rows: OrderedDict[K, tuple[V, float]] = OrderedDict()
        self._flights: dict[K, _Flight[K, V]] = {}
        self._queue: list[_Flight[K, V]] = []
        self._running = False
        self._forgotten = 0

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: K) -> V | None:
        """The row, from memory or from a query that may be shared with others.

        Raises:
            Unavailable: as ``load`` raised it.
        """
        with self._lock:
            row = self._rows.get(key)
            if row is not None and self._clock() < row[1]:
                return row[0]
            flight = self._flights.get(key)
            if flight is None:
                flight = self._flights[key] = _Flight(key)
                self._queue.append(flight)
            start, self._running = not self._running, True
        if start:
            threading.Thread(target=self._fetch, name="facts", daemon=True).start()
        if not flight.done.wait(PATIENCE):
            raise DirectoryUnavailable("The database took too long to answer.")
        if flight.error is not None:
            # one exception object raised in many greenlets would grow a traceback of all of them
            raise copy(flight.error) from flight.error
        return flight.value

    def ticket(self) -> int:
        """Taken before a query whose rows will be ``put``: tells whether anything was forgotten meanwhile."""
        return self._forgotten

    def put(self, rows: Mapping[K, V], ticket: int) -> None:
        """Remember rows that were fetched by other means, unless something was forgotten since ``ticket``."""
        with self._lock:
            if ticket == self._forgotten:
                for key, value in rows.items():
                    self._keep(key, value)

    def forget(self, key: K) -> None:
        """The next question asks the database, even if an older one is under way."""
        with self._lock:
            self._forgotten += 1
            self._rows.pop(key, None)
            self._flights.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._forgotten += 1
            self._rows.clear()
            self._flights.clear()

    def _fetch(self) -> None:
        """Serve the queue, a batch per query, until it is empty."""
        while True:
            with self._lock:
                batch, self._queue = self._queue[:BATCH], self._queue[BATCH:]
                if not batch:
                    self._running = False
                    return
            try:
                rows = self._load({flight.key for flight in batch})
            except Unavailable as err:
                self._land(batch, {}, err)
            except Exception:
                # a defect, not an outage; whoever waits is still answered
                log.exception("lookup_failed")
                self._land(batch, {}, DirectoryUnavailable("The look-up failed."))
            else:
                self._land(batch, rows, None)

    def _land(self, batch: list[_Flight[K, V]], rows: Mapping[K, V], error: Exception | None) -> None:
        with self._lock:
            for flight in batch:
                flight.error = error
                flight.value = rows.get(flight.key)
                # a flight that was forgotten answers those who wait for it and leaves no trace
                if self._flights.get(flight.key) is flight:
                    del self._flights[flight.key]
                    if flight.value is not None:
                        self._keep(flight.key, flight.value)
        for flight in batch:
            flight.done.set()

    def _keep(self, key: K, value: V) -> None:
        if self._seconds <= 0:
            return
        self._rows[key] = (value, self._clock() + self._seconds)
        self._rows.move_to_end(key)
        while len(self._rows) > self._size:
            self._rows.popitem(last=False)
