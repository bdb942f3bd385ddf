"""Moments as the wire writes them."""

from datetime import UTC, datetime


def now_iso() -> str:
    """The present as browsers and PHP write it: ``2026-11-23T03:12:45.123Z``."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
