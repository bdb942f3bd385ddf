"""What others keep in Redis, read: entries that nobody of ours wrote are passed over and counted."""

from collections.abc import Iterable
from typing import TypeVar

import msgspec

T = TypeVar("T")


def readable(
    rows: Iterable[bytes | None], decoder: msgspec.json.Decoder[T], max_bytes: int
) -> tuple[list[T], int]:
    """The entries among ``rows`` that the decoder can read, and how many it cannot; None is no entry."""
    found, unreadable = [], 0
    for row in rows:
        if row is None:
            continue
        try:
            if len(row) > max_bytes:
                raise ValueError("too long")
            found.append(decoder.decode(row))
        except (msgspec.MsgspecError, ValueError, RecursionError):
            unreadable += 1
    return found, unreadable
