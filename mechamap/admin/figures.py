"""Numbers and times as people read them: filters for the templates."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from mechamap.domain.channels import spell

_STEPS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def count(number: int) -> str:
    """``12,345``"""
    return f"{number:,}"


def number_of(number: int, noun: str) -> str:
    """``1 connection``, ``12 connections``"""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def span(seconds: float) -> str:
    """The two largest units: ``2 d 4 h``, ``3 min``, ``40 s``."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    for index, (size, unit) in enumerate(_STEPS):
        if whole >= size:
            first, rest = divmod(whole, size)
            if index + 1 < len(_STEPS):
                next_size, next_unit = _STEPS[index + 1]
                if rest >= next_size and first < 10:
                    return f"{first} {unit} {rest // next_size} {next_unit}"
            return f"{first} {unit}"
    return f"{whole} s"


def since(moment: float) -> str:
    """How long ago a Unix time was."""
    return span(time.time() - moment)


def memory(size: int) -> str:
    """``84 MB``"""
    return f"{size / 1_048_576:,.0f} MB"


def first_upper(text: str) -> str:
    """A sentence begins with a capital; the rest stays as it is."""
    return text[:1].upper() + text[1:]


def shape(data: object) -> str:
    """What a payload is, without what it says: ``object of 3 fields, 120 bytes``."""
    size = f"{len(json.dumps(data, ensure_ascii=False, separators=(',', ':')).encode()):,} bytes"
    match data:
        case dict():
            return f"object of {number_of(len(data), 'field')}, {size}"
        case list():
            return f"list of {len(data):,}, {size}"
        case str():
            return f"text, {size}"
        case None:
            return "null"
        case bool():
            return "yes or no"
    return f"number, {size}"


def size(number: int) -> str:
    """``0 B``, ``512 B``, ``1.4 KB``, ``12 MB``"""
    if number < 1_000:
        return f"{number} B"
    scale, unit = (1_000, "KB") if number < 1_000_000 else (1_000_000, "MB")
    return f"{number / scale:,.{1 if number < 10 * scale else 0}f} {unit}"


def rate(number: float) -> str:
    """``0``, ``0.4``, ``1,204``: per second"""
    return f"{number:,.1f}".removesuffix(".0") if number < 10 else f"{number:,.0f}"


def delay(seconds: float | None) -> str:
    """``0.4 ms``, ``120 ms``, ``1.3 s``"""
    if seconds is None:
        return "—"
    if seconds >= 1:
        return f"{seconds:.1f} s"
    milliseconds = seconds * 1000
    return f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"


def filters(zone: str) -> dict[str, Callable[..., str]]:
    """The filters; moments are shown in the application's time zone."""
    local = ZoneInfo(zone)

    def moment(value: datetime | float) -> str:
        instant = value if isinstance(value, datetime) else datetime.fromtimestamp(value, UTC)
        return instant.astimezone(local).strftime("%Y-%m-%d %H:%M:%S")

    def iso(value: datetime | float) -> str:
        instant = value if isinstance(value, datetime) else datetime.fromtimestamp(value, UTC)
        return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def clock(value: float) -> str:
        return datetime.fromtimestamp(value, UTC).astimezone(local).strftime("%H:%M:%S.%f")[:-3]

    return {
        "clock": clock,
        "count": count,
        "delay": delay,
        "first_upper": first_upper,
        "iso": iso,
        "memory": memory,
        "moment": moment,
        "rate": rate,
        "shape": shape,
        "since": since,
        "size": size,
        "span": span,
        "spelled": spell,
    }
