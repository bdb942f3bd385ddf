"""The shapes of what the application's monitors read."""

from .parts import AT_MOMENT, COUNT, Json, shape

_TEXT: Json = {"type": "string"}
_FLAG: Json = {"type": "boolean"}
_UPTIME: Json = shape("all", seconds={"type": "number", "minimum": 0})
_STATE: Json = {
    "status": {"enum": ["healthy", "degraded", "unhealthy"]},
    "environment": _TEXT,
    "version": _TEXT,
    "ready": _FLAG,
    "reasons": {"type": "array", "items": _TEXT},
}
_MACHINE: Json = shape(
    "all",
    connections=COUNT,
    peak=COUNT,
    accepted=COUNT,
    refused=COUNT,
    published=COUNT,
    delivered=COUNT,
    requests=COUNT,
    request_ms={"type": "number", "minimum": 0},
)


def _told(data: Json) -> Json:
    return shape("all", success=_FLAG, data=data, timestamp=AT_MOMENT)


SCHEMAS: Json = {
    "ApiHealth": shape("all", **_STATE, timestamp=AT_MOMENT, uptime={"type": "number", "minimum": 0}),
    "MonitoredStatus": shape(
        "all",
        **_STATE,
        timestamp=AT_MOMENT,
        uptime={"type": "number", "minimum": 0},
        features={"type": "object", "additionalProperties": _FLAG},
    ),
    "MonitoredHealth": _told(
        shape(
            "all",
            **_STATE,
            uptime=_UPTIME,
            checks={"type": "object", "additionalProperties": shape("all", ok=_FLAG, detail=_TEXT)},
        )
    ),
    "Alerts": _told(
        shape(
            "all",
            alerts={
                "type": "array",
                "items": shape(
                    "all", type=_TEXT, level={"enum": ["critical", "warning"]}, message=_TEXT
                ),
            },
            total=COUNT,
        )
    ),
    "MonitoredMetrics": _told(
        shape(
            ("connections", "users", "uptime"),
            connections=shape("all", total=COUNT),
            users=shape("all", total=COUNT),
            uptime=_UPTIME,
            channels=shape("all", total=COUNT, subscriptions=COUNT),
            workers=shape("all", total=COUNT),
            machine=_MACHINE,
        )
    ),
    "Performance": _told(
        shape(
            "all",
            workers={
                "type": "array",
                "items": shape(
                    "all",
                    worker=_TEXT,
                    slot=COUNT,
                    pid=COUNT,
                    host=_TEXT,
                    startedAt=AT_MOMENT,
                    connections=COUNT,
                    memory=shape("all", rss=COUNT),
                    draining=_FLAG,
                ),
            },
            machine=_MACHINE,
        )
    ),
    "ConnectionsByWorker": _told(
        shape(
            "all",
            total=COUNT,
            users=COUNT,
            workers={"type": "array", "items": shape("all", worker=_TEXT, host=_TEXT, connections=COUNT)},
        )
    ),
    "Information": _told(
        shape(
            "all",
            name=_TEXT,
            version=_TEXT,
            environment=_TEXT,
            python=_TEXT,
            platform=_TEXT,
            startedAt=AT_MOMENT,
            uptime=_UPTIME,
        )
    ),
    "ConnectionTotals": _told(
        shape(
            "all",
            totalConnections=COUNT,
            uniqueUsers=COUNT,
            channels=COUNT,
            subscriptions=COUNT,
            workers=COUNT,
        )
    ),
    "UserConnections": _told(
        shape(
            "all",
            userId={"type": "integer"},
            connected=_FLAG,
            connections={
                "type": "array",
                "maxItems": 100,
                "items": shape(
                    "all", socketId=_TEXT, connectedAt=AT_MOMENT, transport=_TEXT, worker=_TEXT
                ),
            },
        )
    ),
    "Disconnect": shape((), reason={"type": "string", "minLength": 1, "maxLength": 200}),
    "Disconnected": shape(
        "all",
        success={"const": True},
        message=_TEXT,
        userId={"type": "integer"},
        connections=COUNT,
        timestamp=AT_MOMENT,
    ),
}  # fmt: skip
