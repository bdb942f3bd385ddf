"""The shapes of what a channel has: listeners, members, events."""

from .parts import AT_MOMENT, CHANNEL_NAME, COUNT, DATA, EVENT_NAME, Json, ref, shape

SCHEMAS: Json = {
    "Audience": shape(
        ("success", "channel", "subscriberCount", "userCount", "timestamp"),
        success={"const": True},
        channel=CHANNEL_NAME,
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
        channel=CHANNEL_NAME,
        events={
            "type": "array",
            "maxItems": 500,
            "items": shape(
                "all",
                id={"type": "string"},
                event=EVENT_NAME,
                data=DATA,
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
        channel=CHANNEL_NAME,
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
}  # fmt: skip
