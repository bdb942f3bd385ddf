"""The paths on which the application's own PHP publishes: ``/api/laravel-broadcast``, ``/api/notify``,
``/api/broadcast/multi`` and ``/api/broadcast/user/{id}``."""

from collections.abc import Callable

from flask import Blueprint, Response, request

from .application import ApplicationBroadcasts
from .broadcasting import Broadcasts, encode


def blueprint(broadcasts: Broadcasts, application: ApplicationBroadcasts) -> Blueprint:
    api = Blueprint("dialects", __name__, url_prefix="/api")

    @api.post("/laravel-broadcast")
    def driver() -> Response:
        return answered(application.accept_driver)

    @api.post("/notify")
    def notify() -> Response:
        return answered(application.accept_notify)

    @api.post("/broadcast/multi")
    def multi() -> Response:
        return answered(broadcasts.accept_batch)

    @api.post("/broadcast/user/<user_id>")
    def user(user_id: str) -> Response:
        return answered(lambda *asked: application.accept_for_user(user_id, *asked))

    return api


def answered(accept: Callable[..., dict[str, object]]) -> Response:
    """What ``accept`` says to the request."""
    body = request.get_data(cache=False)
    answer = accept(request.environ, request.remote_addr, body)
    return Response(encode(answer), content_type="application/json")
