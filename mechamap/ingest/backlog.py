"""Messages that were read and not yet published: bounded, the oldest given up first."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ..domain.wire import MAX_CHANNELS

MAX_MESSAGES = 20_000
MAX_BYTES = 33_554_432
"""A second or two of the fastest publishers there are. Beyond it the oldest is dropped, because of two states
of one thing a browser needs the later one; and reading goes on, because Redis cuts off who does not read."""
TOGETHER = 0.001
"""Seconds. Redis sends what one script published in one go; a pause this long means that nothing of it is
missing."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message. ``at``: time.monotonic() when it was read."""

    channel: bytes
    text: bytes
    at: float


class Backlog:
    """Between one reader and one publisher."""

    def __init__(
        self, *, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_BYTES,
        clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._clock = clock
        self._sleep = sleep
        self._waiting: deque[Arrival] = deque()
        self._bytes = 0
        self._filled = threading.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def age(self) -> float:
        """Seconds the oldest has waited; 0 when none waits."""
        return self._clock() - self._waiting[0].at if self._waiting else 0.0

    def add(self, channel: bytes, text: bytes) -> int:
        """One more; how many were dropped for it."""
        self._waiting.append(Arrival(channel, text, self._clock()))
        self._bytes += len(text)
        dropped = 0
        while len(self._waiting) > self._max_messages or (
            self._bytes > self._max_bytes and len(self._waiting) > 1
        ):
            self._bytes -= len(self._waiting.popleft().text)
            dropped += 1
        if not self._filled.is_set():
            self._filled.set()
        return dropped

    def take(self, count: int, timeout: float) -> list[Arrival]:
        """The oldest, about ``count`` of them; waits at most ``timeout`` seconds for the first.

        Equal texts, one directly after the other, are one event on several channels: they are taken together,
        and the newest not before they had ``TOGETHER`` seconds to be followed by another.
        """
        if not self._waiting:
            self._filled.clear()
            self._filled.wait(timeout)
        while self._waiting and not (ready := self._ready()):
            self._sleep(TOGETHER)
        if not self._waiting:
            return []
        taken = [self._waiting.popleft() for _ in range(min(count, ready))]
        while len(taken) < ready and self._waiting[0].text == taken[-1].text and len(taken) < 2 * count:
            taken.append(self._waiting.popleft())
        self._bytes -= sum([len(each.text) for each in taken])
        return taken

    def _ready(self) -> int:
        """How many may be taken now."""
        newest = self._waiting[-1]
        now = self._clock()
        if now - newest.at >= TOGETHER:
            return len(self._waiting)
        same = 0
        for each in reversed(self._waiting):
            if each.text != newest.text or same >= MAX_CHANNELS or now - each.at >= 10 * TOGETHER:
                break
            same += 1
        return len(self._waiting) - same

    def clear(self) -> int:
        """Give up all of it; how many they were."""
        given_up = len(self._waiting)
        self._waiting.clear()
        self._bytes = 0
        return given_up
