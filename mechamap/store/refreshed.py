"""One value, fetched again every few seconds by whoever needs it; a dead database keeps nobody waiting."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from mechamap.domain.errors import Unavailable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """The newest value there is.

    Attributes:
        value: None when there never was one.
        fresh: fetched within the agreed time; False while the database is away or slow.
    """

    value: T | None
    fresh: bool


class Refreshed(Generic[T]):
    """Args:
    load: fetches the value; may raise Unavailable.
    seconds: how old a value may be before it is fetched again.
    patience: how long a caller waits for that; then it gets the old value, marked as not fresh.
    """

    def __init__(
        self,
        load: Callable[[], T],
        seconds: float,
        patience: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._seconds = seconds
        self._patience = patience
        self._clock = clock
        self._lock = threading.Lock()
        self._value: T | None = None
        self._fetched_at: float | None = None
        self._failed_at: float | None = None
        self._under_way: threading.Event | None = None

    def read(self) -> Reading[T]:
        """The value, fetched now if it is older than agreed. Never raises, never waits longer than
        ``patience``.
        """
        with self._lock:
            if self._within(self._fetched_at, self._seconds):
                return Reading(self._value, fresh=True)
            # half a second between attempts: a thousand publishers a second must not make a thousand attempts
            if self._within(self._failed_at, min(self._seconds, 0.5)):
                return Reading(self._value, fresh=False)
            done = self._under_way
            start = done is None
            if done is None:
                done = self._under_way = threading.Event()
        if start:
            threading.Thread(target=self._fetch, args=(done,), name="refresh", daemon=True).start()
        done.wait(self._patience)
        with self._lock:
            return Reading(self._value, fresh=self._within(self._fetched_at, self._seconds))

    def expire(self) -> None:
        """The next caller fetches again."""
        with self._lock:
            self._fetched_at = self._failed_at = None
            self._under_way = None

    def _within(self, moment: float | None, seconds: float) -> bool:
        return moment is not None and self._clock() - moment < seconds

    def _fetch(self, done: threading.Event) -> None:
        started = self._clock()
        try:
            value = self._load()
        except Unavailable:
            with self._lock:
                self._failed_at = self._clock()
        else:
            with self._lock:
                # an attempt that expire() overtook may hold what was true before
                if self._under_way is done:
                    self._value, self._fetched_at, self._failed_at = value, started, None
        finally:
            with self._lock:
                if self._under_way is done:
                    self._under_way = None
            done.set()
