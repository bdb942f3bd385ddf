"""The one argument of an event as JSON text, written once: where the event enters.

From there the bytes travel unchanged through broker and workers into the frame that browsers receive. They
are compact, and text is written as itself (``é``, ``/``), whatever escapes the publisher chose. Of an
object's equal names the last value counts and the first place, as in PHP and in browsers. Whole numbers are
exact; a number with a fraction keeps its value, not its spelling (``1.50`` becomes ``1.5``).
"""

import json
from collections.abc import Callable

from .errors import InvalidField

MAX_DEPTH = 32
"""Levels of nesting in ``data``: far above real payloads, far below the recursion limit of any JSON
reader."""

Encode = Callable[[object], bytes]
"""Writes values that a strict reader made. Bytes, as ``payload_of`` gives them."""


def payload_of(data: object, field: str = "data") -> bytes:
    """``data`` as JSON text, for values of any making.

    Raises:
        InvalidField: it is not JSON (NaN, an infinity, half a surrogate pair, no JSON type) or nested too
            deep.
    """
    check_depth(data, field)
    try:
        return json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
    except (ValueError, TypeError, RecursionError) as err:
        raise InvalidField(field, f"{field} cannot be written as JSON.", code="data_invalid") from err


def check_payload_depth(payload: bytes, value: object, field: str = "data") -> None:
    """The same for a value whose text is at hand: walking every value costs, and text with few brackets
    cannot nest deeply."""
    if payload.count(b"[") + payload.count(b"{") > MAX_DEPTH:
        check_depth(value, field)


def check_depth(data: object, field: str = "data") -> None:
    """Refuse values nested deeper than ``MAX_DEPTH``; iterative, so the check cannot itself overflow."""
    level = [data]
    for _ in range(MAX_DEPTH + 1):
        below: list[object] = []
        for value in level:
            if isinstance(value, dict):
                below.extend(value.values())
            elif isinstance(value, list | tuple):
                below.extend(value)
        if not below:
            return
        level = below
    raise InvalidField(field, f"{field} is nested more than {MAX_DEPTH} levels deep.", code="data_too_deep")
