"""How long the relay waits: between looks at the table, and after something failed."""

import random
from dataclasses import dataclass

FIRST_RETRY, LAST_RETRY = 0.2, 5.0
"""Seconds. The first is a hiccup's length; the last bounds how late the end of an outage is noticed."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two looks: ``busy`` after one that found rows, growing to ``idle`` while none come."""

    busy: float
    idle: float


class Delays:
    """Belongs to one relay."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._look = pace.busy
        self._retry = FIRST_RETRY

    def found(self) -> float:
        """Seconds until the next look after one that found rows."""
        self._look, self._retry = self._pace.busy, FIRST_RETRY
        return self._look

    def empty(self) -> float:
        """Seconds until the next look after one that found none."""
        look, self._retry = self._look, FIRST_RETRY
        self._look = min(self._pace.idle, look * 1.5)
        return look

    def failed(self) -> float:
        """Seconds until the next attempt; half of it is chance, so that workers do not try in step."""
        retry, self._look = self._retry, self._pace.busy
        self._retry = min(LAST_RETRY, retry * 2)
        return retry * random.uniform(0.5, 1.0)
