"""Moments as people write them."""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from .errors import InvalidField

_UNIX = re.compile(r"[0-9]{9,11}(\.[0-9]{1,6})?", re.ASCII)
_FORMS = {1: "%H:%M", 2: "%H:%M:%S"}


def read_moment(text: str, zone: str, now: float) -> float:
    """The moment that a person means, in Unix seconds: ``14:03``, ``14:03:20``, ``2026-11-23 14:03``, ISO
    8601 with its own offset, or Unix seconds. Without an offset it is in ``zone``, and without a date the
    last such time of day.

    Raises:
        InvalidField: it is none of these.
    """
    text = text.strip()
    local = ZoneInfo(zone)
    try:
        if _UNIX.fullmatch(text):
            return float(text)
        if ":" in text[:3]:
            today = datetime.fromtimestamp(now, local)
            found = datetime.combine(today, datetime.strptime(text, _FORMS[text.count(":")]).time(), local)
            return (found if found.timestamp() <= now + 60 else found - timedelta(days=1)).timestamp()
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo is not None else found.replace(tzinfo=local)).timestamp()
    except (ValueError, KeyError, OverflowError) as err:
        raise InvalidField(
            "at", "A time looks like 14:03:20 or 2026-11-23 14:03.", code="time_invalid"
        ) from err
