"""Pusher's HTTP API under ``/apps/{id}``, for Laravel's ``pusher`` and ``reverb`` drivers.

Its clients take 200 for success and nothing else, and 400 for what breaks a rule.
"""

import logging
from collections.abc import Callable
from dataclasses import replace

from flask import Blueprint, Response, request

from mechamap.domain.apps import App
from mechamap.domain.errors import Forbidden, InvalidField, PayloadTooLarge, RealtimeError, SignatureRefused
from mechamap.edge import errors
from mechamap.ingest.pusher import PusherReader

from .broadcasting import Answer, encode
from .pusher_calls import PusherCalls
from .pusher_gate import PusherGate, parameters_of

log = logging.getLogger(__name__)

Seen = Callable[[str, str, str], None]
"""Told of each request: the app (``unknown`` if it proved nothing), the call, ``accepted`` or the code."""


def blueprint(gate: PusherGate, calls: PusherCalls, reader: PusherReader, seen: Seen) -> Blueprint:
    api = Blueprint("pusher", __name__)
    any_data = replace(reader, any_data=True)

    def answer(call: str, app_id: str | None, work: Callable[[App, bytes], Answer]) -> Response:
        body = request.get_data(cache=False)
        return _answered(
            call, app_id, lambda: gate.admit(app_id, request.environ, request.remote_addr, body),
            lambda app: work(app, body), seen,
        )  # fmt: skip

    @api.post("/apps/<app_id>/events")
    def events(app_id: str) -> Response:
        name = request.headers.get("Idempotency-Key")
        if "auth_signature" in request.args:
            return answer("events", app_id, lambda app, body: calls.trigger(app, body, name))
        body = request.get_data(cache=False)

        def publish(app: App) -> Answer:
            calls.trigger(app, body, name, any_data)
            return {"message": "ok"}

        return _answered(
            "events", app_id, lambda: gate.admit_legacy(app_id, request.environ, request.remote_addr),
            publish, seen,
        )  # fmt: skip

    @api.post("/apps/<app_id>/batch_events")
    def batch_events(app_id: str) -> Response:
        name = request.headers.get("Idempotency-Key")
        return answer("batch_events", app_id, lambda app, body: calls.trigger_batch(app, body, name))

    @api.get("/apps/<app_id>/channels")
    def channels(app_id: str) -> Response:
        return answer("channels", app_id, lambda app, _: calls.channels(app, parameters_of(request.environ)))

    @api.get("/apps/<app_id>/channels/<channel>")
    def channel(app_id: str, channel: str) -> Response:
        return answer(
            "channel", app_id, lambda app, _: calls.channel(app, channel, parameters_of(request.environ))
        )

    @api.get("/apps/<app_id>/channels/<channel>/users")
    def users(app_id: str, channel: str) -> Response:
        return answer("users", app_id, lambda app, _: calls.users(app, channel))

    @api.post("/apps/<app_id>/users/<user_id>/terminate_connections")
    def terminate(app_id: str, user_id: str) -> Response:
        return answer("terminate_connections", app_id, lambda app, _: calls.terminate(app, user_id))

    @api.post("/users/<user_id>/terminate_connections")
    def terminate_by_key(user_id: str) -> Response:
        """pusher-http-python 3.3 leaves ``/apps/{id}`` out."""
        return answer("terminate_connections", None, lambda app, _: calls.terminate(app, user_id))

    return api


def _answered(
    call: str, app_id: str | None, admit: Callable[[], App], work: Callable[[App], Answer], seen: Seen
) -> Response:
    # a stranger's words must not become names of metrics
    known = "unknown"
    try:
        try:
            app = admit()
        except (SignatureRefused, Forbidden):
            known = app_id or known
            raise
        known = app.id
        told = work(app)
    except RealtimeError as err:
        seen(known, call, err.code)
        log.warning("app_refused", extra={"app": known, "call": call, "code": err.code})
        return _refusal(err)
    seen(known, call, "accepted")
    return Response(encode(told), headers={"Cache-Control": "no-store"}, content_type="application/json")


def _refusal(err: RealtimeError) -> Response:
    """The refusal with Pusher's statuses, and the words that its libraries' tests look for."""
    status, body, headers = errors.refusal(err)
    if isinstance(err, InvalidField):
        status = 400
    elif isinstance(err, PayloadTooLarge):
        words = f"The data content of this event exceeds the allowed maximum: {err}"
        body = {**body, "error": words, "message": words}
    return Response(encode(body), status, headers, content_type="application/json")
