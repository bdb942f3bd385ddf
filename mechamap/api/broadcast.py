"""``POST /api/broadcast`` as the plan's PHP class calls it, and ``/api/broadcast/batch``."""

from flask import Blueprint, Response, request

from .broadcasting import Broadcasts, encode


def blueprint(broadcasts: Broadcasts) -> Blueprint:
    api = Blueprint("broadcast", __name__, url_prefix="/api")

    @api.post("/broadcast")
    def broadcast() -> Response:
        body = request.get_data(cache=False)
        answer = broadcasts.accept(request.environ, request.remote_addr, body)
        return Response(encode(answer), content_type="application/json")

    @api.post("/broadcast/batch")
    def batch() -> Response:
        body = request.get_data(cache=False)
        answer = broadcasts.accept_batch(request.environ, request.remote_addr, body)
        return Response(encode(answer), content_type="application/json")

    return api
