"""What was not ingested: every message is counted under its code, and told at a bounded rate."""

import logging
import time
from collections import Counter
from collections.abc import Callable

from .protocol import IngestMeter

log = logging.getLogger(__name__)

TELL_EVERY = 1.0
"""Seconds between log lines. Laravel's Redis may carry thousands of foreign messages a second."""


class Refusals:
    """Belongs to one ingester."""

    def __init__(self, meter: IngestMeter, clock: Callable[[], float] = time.monotonic) -> None:
        self._meter = meter
        self._clock = clock
        self._untold: Counter[str] = Counter()
        self._told_at = float("-inf")

    def note(self, code: str, why: str, count: int = 1) -> None:
        """``why`` is one sentence without anything of the message."""
        self._meter.ingested(code, count)
        self._untold[code] += count
        now = self._clock()
        if now - self._told_at >= TELL_EVERY:
            log.warning(
                "ingest_refused", extra={"code": code, "why": why[:200], "counts": dict(self._untold)}
            )
            self._untold.clear()
            self._told_at = now
