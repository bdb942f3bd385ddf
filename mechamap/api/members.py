"""``GET /api/channels/{channel}/members``: who is in a presence channel, for Laravel."""

from collections.abc import Mapping

from flask import Blueprint, Response, jsonify, request

from mechamap.auth.protocol import KeyRing
from mechamap.domain.channels import Parse, parse_channel
from mechamap.domain.errors import InvalidField
from mechamap.domain.members import MAX_PAGE
from mechamap.domain.moments import now_iso
from mechamap.edge.limits import RateLimits
from mechamap.hub.operations import Operations

from .keys import readable

PAGE = 100
MAX_ID = 2**63 - 1


def blueprint(
    operations: Operations, keyring: KeyRing, limits: RateLimits, parse: Parse = parse_channel
) -> Blueprint:
    api = Blueprint("members", __name__, url_prefix="/api/channels")

    @api.get("/<channel>/members")
    def members(channel: str) -> Response:
        named = readable(channel, request.environ, request.remote_addr, keyring, limits, parse)
        page = operations.members(named, *page_asked(request.args))
        return jsonify({"success": True, "channel": named.name, **page.shown(), "timestamp": now_iso()})

    return api


def page_asked(query: Mapping[str, str]) -> tuple[int, int]:
    """``after`` and ``limit`` of the query: whole numbers, or left out.

    Raises:
        InvalidField
    """
    after = _number(query, "after", 0, 0, MAX_ID)
    return after, _number(query, "limit", PAGE, 1, MAX_PAGE)


def _number(query: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if text.isascii() and text.isdigit() and len(text) <= 19 and least <= int(text) <= most:
        return int(text)
    raise InvalidField(name, f"{name} must be a whole number from {least} to {most}.", code=f"{name}_invalid")
