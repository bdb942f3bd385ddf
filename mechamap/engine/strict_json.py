"""JSON for the wire: fast, compact, and never anything a browser's JSON.parse would refuse.

The standard library writes NaN and Infinity as bare words; one such event disconnects every browser in the
room with a parse error. msgspec 0.22 writes them as `null`, which hides the mistake. Here they are a
ValueError.
"""

import json
import math
from collections.abc import Mapping

import msgspec

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class StrictJSON:
    """The `dumps`/`loads` pair python-socketio asks for. Formatting keywords are accepted: output is always
    compact.
    """

    @staticmethod
    def dumps(value: object, **formatting: object) -> str:
        try:
            text = _encode(value).decode()
        except TypeError:
            # msgspec refuses subclasses of str and int and non-text keys, which the standard library writes
            return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        if "null" in text and _has_non_finite(value):
            raise ValueError("NaN and Infinity are not JSON")
        return text

    @staticmethod
    def loads(text: str | bytes, **options: object) -> object:
        try:
            return _decode(text)
        except (
            msgspec.MsgspecError
        ) as err:  # ValidationError (a number out of range) is no ValueError in 0.22
            raise ValueError(str(err)) from None
        except RecursionError:
            raise ValueError("JSON is nested too deeply") from None


def _has_non_finite(value: object) -> bool:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, float):
            if not math.isfinite(item):
                return True
        elif isinstance(item, Mapping):
            waiting.extend(item.values())
        elif isinstance(item, list | tuple | set | frozenset):
            waiting.extend(item)
    return False
