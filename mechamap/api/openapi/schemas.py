"""The shapes that several calls share."""

from .monitor_schemas import SCHEMAS as MONITORS
from .parts import AT_MOMENT, COUNT, Json, ref, shape

MOST_CHANNELS = 100

_CHANNEL: Json = {"type": "string", "minLength": 1, "maxLength": 200}
_EVENT: Json = {"type": "string", "minLength": 1, "maxLength": 200}
_NAME: Json = {"type": "string", "minLength": 1, "maxLength": 200, "description": "As Idempotency-Key."}
_DATA: Json = {"description": "Any JSON value, at most MAX_BROADCAST_BYTES and 32 levels."}
_NAMED_CHANNEL: Json = {
    "oneOf": [
        _CHANNEL,
        {"type": "object", "required": ["name"], "properties": {"name": _CHANNEL}},
    ]
}


_PLACE: Json = {
    "id": {"type": "string", "description": "The server's own name for the publication."},
    "epoch": {"type": "string"},
    "offset": {"type": "integer", "minimum": 0, "description": "Its place in the order of all events."},
    "duplicate": {"type": "boolean", "description": "It was accepted before, under this name."},
    "channel": _CHANNEL,
    "event": _EVENT,
    "subscriberCount": COUNT,
}

SCHEMAS: Json = {
    "Refusal": {
        **shape(
            ("success", "error", "message", "code"),
            success={"const": False},
            error={"type": "string"},
            message={"type": "string", "description": "One sentence for people."},
            code={"type": "string", "pattern": "^[a-z0-9_]+$", "description": "Stable, for programs."},
            field={"type": "string"},
            size=COUNT,
            limit=COUNT,
            retry={"type": "boolean"},
            retryAfter={"type": "integer", "minimum": 0, "description": "Seconds."},
            outcome={"const": "unknown", "description": "It may have been accepted all the same."},
            accepted={**COUNT, "description": "Entries of an interrupted batch that were published."},
            results={"type": "array", "items": {"type": "object"}},
            incident={"type": "string", "description": "The log has it too."},
        ),
    },
    "Broadcast": {
        **shape(
            ("event", "data"),
            channel=_NAMED_CHANNEL,
            channels={"type": "array", "minItems": 1, "maxItems": MOST_CHANNELS, "items": _NAMED_CHANNEL},
            event=_EVENT,
            data=_DATA,
            timestamp=AT_MOMENT,
            id=_NAME,
        ),
        "oneOf": [{"required": ["channel"]}, {"required": ["channels"]}],
    },
    "ServiceBroadcast": {
        **shape(
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
    "Batch": shape(
        "all",
        broadcasts={"type": "array", "minItems": 1, "maxItems": 100, "items": ref("AnyBroadcast")},
    ),
    "ChannelCount": shape("all", channel=_CHANNEL, subscriberCount=COUNT),
    "Published": {
        **shape(
            tuple(_PLACE),
            **_PLACE,
            channels={"type": "array", "items": ref("ChannelCount")},
            withheld={"type": "array", "items": _CHANNEL},
        ),
    },
    "Accepted": {
        "allOf": [
            ref("Published"),
            shape(
                ("success", "message", "timestamp"),
                success={"const": True},
                message={"type": "string"},
                timestamp=AT_MOMENT,
            ),
        ]
    },
    "BatchAccepted": shape(
        "all",
        success={"const": True},
        message={"type": "string"},
        results={"type": "array", "items": ref("Published")},
        timestamp=AT_MOMENT,
    ),
    "DriverEvent": shape(
        ("channels", "event"),
        channels={"type": "array", "minItems": 1, "maxItems": 1000, "items": _NAMED_CHANNEL},
        event=_EVENT,
        data=_DATA,
        timestamp={"type": "string"},
        socket={"type": ["string", "null"], "description": "A connection that does not get it."},
    ),
    "GroupOrder": shape(
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
            shape(
                "all",
                channelCount=COUNT,
                totalSubscribers=COUNT,
                results={
                    "type": "array",
                    "items": shape(
                        ("channel", "subscriberCount", "status"),
                        channel={"type": "string"},
                        subscriberCount=COUNT,
                        status={"enum": ["accepted", "rejected", "withheld"]},
                        code={"type": "string"},
                        message={"type": "string"},
                    ),
                },
            ),
        ]
    },
    "OrderAccepted": shape(
        "all",
        success={"const": True},
        message={"type": "string"},
        action={"enum": ["join_channel", "leave_channel"]},
        channel=_CHANNEL,
        userId={"type": "integer"},
        connections=COUNT,
        timestamp=AT_MOMENT,
    ),
    "Notify": shape(
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
    "UserEvent": shape(("event", "data"), event=_EVENT, data=_DATA, id=_NAME),
    "UserAccepted": {"allOf": [ref("Accepted"), shape("all", userId={"type": "integer"})]},
    "Audience": shape(
        ("success", "channel", "subscriberCount", "userCount", "timestamp"),
        success={"const": True},
        channel=_CHANNEL,
        subscriberCount=COUNT,
        userCount={"type": ["integer", "null"], "minimum": 0},
        subscribers={"type": ["array", "null"], "maxItems": 1000, "items": {"type": "string"}},
        timestamp=AT_MOMENT,
    ),
    "ChannelStatistics": shape(
        "all",
        success={"const": True},
        stats=shape(
            ("totalChannels", "totalSubscriptions", "channels"),
            totalChannels=COUNT,
            totalSubscriptions=COUNT,
            channels={"type": "array", "maxItems": 1000, "items": ref("ChannelCount")},
            connections=COUNT,
            users=COUNT,
            workers=COUNT,
        ),
        timestamp=AT_MOMENT,
    ),
    "History": shape(
        "all",
        success={"const": True},
        channel=_CHANNEL,
        events={
            "type": "array",
            "maxItems": 500,
            "items": shape(
                "all",
                id={"type": "string"},
                event=_EVENT,
                data=_DATA,
                offset={"type": "integer", "minimum": 0},
                at=AT_MOMENT,
            ),
        },
        epoch={"type": "string"},
        position={"type": "integer", "minimum": 0},
        complete={"type": "boolean"},
        reason={"type": ["string", "null"]},
    ),
    "Members": shape(
        "all",
        success={"const": True},
        channel=_CHANNEL,
        members={
            "type": "array",
            "maxItems": 1000,
            "items": shape(
                "all",
                user_id={"type": "integer"},
                user_info=shape("all", id={"type": "integer"}, name={"type": ["string", "null"]}),
            ),
        },
        total=COUNT,
        after={"type": ["integer", "null"]},
        timestamp=AT_MOMENT,
    ),
    "PusherEvent": {
        **shape(
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
    "PusherBatch": shape(
        "all", batch={"type": "array", "minItems": 1, "maxItems": 10, "items": ref("PusherEvent")}
    ),
    "PusherCounts": {
        "type": "object",
        "properties": {"subscription_count": COUNT, "user_count": COUNT},
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
    "PusherChannels": shape(
        "all", channels={"type": "object", "additionalProperties": ref("PusherCounts")}
    ),
    "PusherChannel": shape(
        ("occupied",), occupied={"type": "boolean"}, subscription_count=COUNT, user_count=COUNT
    ),
    "PusherUsers": shape(
        "all", users={"type": "array", "items": shape("all", id={"type": "string"})}
    ),
    "Alive": shape(
        "all", status={"const": "ok"}, version={"type": "string"}, uptime={"type": "number", "minimum": 0}
    ),
    "Ready": shape(
        "all",
        status={"enum": ["ready", "degraded", "unavailable"]},
        ready={"type": "boolean"},
        reasons={"type": "array", "items": {"type": "string"}},
        checks={
            "type": "object",
            "additionalProperties": shape("all", ok={"type": "boolean"}, detail={"type": "string"}),
        },
    ),
    **MONITORS,
}  # fmt: skip
