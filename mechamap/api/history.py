"""``GET /api/channels/{channel}/history``: what a channel had, page by page."""

from collections.abc import Mapping
from dataclasses import asdict

from flask import Blueprint, Response, request

from mechamap.auth.protocol import KeyRing
from mechamap.broker.protocol import Broker
from mechamap.domain.channels import Parse, parse_channel
from mechamap.domain.errors import InvalidField
from mechamap.domain.history import Position
from mechamap.edge.limits import RateLimits
from mechamap.hub.history import MOST_EVENTS, page

from .broadcasting import encode
from .keys import readable

DEFAULT = 100
"""Events of a page that nobody gave a limit."""
_MOST_DIGITS = 15


def blueprint(
    broker: Broker, keyring: KeyRing, limits: RateLimits, parse: Parse = parse_channel
) -> Blueprint:
    api = Blueprint("history", __name__, url_prefix="/api/channels")

    @api.get("/<channel>/history")
    def history(channel: str) -> Response:
        wanted = readable(channel, request.environ, request.remote_addr, keyring, limits, parse)
        found = page(broker, wanted, position_in(request.args), limit_in(request.args))
        answer = Response(encode({"success": True, **asdict(found)}), content_type="application/json")
        answer.headers["Cache-Control"] = "no-store"
        return answer

    return api


def position_in(query: Mapping[str, str]) -> Position | None:
    """``epoch`` and ``offset`` of a query, which go together.

    Raises:
        InvalidField
    """
    epoch, offset = query.get("epoch"), query.get("offset")
    if epoch is None and offset is None:
        return None
    if epoch is None or offset is None:
        missing = "epoch" if epoch is None else "offset"
        raise InvalidField(missing, "epoch and offset go together.", code="since_invalid")
    if len(epoch) > 64 or not epoch.isascii() or not epoch.isprintable():
        raise InvalidField("epoch", "epoch is not one that the server gave.", code="since_invalid")
    return Position(epoch, _number(offset, "offset", 0, 10**_MOST_DIGITS - 1, "since_invalid"))


def limit_in(query: Mapping[str, str]) -> int:
    """``limit`` of a query.

    Raises:
        InvalidField
    """
    text = query.get("limit")
    return DEFAULT if text is None else _number(text, "limit", 1, MOST_EVENTS, "limit_invalid")


def _number(text: str, field: str, least: int, most: int, code: str) -> int:
    # int() alone would take '4_2' and other scripts' digits
    plain = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    if not plain or not least <= int(text) <= most:
        raise InvalidField(field, f"{field} must be a whole number from {least} to {most}.", code=code)
    return int(text)
