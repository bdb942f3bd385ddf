"""Counting events per name in fixed windows of time, in this process only.

Not the ``limits`` library's memory storage: version 5.8 takes three locks, four dictionaries and now and then
a timer thread per hit, 9 µs of the 50 that a publication costs.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

LEAST_SWEPT = 1024
MAX_NAMES = 100_000
"""Names counted at a time; beyond it the counts begin anew. Names are connections and keys, which have limits
of their own."""


@dataclass(slots=True)
class _Window:
    ends: float
    count: int


class FixedWindows:
    """At most ``amount`` events of one name within ``seconds`` of the first one."""

    def __init__(self, amount: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.amount = amount
        self._seconds = seconds
        self._clock = clock
        self._windows: dict[str, _Window] = {}
        self._sweep_at = LEAST_SWEPT

    def __len__(self) -> int:
        return len(self._windows)

    def hit(self, name: str, cost: int = 1) -> bool:
        """Count ``cost`` events more; False if that is too many for the present window."""
        now = self._clock()
        window = self._windows.get(name)
        if window is None or now >= window.ends:
            if window is None and len(self._windows) >= self._sweep_at:
                self._sweep(now)
            self._windows[name] = _Window(now + self._seconds, cost)
            return cost <= self.amount
        window.count += cost
        return window.count <= self.amount

    def _sweep(self, now: float) -> None:
        """Forget windows that ended. Each time as many hits later as names were kept: a fixed price per
        hit."""
        self._windows = {name: window for name, window in self._windows.items() if now < window.ends}
        if len(self._windows) >= MAX_NAMES:
            self._windows.clear()
        self._sweep_at = max(LEAST_SWEPT, 2 * len(self._windows))
