"""Turns: of all workers, one at a time does what must not overlap for a name; the others wait.

``Turns`` over Redis are leases, so that a worker that was killed holds nobody up for long. A holder whose
lease is nearly over says so (``held``) and publishes nothing more: what it had begun is over by then, because
Redis refuses publications past their deadline.
"""

import threading
import time
from collections.abc import Callable

import redis

from .leadership import MARGIN, LeasedLeadership
from .protocol import Turn

LEASE = 4.0
"""Seconds after which the turn of a worker that vanished is over. Half of it is for what is done in the turn
before publishing, which is the time a query of a database may take; half is ``leadership.MARGIN``."""
WAIT = 5.0
"""Seconds until a worker gives up: longer than one lease."""
FIRST_PAUSE, LONGEST_PAUSE = 0.002, 0.05
"""Seconds between two looks at a turn that another worker has. It usually takes some milliseconds."""


class LocalTurns:
    """``Turns`` within one process."""

    def __init__(self, wait: float = WAIT) -> None:
        self._wait = wait
        self._lines: dict[str, _Line] = {}
        self._lock = threading.Lock()

    def take(self, name: str) -> Turn | None:
        with self._lock:
            line = self._lines.setdefault(name, _Line())
            line.people += 1
        try:
            taken = line.lock.acquire(timeout=self._wait)
        except BaseException:
            self._leave(name, line)
            raise
        if not taken:
            self._leave(name, line)
            return None
        return _LocalTurn(lambda: self._release(name, line))

    def _release(self, name: str, line: "_Line") -> None:
        line.lock.release()
        self._leave(name, line)

    def _leave(self, name: str, line: "_Line") -> None:
        with self._lock:
            line.people -= 1
            if not line.people:
                del self._lines[name]


class RedisTurns:
    """``Turns`` over all workers of a Redis. Within a worker they wait without asking Redis."""

    def __init__(
        self,
        client: redis.Redis,
        prefix: str,
        worker_id: str,
        *,
        lease: float = LEASE,
        margin: float = MARGIN,
        wait: float = WAIT,
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._worker = worker_id
        self._lease, self._margin = lease, margin
        self._wait = wait
        self._local = LocalTurns(wait)

    def take(self, name: str) -> Turn | None:
        end = time.monotonic() + self._wait
        local = self._local.take(name)
        if local is None:
            return None
        lease = LeasedLeadership(
            self._client, f"{self._prefix}:turn:{name}", self._worker, self._lease, self._margin
        )
        try:
            pause = FIRST_PAUSE
            while not lease.take():
                if not lease.known or time.monotonic() + pause > end:
                    local.release()
                    return None
                time.sleep(pause)
                pause = min(pause * 1.5, LONGEST_PAUSE)
        except BaseException:  # gevent ends a greenlet by raising in it
            lease.release()
            local.release()
            raise
        return _LeasedTurn(lease, local)


class _Line:
    """Those who wait for one name, and who has it."""

    __slots__ = ("lock", "people")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.people = 0


class _LocalTurn:
    held = True

    def __init__(self, release: Callable[[], None]) -> None:
        self.release = release


class _LeasedTurn:
    def __init__(self, lease: LeasedLeadership, local: Turn) -> None:
        self._lease = lease
        self._local = local

    @property
    def held(self) -> bool:
        return self._lease.held

    def release(self) -> None:
        self._lease.release()
        self._local.release()
