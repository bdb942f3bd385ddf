"""How much each publisher sent of late, all workers together: for operators, not for limits.

Counting is one addition in this process. Every few seconds a worker that counted something tells Redis, which
forgets it after two minutes; without Redis the worker keeps it itself.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Protocol

import redis

from .connection import translated

BUCKET = 5
"""Seconds counted together, and between two tellings."""
BUCKETS = 12
"""What is shown: the last minute, of which the youngest seconds may still be on their way."""
KEPT = 120
MAX_ORIGINS = 2_000
"""Publishers counted at a time. Keys and apps have limits of their own far below that of strangers' names."""


class Rates(Protocol):
    """Events of publishers, by what their publications call them (``key:NAME``, ``app:ID``)."""

    def count(self, origin: str, events: int = 1) -> None:
        """The publisher sent so many more. Never waits."""

    def tell(self) -> None:
        """Hand on what was counted. Never raises: what cannot be told is not shown."""

    def last_minute(self) -> Mapping[str, int]:
        """Events accepted of each publisher in about the last minute.

        Raises:
            BrokerUnavailable
        """


class LocalRates:
    """Of one process."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._pending: dict[str, int] = {}
        self._told: deque[tuple[int, dict[str, int]]] = deque(maxlen=BUCKETS * 2)

    def count(self, origin: str, events: int = 1) -> None:
        pending = self._pending
        if origin in pending:
            pending[origin] += events
        elif len(pending) < MAX_ORIGINS:
            pending[origin] = events

    def tell(self) -> None:
        if counted := self._taken():
            self._told.append((self._bucket(), counted))

    def last_minute(self) -> Mapping[str, int]:
        oldest, found = self._bucket() - BUCKETS, Counter(self._pending)
        for bucket, counted in self._told:
            if bucket > oldest:
                found.update(counted)
        return found

    def _taken(self) -> dict[str, int]:
        counted, self._pending = self._pending, {}
        return counted

    def _bucket(self) -> int:
        return int(self._clock() // BUCKET)


class RedisRates(LocalRates):
    """Of all workers that share a Redis."""

    def __init__(self, client: redis.Redis, prefix: str, clock: Callable[[], float] = time.time) -> None:
        super().__init__(clock)
        self._client = client
        self._prefix = prefix

    def tell(self) -> None:
        counted = self._taken()
        if not counted:
            return
        key = self._key(self._bucket())
        try:
            with self._client.pipeline(transaction=False) as together:
                for origin, events in counted.items():
                    together.hincrby(key, origin, events)
                together.expire(key, KEPT)
                together.execute()
        except redis.RedisError:
            pass  # figures for people; what matters is said of the same Redis elsewhere

    def last_minute(self) -> Mapping[str, int]:
        newest, found = self._bucket(), Counter[str]()
        what = "the publishers' rates were not read"
        with translated(what), self._client.pipeline(transaction=False) as together:
            for bucket in range(newest - BUCKETS + 1, newest + 1):
                together.hgetall(self._key(bucket))
            buckets = together.execute()
        for bucket in buckets:
            for origin, events in bucket.items():
                found[_text(origin)] += int(events)
        return found

    def _key(self, bucket: int) -> str:
        return f"{self._prefix}:rates:{bucket}"


def _text(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
