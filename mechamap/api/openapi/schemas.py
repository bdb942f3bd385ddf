"""The shapes that several calls share."""

from .parts import Json, ref

MOST_CHANNELS = 100

_CHANNEL: Json = {"type": "string", "minLength": 1, "maxLength": 200}
_EVENT: Json = {"type": "string", "minLength": 1, "maxLength": 200}
_COUNT: Json = {"type": "integer", "minimum": 0}
_MOMENT: Json = {"type": "string", "format": "date-time"}
_NAME: Json = {"type": "string", "minLength": 1, "maxLength": 200, "description": "As Idempotency-Key."}
_DATA: Json = {"description": "Any JSON value, at most MAX_BROADCAST_BYTES and 32 levels."}
_NAMED_CHANNEL: Json = {
    "oneOf": [
        _CHANNEL,
        {"type": "object", "required": ["name"], "properties": {"name": _CHANNEL}},
    ]
}


def _shape(required: tuple[str, ...] | str, /, **properties: Json) -> Json:
    names = list(properties) if required == "all" else list(required)
    return {"type": "object", "required": names, "properties": properties}


_PLACE: Json = {
    "id": {"type": "string", "description": "The server's own name for the publication."},
    "epoch": {"type": "string"},
    "offset": {"type": "integer", "minimum": 0, "description": "Its place in the order of all events."},
    "duplicate": {"type": "boolean", "description": "It was accepted before, under this name."},
    "channel": _CHANNEL,
    "event": _EVENT,
    "subscriberCount": _COUNT,
}

SCHEMAS: Json = {
    "Refusal": {
        **_shape(
            ("success", "error", "message", "code"),
            success={"const": False},
            error={"type": "string"},
            message={"type": "string", "description": "One sentence for people."},
            code={"type": "string", "pattern": "^[a-z0-9_]+$", "description": "Stable, for programs."},
            field={"type": "string"},
            size=_COUNT,
            limit=_COUNT,
            retry={"type": "boolean"},
            retryAfter={"type": "integer", "minimum": 0, "description": "Seconds."},
            outcome={"const": "unknown", "description": "It may have been accepted all the same."},
            accepted={**_COUNT, "description": "Entries of an interrupted batch that were published."},
            results={"type": "array", "items": {"type": "object"}},
            incident={"type": "string", "description": "The log has it too."},
        ),
    },
    "Broadcast": {
        **_shape(
            ("event", "data"),
            channel=_NAMED_CHANNEL,
            channels={"type": "array", "minItems": 1, "maxItems": MOST_CHANNELS, "items": _NAMED_CHANNEL},
            event=_EVENT,
            data=_DATA,
            timestamp=_MOMENT,
            id=_NAME,
        ),
        "oneOf": [{"required": ["channel"]}, {"required": ["channels"]}],
    },
    "ServiceBroadcast": {
        **_shape(
            ("event", "data"),
            event=_EVENT,
            user_id={"type": ["integer", "string"]},
            thread_id={"type": ["integer", "string"]},
            to={"enum": ["user", "thread"]},
            channel=_CHANNEL,
            data=_DATA,
            metadata={"type": "object"},
            id=_NAME,
        ),
        "anyOf": [{"required": ["user_id"]}, {"required": ["thread_id"]}],
        "description": "As NotificationService and the real-time service send it.",
    },
    "AnyBroadcast": {"anyOf": [ref("Broadcast"), ref("ServiceBroadcast")]},
    "Batch": _shape(
        "all",
        broadcasts={"type": "array", "minItems": 1, "maxItems": 100, "items": ref("AnyBroadcast")},
    ),
    "ChannelCount": _shape("all", channel=_CHANNEL, subscriberCount=_COUNT),
    "Published": {
        **_shape(
            tuple(_PLACE),
            **_PLACE,
            channels={"type": "array", "items": ref("ChannelCount")},
            withheld={"type": "array", "items": _CHANNEL},
        ),
    },
    "Accepted": {
        "allOf": [
            ref("Published"),
            _shape(
                ("success", "message", "timestamp"),
                success={"const": True},
                message={"type": "string"},
                timestamp=_MOMENT,
            ),
        ]
    },
    "BatchAccepted": _shape(
        "all",
        success={"const": True},
        message={"type": "string"},
        results={"type": "array", "items": ref("Published")},
        timestamp=_MOMENT,
    ),
    "DriverEvent": _shape(
        ("channels", "event"),
        channels={"type": "array", "minItems": 1, "maxItems": 1000, "items": _NAMED_CHANNEL},
        event=_EVENT,
        data=_DATA,
        timestamp={"type": "string"},
        socket={"type": ["string", "null"], "description": "A connection that does not get it."},
    ),
    "GroupOrder": _shape(
        ("action",),
        action={"enum": ["broadcast_to_channel", "send_to_user", "join_channel", "leave_channel"]},
        channel=_CHANNEL,
        user_id={"type": ["integer", "string"]},
        event=_EVENT,
        data=_DATA,
    ),
    "DriverAccepted": {
        "allOf": [
            ref("Accepted"),
            _shape(
                "all",
                channelCount=_COUNT,
                totalSubscribers=_COUNT,
                results={
                    "type": "array",
                    "items": _shape(
                        ("channel", "subscriberCount", "status"),
                        channel={"type": "string"},
                        subscriberCount=_COUNT,
                        status={"enum": ["accepted", "rejected", "withheld"]},
                        code={"type": "string"},
                        message={"type": "string"},
                    ),
                },
            ),
        ]
    },
    "OrderAccepted": _shape(
        "all",
        success={"const": True},
        message={"type": "string"},
        action={"enum": ["join_channel", "leave_channel"]},
        channel=_CHANNEL,
        userId={"type": "integer"},
        connections=_COUNT,
        timestamp=_MOMENT,
    ),
    "Notify": _shape(
        ("action", "data"),
        action={"enum": ["broadcast_to_channel", "send_to_user"]},
        channel=_CHANNEL,
        user_id={"type": ["integer", "string"]},
        data={"type": "object", "properties": {"type": _EVENT}},
    ),
    "NotifyAccepted": {
        "allOf": [
            ref("Accepted"),
            {"type": "object", "properties": {"results": {"type": "array", "items": ref("Published")}}},
        ]
    },
    "UserEvent": _shape(("event", "data"), event=_EVENT, data=_DATA, id=_NAME),
    "UserAccepted": {"allOf": [ref("Accepted"), _shape("all", userId={"type": "integer"})]},
    "Audience": _shape(
        ("success", "channel", "subscriberCount", "userCount", "timestamp"),
        success={"const": True},
        channel=_CHANNEL,
        subscriberCount=_COUNT,
        userCount={"type": ["integer", "null"], "minimum": 0},
        subscribers={"type": ["array", "null"], "maxItems": 1000, "items": {"type": "string"}},
        timestamp=_MOMENT,
    ),
    "ChannelStatistics": _shape(
        "all",
        success={"const": True},
        stats=_shape(
            ("totalChannels", "totalSubscriptions", "channels"),
            totalChannels=_COUNT,
            totalSubscriptions=_COUNT,
            channels={"type": "array", "maxItems": 1000, "items": ref("ChannelCount")},
            connections=_COUNT,
            users=_COUNT,
            workers=_COUNT,
        ),
        timestamp=_MOMENT,
    ),
    "History": _shape(
        "all",
        success={"const": True},
        channel=_CHANNEL,
        events={
            "type": "array",
            "maxItems": 500,
            "items": _shape(
                "all",
                id={"type": "string"},
                event=_EVENT,
                data=_DATA,
                offset={"type": "integer", "minimum": 0},
                at=_MOMENT,
            ),
        },
        epoch={"type": "string"},
        position={"type": "integer", "minimum": 0},
        complete={"type": "boolean"},
        reason={"type": ["string", "null"]},
    ),
    "Members": _shape(
        "all",
        success={"const": True},
        channel=_CHANNEL,
        members={
            "type": "array",
            "maxItems": 1000,
            "items": _shape(
                "all",
                user_id={"type": "integer"},
                user_info=_shape("all", id={"type": "integer"}, name={"type": ["string", "null"]}),
            ),
        },
        total=_COUNT,
        after={"type": ["integer", "null"]},
        timestamp=_MOMENT,
    ),
    "PusherEvent": {
        **_shape(
            ("name", "data"),
            name=_EVENT,
            data={"type": "string", "description": "If it is JSON, browsers get what it is the JSON of."},
            channel=_CHANNEL,
            channels={"type": "array", "minItems": 1, "maxItems": MOST_CHANNELS, "items": _CHANNEL},
            socket_id={"type": "string"},
            info={"type": "string"},
        ),
        "anyOf": [{"required": ["channel"]}, {"required": ["channels"]}],
    },
    "PusherBatch": _shape(
        "all", batch={"type": "array", "minItems": 1, "maxItems": 10, "items": ref("PusherEvent")}
    ),
    "PusherCounts": {
        "type": "object",
        "properties": {"subscription_count": _COUNT, "user_count": _COUNT},
    },
    "PusherPublished": {
        "type": "object",
        "properties": {
            "channels": {"type": "object", "additionalProperties": ref("PusherCounts")},
            "message": {"const": "ok", "description": "To a legacy app."},
        },
    },
    "PusherBatchPublished": {
        "type": "object",
        "properties": {"batch": {"type": "array", "items": ref("PusherCounts")}},
    },
    "PusherChannels": _shape(
        "all", channels={"type": "object", "additionalProperties": ref("PusherCounts")}
    ),
    "PusherChannel": _shape(
        ("occupied",), occupied={"type": "boolean"}, subscription_count=_COUNT, user_count=_COUNT
    ),
    "PusherUsers": _shape(
        "all", users={"type": "array", "items": _shape("all", id={"type": "string"})}
    ),
    "Alive": _shape(
        "all", status={"const": "ok"}, version={"type": "string"}, uptime={"type": "number", "minimum": 0}
    ),
    "Ready": _shape(
        "all",
        status={"enum": ["ready", "degraded", "unavailable"]},
        ready={"type": "boolean"},
        reasons={"type": "array", "items": {"type": "string"}},
        checks={
            "type": "object",
            "additionalProperties": _shape("all", ok={"type": "boolean"}, detail={"type": "string"}),
        },
    ),
}  # fmt: skip
