"""All areas in one document, and the path that serves it."""

from flask import Blueprint, Response

from mechamap import __version__
from mechamap.api.broadcasting import encode

from . import application, channels, machines, monitors, publishing, pusher
from .parts import Json
from .schemas import SCHEMAS

TAGS = {
    "publishing": "The plan's calls.",
    "application": "What the application's own PHP sends, unchanged.",
    "channels": "Who listens, who is a member, what a channel had.",
    "pusher": "Pusher's HTTP API, for Laravel's pusher and reverb drivers and Pusher's libraries.",
    "monitors": "What the application's monitors read, on the paths of its former server.",
    "machines": "For balancers, Prometheus, and programs that read this.",
}
KEY = "A broadcast key: of `WEBSOCKET_API_KEY`, `WEBSOCKET_SERVER_SECRET`, or made with `flask keys create`."
SECURITY: Json = {
    "bearer": {"type": "http", "scheme": "bearer", "description": KEY},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": KEY},
    "websocketApiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-WebSocket-API-Key",
        "description": KEY,
    },
    "pusherSignature": {
        "type": "apiKey",
        "in": "query",
        "name": "auth_signature",
        "description": "HMAC-SHA256 over method, path and query as Pusher documents it, with `auth_key`, "
        "`auth_timestamp` (within 600 seconds), `auth_version=1.0` and, with a body, `body_md5`.",
    },
    "legacySecret": {
        "type": "http",
        "scheme": "bearer",
        "description": "The secret of an app made with `flask apps create --legacy`.",
    },
}


def document() -> Json:
    """The whole description."""
    areas = (publishing, application, channels, pusher, monitors, machines)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "MechaMap real-time",
            "version": __version__,
            "summary": "Broadcasts from Laravel to browsers.",
            "description": "What HTTP clients may call. Browsers speak Socket.IO: docs/API.md has both.",
        },
        "servers": [{"url": "/", "description": "This server; behind a proxy, where that serves it."}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "security": [{"bearer": []}, {"apiKey": []}, {"websocketApiKey": []}],
        "paths": {path: item for area in areas for path, item in area.PATHS.items()},
        "components": {"schemas": SCHEMAS, "securitySchemes": SECURITY},
    }


def blueprint() -> Blueprint:
    """``/api/openapi.json``, for everybody: it holds nothing that is not in the documents."""
    api = Blueprint("openapi", __name__)
    written = encode(document())

    @api.get("/api/openapi.json")
    def openapi() -> Response:
        return Response(written, content_type="application/json")

    return api
