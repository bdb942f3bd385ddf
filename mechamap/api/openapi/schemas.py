"""The shapes of all areas; here those of refusals, of what is published, and of what is answered to that."""

from mechamap.domain.wire import MAX_BATCH, MAX_CHANNELS, MOST_CHANNELS

from .channel_schemas import SCHEMAS as CHANNELS
from .monitor_schemas import SCHEMAS as MONITORS
from .parts import AT_MOMENT, CHANNEL_NAME, COUNT, DATA, EVENT_NAME, Json, ref, shape
from .pusher_schemas import SCHEMAS as PUSHER

_NAME: Json = {"type": "string", "minLength": 1, "maxLength": 200, "description": "As Idempotency-Key."}
_NAMED_CHANNEL: Json = {
    "oneOf": [
        CHANNEL_NAME,
        {"type": "object", "required": ["name"], "properties": {"name": CHANNEL_NAME}},
    ]
}
_PLACE: Json = {
    "id": {"type": "string", "description": "The server's own name for the publication."},
    "epoch": {"type": "string"},
    "offset": {"type": "integer", "minimum": 0, "description": "Its place in the order of all events."},
    "duplicate": {"type": "boolean", "description": "It was accepted before, under this name."},
    "channel": CHANNEL_NAME,
    "event": EVENT_NAME,
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
            channels={"type": "array", "minItems": 1, "maxItems": MAX_CHANNELS, "items": _NAMED_CHANNEL},
            event=EVENT_NAME,
            data=DATA,
            timestamp=AT_MOMENT,
            id=_NAME,
        ),
        "oneOf": [{"required": ["channel"]}, {"required": ["channels"]}],
    },
    "ServiceBroadcast": {
        **shape(
            ("event", "data"),
            event=EVENT_NAME,
            user_id={"type": ["integer", "string"]},
            thread_id={"type": ["integer", "string"]},
            to={"enum": ["user", "thread"]},
            channel=CHANNEL_NAME,
            data=DATA,
            metadata={"type": "object"},
            id=_NAME,
        ),
        "anyOf": [{"required": ["user_id"]}, {"required": ["thread_id"]}],
        "description": "As NotificationService and the real-time service send it.",
    },
    "AnyBroadcast": {"anyOf": [ref("Broadcast"), ref("ServiceBroadcast")]},
    "Batch": shape(
        "all",
        broadcasts={"type": "array", "minItems": 1, "maxItems": MAX_BATCH, "items": ref("AnyBroadcast")},
    ),
    "ChannelCount": shape("all", channel=CHANNEL_NAME, subscriberCount=COUNT),
    "Published": {
        **shape(
            tuple(_PLACE),
            **_PLACE,
            channels={"type": "array", "items": ref("ChannelCount")},
            withheld={"type": "array", "items": CHANNEL_NAME},
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
        channels={"type": "array", "minItems": 1, "maxItems": MOST_CHANNELS, "items": _NAMED_CHANNEL},
        event=EVENT_NAME,
        data=DATA,
        timestamp={"type": "string"},
        socket={"type": ["string", "null"], "description": "A connection that does not get it."},
    ),
    "GroupOrder": shape(
        ("action",),
        action={"enum": ["broadcast_to_channel", "send_to_user", "join_channel", "leave_channel"]},
        channel=CHANNEL_NAME,
        user_id={"type": ["integer", "string"]},
        event=EVENT_NAME,
        data=DATA,
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
        channel=CHANNEL_NAME,
        userId={"type": "integer"},
        connections=COUNT,
        timestamp=AT_MOMENT,
    ),
    "Notify": shape(
        ("action", "data"),
        action={"enum": ["broadcast_to_channel", "send_to_user"]},
        channel=CHANNEL_NAME,
        user_id={"type": ["integer", "string"]},
        data={"type": "object", "properties": {"type": EVENT_NAME}},
    ),
    "NotifyAccepted": {
        "allOf": [
            ref("Accepted"),
            {"type": "object", "properties": {"results": {"type": "array", "items": ref("Published")}}},
        ]
    },
    "UserEvent": shape(("event", "data"), event=EVENT_NAME, data=DATA, id=_NAME),
    "UserAccepted": {"allOf": [ref("Accepted"), shape("all", userId={"type": "integer"})]},
    **CHANNELS,
    **PUSHER,
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
