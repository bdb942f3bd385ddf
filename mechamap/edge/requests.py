"""Every HTTP request: its id, its log line, CORS, security headers."""

import logging
import random
import re
import time
from collections.abc import Callable, Collection

from flask import Flask, Response, g, request

from mechamap import logs

log = logging.getLogger(__name__)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._\-]{1,64}", re.ASCII)
QUIET = frozenset(
    {
        *(
            "/health",
            "/health/ready",
            "/metrics",
            "/admin/live.json",
            "/api/broadcast",
            "/api/broadcast/batch",
        ),
        *("/api/health", "/api/status", "/api/metrics"),
        *("/api/monitoring/health", "/api/monitoring/metrics", "/api/monitoring/prometheus"),
        *("/api/laravel-broadcast", "/api/notify", "/api/broadcast/multi"),
    }
)
"""Asked every few seconds by machines, or (broadcasts) logged as what they did: a line of their own only at
DEBUG when all is well."""

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_HEADERS = [
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Content-Security-Policy", CSP),
    ("X-Frame-Options", "DENY"),
]


def of_console(path: str) -> bool:
    """Whether an address is the operators'."""
    return path == "/admin" or path.startswith("/admin/")


def request_id_of(given: str) -> str:
    """The caller's own request id where it is well formed, else a new one; it is a name, not a secret."""
    if given and _REQUEST_ID.fullmatch(given):
        return given
    return f"{random.getrandbits(64):016x}"


def security_headers(secure: bool) -> list[tuple[str, str]]:
    """What every answer carries; ``secure``: it goes out over TLS."""
    return [*_HEADERS, ("Strict-Transport-Security", "max-age=31536000")] if secure else _HEADERS


def log_request(method: str, path: str, status: int, address: str | None, begun: float) -> None:
    """One line a request: the path without its query, which may hold a token. ``begun``: perf_counter."""
    quiet = status < 400 and path in QUIET
    level = logging.DEBUG if quiet else logging.INFO
    if log.isEnabledFor(level):
        took = round((time.perf_counter() - begun) * 1000, 1)
        told = {"method": method, "path": path[:200], "status": status, "address": address, "ms": took}
        log.log(level, "http_request", extra=told)


def init_app(
    app: Flask, *, allowed_origins: Collection[str], tls: bool, seen: Callable[[str, int, float], None]
) -> None:
    """Install the hooks. ``seen`` is told the endpoint and status of each answer, and its seconds."""
    origins = frozenset(allowed_origins)

    @app.before_request
    def begin() -> Response | None:
        g.request_id = request_id_of(request.headers.get("X-Request-ID", ""))
        g.begun = time.perf_counter()
        logs.request_id.set(g.request_id)
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return Response(status=204)
        return None

    @app.after_request
    def finish(response: Response) -> Response:
        _cors(response, origins)
        response.headers.setdefault("X-Request-ID", g.get("request_id", ""))
        for name, value in security_headers(tls or request.is_secure):
            response.headers.setdefault(name, value)
        begun = g.get("begun", time.perf_counter())
        seen(request.endpoint or "unknown", response.status_code, time.perf_counter() - begun)
        log_request(request.method, request.path, response.status_code, request.remote_addr, begun)
        return response


def _cors(response: Response, origins: Collection[str]) -> None:
    # An allowed origin of the same site, such as the application's own pages, is sent along the operator's
    # cookie (SameSite=Lax): one script planted there could otherwise read the console, and its form tokens.
    origin = request.headers.get("Origin")
    if origin is None or of_console(request.path):
        return
    response.vary.add("Origin")
    if origin not in origins:
        return
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Allow-Credentials"] = "true"
    if request.method == "OPTIONS":
        response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
        response.headers["Access-Control-Allow-Headers"] = (
            "Authorization, Content-Type, Idempotency-Key, X-API-Key, X-WebSocket-API-Key, X-Request-ID"
        )
        response.headers["Access-Control-Max-Age"] = "600"
