"""Moments as the wire writes them."""

import time
from functools import lru_cache


def now_iso() -> str:
    """The present as browsers and PHP write it: ``2026-11-23T03:12:45.123Z``."""
    return iso(time.time())


def iso(moment: float) -> str:
    """Unix seconds, likewise."""
    second = int(moment)
    return f"{_second(second)}.{int((moment - second) * 1000):03d}Z"


@lru_cache(maxsize=1)
def _second(second: int) -> str:
    # once a second instead of once a call: a publisher's answer spent 2 µs of 50 on its calendar
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
