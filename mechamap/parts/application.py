"""The Flask application, and the Socket.IO server on it."""

import logging

from flask import Flask

from mechamap.engine import SocketIO
from mechamap.settings import ROOT, Settings

log = logging.getLogger(__name__)

MAX_BODY = 1_048_576
"""Bytes of one HTTP request: a batch of broadcasts fits, a runaway upload does not."""
MAX_MESSAGE = 65_536
"""Bytes of one message of a browser; OWASP's advice for WebSockets. Its events are names and ids."""


def build_flask(settings: Settings) -> Flask:
    app = Flask(
        "mechamap",
        root_path=str(ROOT / "mechamap"),
        instance_path=str(settings.instance_path),
        template_folder=str(ROOT / "templates"),
        static_folder=str(ROOT / "static"),
    )
    app.config.update(
        SECRET_KEY=settings.secret_key,
        MAX_CONTENT_LENGTH=MAX_BODY,
        TESTING=settings.app_env == "testing",
    )
    return app


def build_socketio(app: Flask, settings: Settings) -> SocketIO:
    return SocketIO(
        app,
        manage_session=False,
        # a browser's events are handled one after the other: its order is kept, and a flood slows its sender
        async_handlers=False,
        cors_allowed_origins=list(settings.origins),
        ping_interval=settings.ping_interval_ms / 1000,
        ping_timeout=settings.ping_timeout_ms / 1000,
        max_http_buffer_size=MAX_MESSAGE,
        on_drop=lambda sid, reason: log.warning("connection_dropped", extra={"sid": sid, "code": reason}),
    )
