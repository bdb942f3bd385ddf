"""Pusher's HTTP API. With ``PUSHER_PATH`` it is also under that path."""

from .parts import CHANNEL, IDEMPOTENCY, Json, answer, content, in_path, in_query, operation, ref

REFUSALS = (400, 401, 403, 404, 429, 503)
SIGNED: list[Json] = [{"pusherSignature": []}]
APP = in_path("app_id", "The app's id.", "1001")
USER = in_path("user_id", "The user.", "7")
INFO = in_query("info", "`subscription_count`, `user_count`, with a comma between.", {"type": "string"})
EVENT: Json = {"name": "news", "data": '{"id": 5}', "channel": "public.news", "info": "subscription_count"}
PRESENCE = {**CHANNEL, "example": "presence-thread.5"}


def _call(name: str, summary: str, **more: object) -> Json:
    return operation("pusher", name, summary, **{"security": SIGNED, "refusals": REFUSALS, **more})


_TERMINATE = "Close a user's connections on all workers"
_NOTHING = answer("The order was given.", {"type": "object"}, nothing={})

PATHS: Json = {
    "/apps/{app_id}/events": {
        "post": _call(
            "pusherEvents",
            "Publish one event",
            parameters=[APP, IDEMPOTENCY],
            body=content(ref("PusherEvent"), one=EVENT),
            answers={
                200: answer(
                    "Accepted.",
                    ref("PusherPublished"),
                    nothing={},
                    info={"channels": {"public.news": {"subscription_count": 2}}},
                    legacy={"message": "ok"},
                )
            },
            refusals=(*REFUSALS, 409, 413),
            security=[*SIGNED, {"legacySecret": []}],
        )
    },
    "/apps/{app_id}/batch_events": {
        "post": _call(
            "pusherBatchEvents",
            "Publish up to ten events",
            parameters=[APP, IDEMPOTENCY],
            body=content(ref("PusherBatch"), one={"batch": [EVENT]}),
            answers={
                200: answer(
                    "All were accepted, in their order.",
                    ref("PusherBatchPublished"),
                    nothing={},
                    info={"batch": [{"subscription_count": 2}, {}]},
                )
            },
            refusals=(*REFUSALS, 409, 413),
        )
    },
    "/apps/{app_id}/channels": {
        "get": _call(
            "pusherChannels",
            "Channels with subscribers, on all workers",
            parameters=[APP, in_query("filter_by_prefix", "How names begin.", {"type": "string"}), INFO],
            answers={
                200: answer(
                    "As asked.",
                    ref("PusherChannels"),
                    one={"channels": {"public.news": {"subscription_count": 2}}},
                )
            },
        )
    },
    "/apps/{app_id}/channels/{channel}": {
        "get": _call(
            "pusherChannel",
            "One channel",
            parameters=[APP, CHANNEL, INFO],
            answers={
                200: answer(
                    "As asked.", ref("PusherChannel"), one={"occupied": True, "subscription_count": 2}
                )
            },
        )
    },
    "/apps/{app_id}/channels/{channel}/users": {
        "get": _call(
            "pusherUsers",
            "Who is in a presence channel",
            parameters=[APP, PRESENCE],
            answers={200: answer("By ascending id.", ref("PusherUsers"), one={"users": [{"id": "7"}]})},
        )
    },
    "/apps/{app_id}/users/{user_id}/terminate_connections": {
        "post": _call("pusherTerminate", _TERMINATE, parameters=[APP, USER], answers={200: _NOTHING})
    },
    "/users/{user_id}/terminate_connections": {
        "post": _call(
            "pusherTerminateByKey",
            _TERMINATE,
            description="As pusher-http-python 3.3 calls it; the app is told by `auth_key`.",
            parameters=[USER],
            answers={200: _NOTHING},
        )
    },
}
