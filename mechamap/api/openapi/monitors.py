"""What the application's monitors read, on the paths of its former server."""

from .parts import AT, Json, answer, content, in_path, operation, ref

KEYS: list[Json] = [{"bearer": []}, {"apiKey": []}, {"websocketApiKey": []}]
OR_NEAR: list[Json] = [*KEYS, {}]
"""A key, or a caller in DRIVER_NETWORKS."""
READ = (401, 403, 429, 503)
USER = in_path("user_id", "The user.", "7")
_STATE: Json = {
    "status": "healthy",
    "environment": "production",
    "version": "0.1.0",
    "ready": True,
    "reasons": [],
}
_MACHINE: Json = {
    "connections": 2,
    "peak": 5,
    "accepted": 9,
    "refused": 1,
    "published": 30,
    "delivered": 60,
    "requests": 44,
    "request_ms": 1.2,
}
_WORKER: Json = {
    "worker": "web-1.4711.0a1b2c3d",
    "slot": 0,
    "pid": 4711,
    "host": "web-1",
    "startedAt": AT,
    "connections": 2,
    "memory": {"rss": 110_000_000},
    "draining": False,
}
_HEALTH: Json = {**_STATE, "timestamp": AT, "uptime": 12.5}
_FEATURES: Json = {"redis": True, "ssl": True, "websocket": True, "polling": True, "broadcasting": True}
_TOTALS: Json = {"connections": {"total": 2}, "users": {"total": 1}, "uptime": {"seconds": 12.5}}
_SEES_MORE: Json = {
    **_TOTALS,
    "channels": {"total": 1, "subscriptions": 2},
    "workers": {"total": 1},
    "machine": _MACHINE,
}


def _told(data: Json) -> Json:
    return {"success": True, "data": data, "timestamp": AT}


def _get(name: str, summary: str, schema: str, *, security: list[Json], **examples: Json) -> Json:
    """A page of monitors; what is open to everybody may be 503 in the same shape."""
    answers = {200: answer("As asked.", ref(schema), **examples)}
    if "Health" in schema or schema == "MonitoredStatus":
        answers[503] = answer("Not well.", ref(schema))
    refusals = [status for status in READ if status not in answers] if security else []
    return {
        "get": operation("monitors", name, summary, answers=answers, refusals=refusals, security=security)
    }


_METRICS = "How many are connected; for keys and near callers also counters of this machine"
_FIGURES = {"everybody": _told(_TOTALS), "keys": _told(_SEES_MORE)}

PATHS: Json = {
    "/api/health": _get("apiHealth", "Whether all is well", "ApiHealth", security=[], one=_HEALTH),
    "/api/status": _get(
        "apiStatus",
        "The same, and what works",
        "MonitoredStatus",
        security=[],
        one={**_HEALTH, "features": _FEATURES},
    ),
    "/api/monitoring/health": _get(
        "monitoringHealth",
        "The same, and every check",
        "MonitoredHealth",
        security=[],
        one=_told({**_STATE, "uptime": {"seconds": 12.5}, "checks": {"broker": {"ok": True, "detail": "…"}}}),
    ),
    "/api/monitoring/alerts": _get(
        "monitoringAlerts",
        "The checks that fail",
        "Alerts",
        security=[],
        one=_told({"alerts": [{"type": "broker", "level": "critical", "message": "…"}], "total": 1}),
    ),
    "/api/monitoring/metrics": _get(
        "monitoringMetrics", _METRICS, "MonitoredMetrics", security=OR_NEAR, **_FIGURES
    ),
    "/api/metrics": _get("apiMetrics", _METRICS, "MonitoredMetrics", security=OR_NEAR, **_FIGURES),
    "/api/monitoring/prometheus": {
        "get": operation(
            "monitors",
            "monitoringPrometheus",
            "What /metrics has",
            answers={
                200: {
                    "description": "Prometheus' text format.",
                    "content": {"text/plain": {"schema": {"type": "string"}}},
                }
            },
            refusals=READ,
            security=OR_NEAR,
        )
    },
    "/api/monitoring/performance": _get(
        "monitoringPerformance",
        "The workers",
        "Performance",
        security=OR_NEAR,
        one=_told({"workers": [_WORKER], "machine": _MACHINE}),
    ),
    "/api/monitoring/connections": _get(
        "monitoringConnections",
        "Connections by worker",
        "ConnectionsByWorker",
        security=OR_NEAR,
        one=_told(
            {
                "total": 2,
                "users": 1,
                "workers": [{"worker": _WORKER["worker"], "host": "web-1", "connections": 2}],
            }
        ),
    ),
    "/api/monitoring/info": _get(
        "monitoringInfo",
        "Versions and platform",
        "Information",
        security=OR_NEAR,
        one=_told(
            {
                "name": "MechaMap real-time",
                "version": "0.1.0",
                "environment": "production",
                "python": "3.11.2",
                "platform": "Linux",
                "startedAt": AT,
                "uptime": {"seconds": 12.5},
            }
        ),
    ),
    "/api/connections/stats": _get(
        "connectionsStats",
        "Totals of the cluster",
        "ConnectionTotals",
        security=OR_NEAR,
        one=_told({"totalConnections": 2, "uniqueUsers": 1, "channels": 1, "subscriptions": 2, "workers": 1}),
    ),
    "/api/connections/user/{user_id}": {
        "get": operation(
            "monitors",
            "connectionsOfUser",
            "A user's connections, up to 100",
            parameters=[USER],
            answers={
                200: answer(
                    "As asked.",
                    ref("UserConnections"),
                    one=_told(
                        {
                            "userId": 7,
                            "connected": True,
                            "connections": [
                                {
                                    "socketId": "0.4711",
                                    "connectedAt": AT,
                                    "transport": "websocket",
                                    "worker": _WORKER["worker"],
                                }
                            ],
                        }
                    ),
                )
            },
            refusals=(*READ, 422),
            security=OR_NEAR,
        )
    },
    "/api/connections/disconnect/{user_id}": {
        "post": operation(
            "monitors",
            "disconnectUser",
            "Close all connections of a user",
            parameters=[USER],
            body=content(ref("Disconnect"), reason={"reason": "Please sign in again."}, none={}),
            answers={
                200: answer(
                    "The order was given.",
                    ref("Disconnected"),
                    one={
                        "success": True,
                        "message": "Disconnect ordered",
                        "userId": 7,
                        "connections": 2,
                        "timestamp": AT,
                    },
                )
            },
            refusals=(400, *READ, 422),
            security=KEYS,
        )
    },
    "/api/connections/clear-all": {
        "post": operation(
            "monitors",
            "clearAll",
            "Refused: ending every connection is for operators",
            answers={},
            refusals=READ,
            security=KEYS,
        )
    },
}
