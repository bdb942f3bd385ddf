"""Every HTTP request: its id, its log line, CORS, security headers."""

import logging
import re
import secrets
import time
from collections.abc import Callable, Collection

from flask import Flask, Response, g, request

from mechamap import logs

log = logging.getLogger(__name__)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._\-]{1,64}", re.ASCII)
QUIET = frozenset({"/health", "/health/ready", "/metrics", "/admin/live.json"})
"""Asked every few seconds by machines: logged at DEBUG when all is well."""

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def init_app(
    app: Flask, *, allowed_origins: Collection[str], tls: bool, seen: Callable[[str, int], None]
) -> None:
    """Install the hooks. ``seen`` is told the endpoint and status of each answer."""
    origins = frozenset(allowed_origins)

    @app.before_request
    def begin() -> Response | None:
        given = request.headers.get("X-Request-ID", "")
        g.request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        g.begun = time.perf_counter()
        logs.request_id.set(g.request_id)
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return Response(status=204)
        return None

    @app.after_request
    def finish(response: Response) -> Response:
        _cors(response, origins)
        response.headers.setdefault("X-Request-ID", g.get("request_id", ""))
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "same-origin")
        response.headers.setdefault("Content-Security-Policy", CSP)
        response.headers.setdefault("X-Frame-Options", "DENY")
        if tls or request.is_secure:
            response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        seen(request.endpoint or "unknown", response.status_code)
        _log(response)
        return response


def _cors(response: Response, origins: Collection[str]) -> None:
    origin = request.headers.get("Origin")
    if origin is None:
        return
    response.vary.add("Origin")
    if origin not in origins:
        return
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Allow-Credentials"] = "true"
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
        response.headers["Access-Control-Allow-Headers"] = (
            "Authorization, Content-Type, X-API-Key, X-WebSocket-API-Key, X-Request-ID"
        )
        response.headers["Access-Control-Max-Age"] = "600"


def _log(response: Response) -> None:
    """One line a request: the path without its query, which may hold a token."""
    quiet = request.path in QUIET and response.status_code < 400
    log.log(
        logging.DEBUG if quiet else logging.INFO,
        "http_request",
        extra={
            "method": request.method,
            "path": request.path[:200],
            "status": response.status_code,
            "address": request.remote_addr,
            "ms": round((time.perf_counter() - g.get("begun", time.perf_counter())) * 1000, 1),
        },
    )
