"""Searching live connections: what is asked, in which order it is answered, and where a page begins."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum

from .dialects import Dialect
from .errors import InvalidField
from .identity import TokenKind

MAX_TEXT = 200
"""Characters of a text looked for."""
MAX_PAGE = 500
_PLACE = re.compile(r"(-?[0-9.]{1,30})~([0-9.]{1,60})")


class Order(StrEnum):
    """Which connections come first."""

    NEWEST = "newest"
    OLDEST = "oldest"
    QUEUE = "queue"
    """Those for which most bytes wait."""


@dataclass(frozen=True, slots=True)
class Place:
    """The last connection of a page: the next begins behind it. ``key`` is what the order sorts by."""

    key: float
    sid: str


@dataclass(frozen=True, slots=True)
class Search:
    """What connections must have; empty means anything.

    Attributes:
        text: a whole number is a user's id, or begins a connection's; otherwise part of a name, role,
            address, id or channel.
        channel: part of a channel's name, as the client or as we spell it.
        worker: id of the worker that holds it.
        min_age: seconds since it connected, at least.
        min_queued: bytes that wait for it, at least.
        token: names the token it came with, as ``Identity.token_ref`` does.
    """

    text: str = ""
    user_id: int | None = None
    address: str = ""
    channel: str = ""
    worker: str = ""
    transport: str = ""
    dialect: Dialect | None = None
    kind: TokenKind | None = None
    min_age: float = 0.0
    min_queued: int = 0
    token: str = ""
    order: Order = Order.NEWEST
    after: Place | None = None
    limit: int = 100

    @property
    def narrowed(self) -> bool:
        """Whether it asks for less than everything."""
        return any(
            getattr(self, each.name) for each in fields(self) if each.name not in ("order", "after", "limit")
        )


def read_search(given: Mapping[str, str], limit: int = 100) -> Search:
    """The search that a form or a query string describes.

    Raises:
        InvalidField: a value that cannot be meant.
    """

    def text(name: str) -> str:
        value = given.get(name, "").strip()
        if len(value) > MAX_TEXT:
            raise InvalidField(name, f"{name} has {len(value)} characters; the limit is {MAX_TEXT}.")
        return value

    def number(name: str, most: int) -> int:
        value = text(name)
        if value and not (value.isascii() and value.isdigit() and int(value) <= most):
            raise InvalidField(name, f"{name} must be a whole number up to {most}.")
        return int(value or 0)

    def one_of(name: str, kind: type[StrEnum]):
        value = text(name)
        try:
            return kind(value) if value else None
        except ValueError as err:
            raise InvalidField(name, f"{name} must be one of {', '.join(kind)}.") from err

    return Search(
        text=text("q"),
        user_id=number("user_id", 2**63 - 1) or None,
        address=text("address"),
        channel=text("channel"),
        worker=text("worker"),
        transport=text("transport"),
        dialect=one_of("dialect", Dialect),
        kind=one_of("kind", TokenKind),
        min_age=number("age", 10**9),
        min_queued=number("queue", 2**40),
        order=one_of("order", Order) or Order.NEWEST,
        after=read_place(text("after")),
        limit=max(1, min(limit, MAX_PAGE)),
    )


def read_place(text: str) -> Place | None:
    """The place that ``shown_place`` wrote; None for nothing.

    Raises:
        InvalidField
    """
    if not text:
        return None
    match = _PLACE.fullmatch(text)
    try:
        key = float(match[1]) if match else math.nan
    except ValueError:
        key = math.nan
    if math.isnan(key):
        raise InvalidField("after", "after is not the end of a page.")
    return Place(key, match[2])


def shown_place(place: Place) -> str:
    """For a link to the next page."""
    return f"{place.key!r}~{place.sid}"


def key_of(order: Order, connected_at: float, queued: int) -> float:
    """What ``order`` sorts by; the highest comes first, and of equals the highest id."""
    match order:
        case Order.NEWEST:
            return connected_at
        case Order.OLDEST:
            return -connected_at
        case Order.QUEUE:
            return float(queued)
