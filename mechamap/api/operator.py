"""The command line's door into a running server: without Redis no other process can see its connections.

Callers prove that they share the server's SECRET_KEY by a signed stamp that lives a minute; no broadcast key
or user token opens it.
"""

from dataclasses import asdict, replace

import msgspec
from flask import Blueprint, Response, jsonify, request
from itsdangerous import BadSignature, TimestampSigner

from mechamap.domain.channels import Parse, parse_channel
from mechamap.domain.commands import Action, Command
from mechamap.domain.errors import InvalidField, InvalidRequest, KeyRefused, NotFound
from mechamap.domain.searching import MAX_PAGE, Search
from mechamap.hub.operations import Operations

from .broadcasting import encode, read_json
from .history import limit_in, position_in
from .members import page_asked

STAMP_HEADER = "X-Operator-Stamp"
STAMP_SECONDS = 60
_SALT = "mechamap.operator"


def stamp(secret_key: str) -> str:
    """A proof of ``secret_key`` for one minute."""
    return TimestampSigner(secret_key, salt=_SALT).sign(b"operator").decode()


def door(name: str, secret_key: str) -> Blueprint:
    """A blueprint under ``/api/operator`` that only a stamp opens."""
    api = Blueprint(name, __name__, url_prefix="/api/operator")
    signer = TimestampSigner(secret_key, salt=_SALT)

    @api.before_request
    def check_stamp() -> None:
        try:
            signer.unsign(request.headers.get(STAMP_HEADER, ""), max_age=STAMP_SECONDS)
        except BadSignature as err:  # SignatureExpired is one of these
            raise KeyRefused(
                "This door is for the command line of the same installation (SECRET_KEY).",
                code="stamp_refused",
            ) from err

    return api


def blueprint(operations: Operations, secret_key: str, parse: Parse = parse_channel) -> Blueprint:
    api = door("operator", secret_key)

    @api.get("/clients")
    def clients() -> Response:
        user_id = request.args.get("user_id", type=int)
        limit = min(request.args.get("limit", 1000, type=int), 10_000)
        found = operations.clients(user_id=user_id, sid=request.args.get("sid"), limit=limit)
        return jsonify([asdict(record) for record in found])

    @api.get("/channels")
    def channels() -> Response:
        return jsonify([asdict(row) for row in operations.channels()])

    @api.get("/history")
    def history() -> Response:
        since, limit = position_in(request.args), limit_in(request.args)
        found = operations.history(request.args.get("channel", ""), since, limit)
        # not jsonify, which would put the names in an event's data into another order
        return Response(encode(asdict(found)), content_type="application/json")

    @api.get("/members")
    def members() -> Response:
        channel = parse(request.args.get("channel"))
        return jsonify(asdict(operations.members(channel, *page_asked(request.args))))

    @api.get("/workers")
    def workers() -> Response:
        return jsonify([asdict(record) for record in operations.workers()])

    @api.get("/totals")
    def totals() -> Response:
        return jsonify(asdict(operations.totals()))

    @api.get("/statistics")
    def statistics() -> Response:
        return jsonify(asdict(operations.statistics()))

    @api.post("/kick")
    def kick() -> Response:
        body = read_json(request.get_data(cache=False))
        if not isinstance(body, dict):
            raise InvalidRequest("The body must be a JSON object.")
        try:
            command = Command(**{**body, "action": Action(body.get("action", Action.KICK))})
            return jsonify({"connections": operations.kick(command)})
        except (TypeError, ValueError) as err:
            raise InvalidField("body", str(err)) from err

    @api.post("/find")
    def find() -> Response:
        try:
            search = msgspec.json.decode(request.get_data(cache=False), type=Search)
        except (msgspec.MsgspecError, ValueError, RecursionError) as err:
            raise InvalidRequest("The body must be a search.") from err
        return _json(operations.find(replace(search, limit=max(1, min(search.limit, MAX_PAGE)))))

    @api.get("/connection")
    def connection() -> Response:
        try:
            return _json(operations.connection(request.args.get("sid", "")))
        except NotFound as err:  # a 404 would mean a server without this question
            raise InvalidField("sid", err.message, code=err.code) from err

    @api.get("/reach")
    def reach() -> Response:
        return _json(operations.reach(parse(request.args.get("channel"))))

    @api.get("/channel")
    def channel() -> Response:
        return _json(operations.channel(parse(request.args.get("channel"))))

    @api.post("/purge")
    def purge() -> Response:
        body = read_json(request.get_data(cache=False))
        name = body.get("channel") if isinstance(body, dict) else None
        return jsonify({"events": operations.purge(parse(name))})

    @api.post("/publish")
    def publish() -> Response:
        receipt = operations.publish(read_json(request.get_data(cache=False)), "cli")
        return jsonify(asdict(receipt))

    return api


def _json(found: object) -> Response:
    return Response(msgspec.json.encode(found), content_type="application/json")
