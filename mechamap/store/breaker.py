"""Circuit breaker: who is away is left alone for a moment and costs its callers nothing."""

import threading
import time
from collections.abc import Callable
from enum import StrEnum

OPEN_SECONDS = 3.0
"""How long a dead database is not asked. Its return is noticed within this time by whoever asks next."""


TRIAL_SECONDS = 12.0
"""A trial whose end nobody reports does not lock the door for ever. All timeouts of one add up to less."""


class State(StrEnum):
    """CLOSED: everyone passes. OPEN: nobody. HALF_OPEN: one caller tries, the others are refused."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitOpen(Exception):
    """Not asked. ``retry_after`` is seconds until somebody may try."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"not asked for another {retry_after:.1f} s")
        self.retry_after = retry_after


class Breaker:
    """Each caller that ``admit`` lets pass ends with one of ``succeeded``, ``failed`` and ``abandoned``."""

    def __init__(
        self, open_seconds: float = OPEN_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._open_seconds = self._pause = open_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._state = State.CLOSED
        self._until = 0.0
        self.failures = 0

    @property
    def state(self) -> State:
        """As the next caller would find it."""
        with self._lock:
            if self._state is State.OPEN and self._clock() >= self._until:
                return State.HALF_OPEN
            return self._state

    def admit(self) -> None:
        """Let the caller pass.

        Raises:
            CircuitOpen: the database failed a moment ago, or another caller is trying it right now.
        """
        with self._lock:
            if self._state is State.CLOSED:
                return
            left = self._until - self._clock()
            if left > 0:
                raise CircuitOpen(min(left, self._pause))
            self._state = State.HALF_OPEN
            self._until = self._clock() + TRIAL_SECONDS

    def succeeded(self) -> None:
        """The database answered, be it with an error about the question."""
        with self._lock:
            self._state = State.CLOSED

    def failed(self, seconds: float | None = None) -> None:
        """It could not be reached, or broke off; nobody asks it for ``seconds``, or as long as usual."""
        with self._lock:
            self.failures += 1
            self._state = State.OPEN
            self._pause = self._open_seconds if seconds is None else seconds
            self._until = self._clock() + self._pause

    def abandoned(self) -> None:
        """The caller went away without learning anything; the next one may try at once."""
        with self._lock:
            if self._state is State.HALF_OPEN:
                self._state = State.OPEN
                self._until = self._clock()
