"""The shapes of Pusher's HTTP API."""

from mechamap.domain.wire import MAX_CHANNELS

from .parts import CHANNEL_NAME, COUNT, EVENT_NAME, Json, ref, shape

SCHEMAS: Json = {
    "PusherEvent": {
        **shape(
            ("name", "data"),
            name=EVENT_NAME,
            data={"type": "string", "description": "If it is JSON, browsers get what it is the JSON of."},
            channel=CHANNEL_NAME,
            channels={"type": "array", "minItems": 1, "maxItems": MAX_CHANNELS, "items": CHANNEL_NAME},
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
}  # fmt: skip
