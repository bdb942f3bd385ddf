"""``/api/connections/…``: counts, one user's connections, and ending them; as the application's former server
had it, but for keys."""

import logging

from flask import Blueprint, Response, jsonify, request

from mechamap.domain.channels import user_channel
from mechamap.domain.commands import Action, Command
from mechamap.domain.errors import Forbidden, InvalidField, InvalidRequest
from mechamap.domain.moments import iso, now_iso
from mechamap.hub.operations import Operations
from mechamap.ingest.dialects.fields import id_of

from .broadcasting import read_json
from .readers import Readers

log = logging.getLogger(__name__)

MOST_LISTED = 100
MAX_REASON = 200
"""Characters of what the user is told."""


def blueprint(operations: Operations, readers: Readers) -> Blueprint:
    api = Blueprint("connections_api", __name__, url_prefix="/api/connections")

    @api.get("/stats")
    def stats() -> Response:
        readers.check()
        found = operations.totals()
        told = {
            "totalConnections": found.connections,
            "uniqueUsers": found.users,
            "channels": found.channels,
            "subscriptions": found.subscriptions,
            "workers": found.workers,
        }
        return jsonify({"success": True, "data": told, "timestamp": now_iso()})

    @api.get("/user/<user_id>")
    def user(user_id: str) -> Response:
        named = id_of(user_id, "user_id")
        readers.check(user_channel(named))
        found = operations.clients(user_id=named, limit=MOST_LISTED)
        connections = [
            {
                "socketId": record.sid,
                "connectedAt": iso(record.connected_at),
                "transport": record.transport,
                "worker": record.worker,
            }
            for record in found
        ]
        told = {"userId": named, "connected": bool(found), "connections": connections}
        return jsonify({"success": True, "data": told, "timestamp": now_iso()})

    @api.post("/disconnect/<user_id>")
    def disconnect(user_id: str) -> Response:
        named = id_of(user_id, "user_id")
        key = readers.check_key(user_channel(named))
        command = Command(Action.KICK, user_id=named, **_reason_in(request.get_data(cache=False)))
        connections = operations.kick(command)
        log.info("user_disconnected", extra={"user": named, "key": key.name, "command": command.id})
        told = {"userId": named, "connections": connections}
        return jsonify({"success": True, "message": "Disconnect ordered", **told, "timestamp": now_iso()})

    @api.post("/clear-all")
    def clear_all() -> Response:
        readers.check_key()
        raise Forbidden(
            "Ending every connection is for operators: «flask clients kick --all», or the console.",
            code="clear_all_refused",
        )

    return api


def _reason_in(body: bytes) -> dict[str, str]:
    """The ``reason`` of a body, if it has one.

    Raises:
        InvalidRequest, InvalidField
    """
    asked = read_json(body) if body.strip() else {}
    if not isinstance(asked, dict):
        raise InvalidRequest("The body must be a JSON object.")
    reason = asked.get("reason")
    if reason is None:
        return {}
    if not isinstance(reason, str) or not reason.strip() or len(reason) > MAX_REASON:
        raise InvalidField(
            "reason", f"reason must be a text of 1 to {MAX_REASON} characters.", code="reason_invalid"
        )
    return {"reason": reason}
