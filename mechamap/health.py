"""Health and metrics for machines: alive, ready (and if not, why), and the numbers."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from flask import Blueprint, Response, jsonify, request

from . import __version__


@dataclass(frozen=True, slots=True)
class Check:
    """One dependency, measured. ``essential``: without it the worker must get no traffic; else it is merely
    degraded."""

    name: str
    ok: bool
    detail: str
    essential: bool


def blueprint(checks: Callable[[], list[Check]], render: Callable[[], tuple[bytes, str]]) -> Blueprint:
    """``/health``, ``/health/ready`` and ``/metrics``."""
    pages = Blueprint("health", __name__)
    started = time.time()

    @pages.get("/health")
    def live() -> Response:
        return jsonify({"status": "ok", "version": __version__, "uptime": round(time.time() - started, 1)})

    @pages.get("/health/ready")
    def ready() -> tuple[Response, int]:
        """503 while an essential dependency is away.

        A database that is away refuses sign-ins only, so it is «degraded» with 200: taking every worker out
        of the balancer would end public traffic as well. ``?strict=1`` answers 503 for that too.
        """
        found = checks()
        failed = [check for check in found if not check.ok]
        essential = any(check.essential for check in failed)
        status = "unavailable" if essential else "degraded" if failed else "ready"
        refused = essential or (failed and request.args.get("strict") == "1")
        body = {
            "status": status,
            "ready": not essential,
            "reasons": [f"{check.name}: {check.detail}" for check in failed],
            "checks": {check.name: {"ok": check.ok, "detail": check.detail} for check in found},
        }
        return jsonify(body), 503 if refused else 200

    @pages.get("/metrics")
    def metrics() -> Response:
        body, content_type = render()
        return Response(body, content_type=content_type)

    return pages
