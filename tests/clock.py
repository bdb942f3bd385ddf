"""Time that passes as a test says."""

from dataclasses import dataclass


@dataclass
class Clock:
    """Instead of ``time.monotonic`` or ``time.time``: stands until ``now`` is moved."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now
