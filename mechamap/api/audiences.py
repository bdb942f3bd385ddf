"""``GET /api/channel-stats/{channel}``, ``/api/channels/{channel}`` and ``/api/channels/stats``: who listens,
for the application's PHP."""

from flask import Blueprint, Response, jsonify, request

from mechamap.auth.protocol import BroadcastKey, KeyRing
from mechamap.domain.channels import Parse, parse_channel, parse_channel_of_site
from mechamap.domain.errors import InvalidChannel
from mechamap.domain.moments import now_iso
from mechamap.edge.limits import RateLimits
from mechamap.hub.operations import ChannelRow, PublisherOperations

from .keys import authenticate, readable

MOST_CHANNELS = 1_000
"""Listed in one answer, the busiest first."""
MOST_SIDS = 1_000


def blueprint(
    operations: PublisherOperations, keyring: KeyRing, limits: RateLimits, parse: Parse = parse_channel
) -> Blueprint:
    api = Blueprint("audiences", __name__, url_prefix="/api")

    @api.get("/channel-stats/<channel>")
    def stats(channel: str) -> Response:
        return jsonify(counts(channel))

    @api.get("/channels/<channel>")
    def information(channel: str) -> Response:
        return jsonify(counts(channel, sids=True))

    def counts(name: str, *, sids: bool = False) -> dict[str, object]:
        named = readable(name, request.environ, request.remote_addr, keyring, limits, parse)
        found = operations.audience(named)
        answer = {
            "success": True,
            "channel": named.name,
            "subscriberCount": found.subscribers,
            "userCount": found.users,
        }
        if sids:
            answer["subscribers"] = list(found.sids[:MOST_SIDS]) if found.sids is not None else None
        return {**answer, "timestamp": now_iso()}

    @api.get("/channels/stats")
    def channels() -> Response:
        key = authenticate(request.environ, request.remote_addr, keyring, limits)
        limits.check_key(key.name)
        rows = [row for row in operations.channels() if not key.scopes or _in_scope(row, key)]
        told = {
            "totalChannels": len(rows),
            "totalSubscriptions": sum(row.subscribers for row in rows),
            "channels": [
                {"channel": row.name, "subscriberCount": row.subscribers} for row in rows[:MOST_CHANNELS]
            ],
        }
        if not key.scopes:
            totals = operations.totals()
            told |= {"connections": totals.connections, "users": totals.users, "workers": totals.workers}
        return jsonify({"success": True, "stats": told, "timestamp": now_iso()})

    return api


def _in_scope(row: ChannelRow, key: BroadcastKey) -> bool:
    try:
        return key.may_publish(parse_channel_of_site(row.name))
    except InvalidChannel:  # of a newer version
        return False
