"""The queues inside one process. Enough for one worker; what waits ends with it."""

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from mechamap.domain.webhooks import MAX_BYTES, MAX_EVENTS, Mark, Notice

from .protocol import Batch, Waiting
from .redis_queues import MOST_BYTES, MOST_EVENTS, MOST_SEEN


@dataclass(slots=True)
class _Queue:
    """One receiver's. ``entries`` and ``sending`` hold (moment, event)."""

    entries: deque[tuple[float, bytes]] = field(default_factory=deque)
    size: int = 0
    sending: list[tuple[float, bytes]] = field(default_factory=list)
    batch: str = ""
    attempts: int = 0
    failing: float | None = None
    why: str | None = None


class MemoryQueues:
    """``Queues``; no method fails."""

    def __init__(
        self,
        receivers: Sequence[str],
        *,
        most_events: int = MOST_EVENTS,
        most_bytes: int = MOST_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queues = {receiver: _Queue() for receiver in receivers}
        self._most_events, self._most_bytes = most_events, most_bytes
        self._clock = clock
        self._seen: dict[str, None] = {}
        self._occupied: set[str] = set()
        self._lock = threading.Lock()

    def add(self, notices: Sequence[Notice]) -> int:
        now = self._clock()
        with self._lock:
            for notice in notices:
                if self._new(notice) and notice.text:
                    for queue in self._queues.values():
                        queue.entries.append((now, notice.text))
                        queue.size += len(notice.text)
            return sum(map(self._shorten, self._queues.values()))

    def take(self, receiver: str) -> Batch | None:
        now = self._clock()
        with self._lock:
            queue = self._queues[receiver]
            if not queue.sending:
                size = 0
                while queue.entries and len(queue.sending) < MAX_EVENTS:
                    size += len(queue.entries[0][1])
                    if queue.sending and size > MAX_BYTES:
                        break
                    entry = queue.entries.popleft()
                    queue.size -= len(entry[1])
                    queue.sending.append(entry)
                if not queue.sending:
                    return None
                queue.batch, queue.attempts = secrets.token_hex(16), 0
            failing = 0.0 if queue.failing is None else now - queue.failing
            events = tuple(event for _, event in queue.sending)
            return Batch(queue.batch, events, queue.attempts, now - queue.sending[-1][0], failing)

    def failed(self, receiver: str, batch_id: str, why: str) -> None:
        with self._lock:
            queue = self._queues[receiver]
            if queue.sending and queue.batch == batch_id:
                queue.attempts += 1
                queue.why = why
                if queue.failing is None:
                    queue.failing = self._clock()

    def done(self, receiver: str, batch_id: str, *, delivered: bool) -> None:
        with self._lock:
            queue = self._queues[receiver]
            if queue.sending and queue.batch == batch_id:
                queue.sending = []
                if delivered:
                    queue.failing = queue.why = None

    def waiting(self, receiver: str) -> Waiting:
        with self._lock:
            queue = self._queues[receiver]
            first = queue.sending[0] if queue.sending else queue.entries[0] if queue.entries else None
            age = 0.0 if first is None else self._clock() - first[0]
            return Waiting(len(queue.entries) + len(queue.sending), age, queue.why)

    def occupied(self) -> set[str]:
        return set(self._occupied)

    def count_occupied(self) -> int:
        return len(self._occupied)

    def restore_occupied(self, channels: Iterable[str]) -> None:
        self._occupied.update(channels)

    def _new(self, notice: Notice) -> bool:
        if notice.mark is Mark.ID:
            new = notice.name not in self._seen
            self._seen[notice.name] = None
            if len(self._seen) > MOST_SEEN:
                del self._seen[next(iter(self._seen))]
            return new
        if notice.mark is Mark.NONE:
            return True
        there = notice.name in self._occupied
        if notice.mark is Mark.OCCUPIED:
            self._occupied.add(notice.name)
            return not there
        self._occupied.discard(notice.name)
        return there

    def _shorten(self, queue: _Queue) -> int:
        dropped = 0
        while len(queue.entries) > self._most_events or (
            queue.size > self._most_bytes and len(queue.entries) > 1
        ):
            queue.size -= len(queue.entries.popleft()[1])
            dropped += 1
        return dropped
