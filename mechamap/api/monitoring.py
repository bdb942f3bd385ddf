"""The paths that the application's monitors read: ``/api/health``, ``/api/status``, ``/api/monitoring/…``.

Whether the server is well, and how many are connected, is open to everybody. Counters, processes and machines
are for keys, and for callers that need none to publish: a proxy that keeps ``/metrics`` from strangers passes
everything below ``/api``.
"""

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from flask import Blueprint, Response, jsonify, request

from mechamap import __version__
from mechamap.domain.moments import iso, now_iso
from mechamap.hub.operations import Operations, Totals

from .readers import Readers

FRESH = 2.0
"""Seconds for which counts of the whole cluster are told again: anybody may ask, and each costs Redis a look
at every channel."""

Body = dict[str, object]


class Checked(Protocol):
    """A dependency that was measured: ``health.Check``."""

    name: str
    ok: bool
    detail: str
    essential: bool


@dataclass(frozen=True, slots=True)
class Monitored:
    """What there is to tell.

    Attributes:
        environment: ``production`` and so on.
        features: what the settings turn on; whether it works, the checks say.
        checks: measures every dependency.
        figures: this machine's counters, a dataclass.
        render: the text for Prometheus and its content type.
    """

    environment: str
    features: Mapping[str, bool]
    checks: Callable[[], Sequence[Checked]]
    figures: Callable[[], Any]
    render: Callable[[], tuple[bytes, str]]
    operations: Operations


def blueprint(
    monitored: Monitored, readers: Readers, clock: Callable[[], float] = time.monotonic
) -> Blueprint:
    api = Blueprint("monitoring", __name__, url_prefix="/api")
    started = time.time()
    counted: list[tuple[float, Totals]] = []

    def totals() -> Totals:
        if not counted or clock() - counted[0][0] >= FRESH:
            found = monitored.operations.totals()
            counted[:] = [(clock(), found)]
        return counted[0][1]

    def uptime() -> float:
        return round(time.time() - started, 1)

    def state() -> tuple[Body, Sequence[Checked], int]:
        """What every page about health says, the checks, and the status of the answer."""
        found = monitored.checks()
        failed = [check for check in found if not check.ok]
        essential = any(check.essential for check in failed)
        body: Body = {
            "status": "unhealthy" if essential else "degraded" if failed else "healthy",
            "environment": monitored.environment,
            "version": __version__,
            "ready": not essential,
            "reasons": [f"{check.name}: {check.detail}" for check in failed],
        }
        return body, found, 503 if essential else 200

    @api.get("/health")
    def health() -> tuple[Response, int]:
        body, _, status = state()
        return jsonify({**body, "timestamp": now_iso(), "uptime": uptime()}), status

    @api.get("/status")
    def status() -> tuple[Response, int]:
        body, found, answer = state()
        works = {check.name: check.ok for check in found}
        features = {
            **monitored.features,
            "redis": monitored.features["redis"] and works["broker"],
            "ssl": monitored.features["ssl"] or request.is_secure,
            "websocket": True,
            "polling": True,
            "broadcasting": works["broker"],
            "database": works.get("database", False),
            "laravelDatabase": works.get("laravel_database", False),
        }
        return jsonify({**body, "timestamp": now_iso(), "uptime": uptime(), "features": features}), answer

    @api.get("/monitoring/health")
    def monitoring_health() -> tuple[Response, int]:
        body, found, answer = state()
        checks = {check.name: {"ok": check.ok, "detail": check.detail} for check in found}
        return told({**body, "uptime": {"seconds": uptime()}, "checks": checks}, answer)

    @api.get("/monitoring/alerts")
    def alerts() -> tuple[Response, int]:
        found = [
            {
                "type": check.name,
                "level": "critical" if check.essential else "warning",
                "message": check.detail,
            }
            for check in monitored.checks()
            if not check.ok
        ]
        return told({"alerts": found, "total": len(found)})

    @api.get("/monitoring/metrics")
    @api.get("/metrics")
    def metrics() -> tuple[Response, int]:
        more = readers.admitted()
        found = totals()
        data: Body = {
            "connections": {"total": found.connections},
            "users": {"total": found.users},
            "uptime": {"seconds": uptime()},
        }
        if more:
            data["channels"] = {"total": found.channels, "subscriptions": found.subscriptions}
            data["workers"] = {"total": found.workers}
            data["machine"] = asdict(monitored.figures())
        return told(data)

    @api.get("/monitoring/prometheus")
    def prometheus() -> Response:
        readers.check()
        body, content_type = monitored.render()
        return Response(body, content_type=content_type)

    @api.get("/monitoring/performance")
    def performance() -> tuple[Response, int]:
        readers.check()
        workers = [
            {
                "worker": worker.id,
                "slot": worker.slot,
                "pid": worker.pid,
                "host": worker.host,
                "startedAt": iso(worker.started_at),
                "connections": worker.connections,
                "memory": {"rss": worker.memory},
                "draining": worker.draining,
            }
            for worker in monitored.operations.workers()
        ]
        return told({"workers": workers, "machine": asdict(monitored.figures())})

    @api.get("/monitoring/connections")
    def connections() -> tuple[Response, int]:
        readers.check()
        found = totals()
        workers = monitored.operations.workers()
        by_worker = [{"worker": w.id, "host": w.host, "connections": w.connections} for w in workers]
        return told({"total": found.connections, "users": found.users, "workers": by_worker})

    @api.get("/monitoring/info")
    def info() -> tuple[Response, int]:
        readers.check()
        return told(
            {
                "name": "MechaMap real-time",
                "version": __version__,
                "environment": monitored.environment,
                "python": platform.python_version(),
                "platform": platform.platform(),
                "startedAt": iso(started),
                "uptime": {"seconds": uptime()},
            }
        )

    return api


def told(data: Body, status: int = 200) -> tuple[Response, int]:
    """The shape of all answers below ``/api/monitoring``."""
    return jsonify({"success": status < 400, "data": data, "timestamp": now_iso()}), status
