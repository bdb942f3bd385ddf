"""The paths on which the application's own PHP publishes."""

from .parts import IDEMPOTENCY, Json, answer, content, in_path, operation, ref
from .publishing import ACCEPTED, AT, EVENT, PLACE, REFUSALS, batch

_DRIVEN: Json = {
    **ACCEPTED,
    "channelCount": 1,
    "totalSubscribers": 2,
    "results": [
        {"channel": "private-user.7", "subscriberCount": 2, "status": "accepted"},
        {"channel": "no.such", "subscriberCount": 0, "status": "rejected", "code": "channel_unknown"},
    ],
}
_ORDERED: Json = {
    "success": True,
    "message": "Order accepted",
    "action": "join_channel",
    "channel": "group.4",
    "userId": 7,
    "connections": 2,
    "timestamp": AT,
}

PATHS: Json = {
    "/api/broadcast/multi": {"post": batch("application", "broadcastMulti", "Publish up to 100 events")},
    "/api/broadcast/user/{user_id}": {
        "post": operation(
            "application",
            "broadcastToUser",
            "Publish to one user",
            parameters=[in_path("user_id", "The user.", "7"), IDEMPOTENCY],
            body=content(ref("UserEvent"), one={"event": "notification", "data": {"id": 5}}),
            answers={200: answer("Accepted.", ref("UserAccepted"), one={**ACCEPTED, "userId": 7})},
            refusals=REFUSALS,
        )
    },
    "/api/laravel-broadcast": {
        "post": operation(
            "application",
            "laravelBroadcast",
            "What the broadcast driver and the group service send",
            description="The driver's own events need no key from DRIVER_NETWORKS, directly.",
            parameters=[IDEMPOTENCY],
            body=content(
                {"anyOf": [ref("DriverEvent"), ref("GroupOrder")]},
                driver={
                    "channels": [{"name": "private-user.7"}, "no.such"],
                    "event": "notification.sent",
                    "data": {"id": 5, "socket": None},
                },
                join={"action": "join_channel", "channel": "group.4", "user_id": 7},
                group={"action": "broadcast_to_channel", **EVENT},
            ),
            answers={
                200: answer(
                    "Accepted: an event of the driver, an order, or an event of the group service.",
                    {"anyOf": [ref("DriverAccepted"), ref("OrderAccepted"), ref("Accepted")]},
                    driver=_DRIVEN,
                    join=_ORDERED,
                    group=ACCEPTED,
                )
            },
            refusals=REFUSALS,
            security=[{"bearer": []}, {"apiKey": []}, {"websocketApiKey": []}, {}],
        )
    },
    "/api/notify": {
        "post": operation(
            "application",
            "notify",
            "What the notification service sends",
            parameters=[IDEMPOTENCY],
            body=content(
                ref("Notify"),
                user={"action": "send_to_user", "user_id": 7, "data": {"type": "new_message", "id": 5}},
                channel={
                    "action": "broadcast_to_channel",
                    "channel": "forum.3",
                    "data": {"type": "thread.created"},
                },
            ),
            answers={
                200: answer(
                    "Accepted; `results` where it goes out under two names.",
                    ref("NotifyAccepted"),
                    user={**ACCEPTED, "message": "Notification accepted", "results": [PLACE, PLACE]},
                )
            },
            refusals=REFUSALS,
        )
    },
}
