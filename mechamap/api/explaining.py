"""The command line's questions to a running server: what became of an event, and what happens now."""

from dataclasses import asdict

import msgspec
from flask import Blueprint, Response, jsonify, request

from mechamap.domain.channels import Parse
from mechamap.domain.errors import InvalidRequest
from mechamap.hub.event_search import Wanted
from mechamap.hub.explaining import Explaining
from mechamap.hub.tap import Watch
from mechamap.hub.watching import Watching

from .operator import door

_watch = msgspec.json.Decoder(Watch).decode


def blueprint(explaining: Explaining, watching: Watching, secret_key: str, parse: Parse) -> Blueprint:
    api = door("explaining", secret_key)

    @api.get("/explain")
    def explain() -> Response:
        channel = request.args.get("channel")
        wanted = Wanted(
            request.args.get("event", ""),
            parse(channel) if channel else None,
            request.args.get("at", type=float),
        )
        return jsonify(asdict(explaining.delivery(request.args.get("user_id", 0, type=int), wanted)))

    @api.post("/watch")
    def watch() -> Response:
        try:
            asked = _watch(request.get_data(cache=False))
        except (msgspec.MsgspecError, RecursionError) as err:
            raise InvalidRequest("The body is no question of a console.") from err
        return jsonify(asdict(watching.see(asked.console, asked.wants, asked.cursors)))

    return api
