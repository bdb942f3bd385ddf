"""What may be read of channels: who listens, who is a member, what there was."""

from .parts import AT, CHANNEL, EPOCH, ID, KEY_REFUSALS, Json, answer, in_query, operation, ref, whole

REFUSALS = (*KEY_REFUSALS, 422)
_COUNTS: Json = {
    "success": True,
    "channel": "private-user.7",
    "subscriberCount": 2,
    "userCount": 1,
    "timestamp": AT,
}
_MEMBER: Json = {"user_id": 7, "user_info": {"id": 7, "name": "Hà"}}


def _of_channel(
    name: str, summary: str, description: str, *, schema: str, example: Json, **more: Json
) -> Json:
    asked = [CHANNEL, *more.values()]
    return {
        "get": operation(
            "channels",
            name,
            summary,
            description=description,
            parameters=asked,
            answers={200: answer("As asked.", ref(schema), one=example)},
            refusals=REFUSALS,
        )
    }


PATHS: Json = {
    "/api/channel-stats/{channel}": _of_channel(
        "channelStats", "How many listen to a channel", "", schema="Audience", example=_COUNTS
    ),
    "/api/channels/{channel}": _of_channel(
        "channel",
        "Who listens to a channel",
        "Up to 1,000 Socket.IO ids.",
        schema="Audience",
        example={**_COUNTS, "subscribers": ["0.4711"]},
    ),
    "/api/channels/stats": {
        "get": operation(
            "channels",
            "channelsStats",
            "The channels in the key's scope, busiest first",
            description="Connections, users and workers only for a key without scopes.",
            answers={
                200: answer(
                    "As asked.",
                    ref("ChannelStatistics"),
                    one={
                        "success": True,
                        "stats": {
                            "totalChannels": 1,
                            "totalSubscriptions": 2,
                            "channels": [{"channel": "private-user.7", "subscriberCount": 2}],
                            "connections": 2,
                            "users": 1,
                            "workers": 1,
                        },
                        "timestamp": AT,
                    },
                )
            },
            refusals=KEY_REFUSALS,
        )
    },
    "/api/channels/{channel}/history": _of_channel(
        "channelHistory",
        "What a channel's log holds",
        "The first events after a position, or the newest. `complete: false` says that some are missing.",
        schema="History",
        example={
            "success": True,
            "channel": "private-user.7",
            "events": [{"id": ID, "event": "notification.sent", "data": {"id": 5}, "offset": 1042, "at": AT}],
            "epoch": EPOCH,
            "position": 1042,
            "complete": True,
            "reason": None,
        },
        epoch=in_query("epoch", "Of the position; goes with `offset`.", {"type": "string", "maxLength": 64}),
        offset=in_query("offset", "Of the position.", whole(0, 10**15 - 1)),
        limit=in_query("limit", "Events at most.", whole(1, 500, 100)),
    ),
    "/api/channels/{channel}/members": _of_channel(
        "channelMembers",
        "Who is in a presence channel, by ascending id",
        "Ask on with `after` until it is null.",
        schema="Members",
        example={
            "success": True,
            "channel": "presence-thread.5",
            "members": [_MEMBER],
            "total": 1,
            "after": None,
            "timestamp": AT,
        },
        after=in_query("after", "Go on behind the user with this id.", whole(0, 2**63 - 1, 0)),
        limit=in_query("limit", "Members at most.", whole(1, 1000, 100)),
    ),
}
