"""Who of the workers does what only one of them may: by a lease in the Redis that joins them."""

import time
from collections.abc import Callable
from typing import Protocol

import redis

from .connection import Script

LEASE = 6.0
"""Seconds after which a leader that vanished is replaced."""
MARGIN = 2.0
"""Seconds before the end of the lease at which its holder stops. A publication that was begun in time is over
by then: a broker gives up after 1.5 s."""

# KEYS: the lease. ARGV: worker, lease in ms. Takes or keeps it; answers 1 if it is the worker's now.
_TAKE = Script("""
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
""")

_RELEASE = Script("""
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
""")


class Leadership(Protocol):
    """One worker's share in deciding who leads."""

    @property
    def held(self) -> bool:
        """Whether this worker leads, for at least as long as one more publication takes."""

    @property
    def known(self) -> bool:
        """Whether the last ``take`` was answered."""

    def take(self) -> bool:
        """Become leader, or stay it; False if another is, or if it cannot be told."""

    def release(self) -> None:
        """Let another lead at once. Never raises."""


class Alone:
    """A worker that joins no others always leads."""

    held = known = True

    def take(self) -> bool:
        return True

    def release(self) -> None:
        pass


class LeasedLeadership:
    """``Leadership`` by a key that expires. ``client`` speaks to the workers' own Redis.

    The holder measures from before it asked, so it never believes longer than Redis does. A process that is
    frozen between looking at ``held`` and publishing could still publish late; the broker's own deadline
    (a second, by the clock of Redis) keeps that shorter than the lease.
    """

    def __init__(
        self,
        client: redis.Redis,
        key: str,
        worker_id: str,
        lease: float = LEASE,
        margin: float = MARGIN,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._key = key
        self._worker = worker_id
        self._lease = lease
        self._margin = margin
        self._clock = clock
        self._until = float("-inf")
        self._known = True

    @property
    def known(self) -> bool:
        return self._known

    @property
    def held(self) -> bool:
        return self._clock() < self._until

    def take(self) -> bool:
        asked = self._clock()
        try:
            taken = _TAKE.run(self._client, [self._key], [self._worker, int(self._lease * 1000)])
        except redis.RedisError:
            self._known = False
            return self.held  # what was promised before holds
        self._known = True
        self._until = asked + self._lease - self._margin if taken else float("-inf")
        return self.held

    def release(self) -> None:
        self._until = float("-inf")
        try:
            _RELEASE.run(self._client, [self._key], [self._worker])
        except redis.RedisError:
            pass  # it ends by itself
