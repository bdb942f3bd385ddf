"""``/api/broadcast`` and ``/api/broadcast/batch``."""

from .parts import AT, EPOCH, ID, IDEMPOTENCY, KEY_REFUSALS, Json, answer, content, operation, ref

REFUSALS = (400, *KEY_REFUSALS, 409, 413, 422)
EVENT: Json = {"channel": "private-user.7", "event": "notification.sent", "data": {"id": 5}}
PLACE: Json = {
    "id": ID,
    "epoch": EPOCH,
    "offset": 1042,
    "duplicate": False,
    "channel": "private-user.7",
    "event": "notification.sent",
    "subscriberCount": 2,
}
ACCEPTED: Json = {"success": True, "message": "Broadcast accepted", **PLACE, "timestamp": AT}
BATCH: Json = {"broadcasts": [EVENT, {"channels": ["public.news", "forum.3"], "event": "news", "data": None}]}
BATCH_ACCEPTED: Json = {
    "success": True,
    "message": "Broadcasts accepted",
    "results": [PLACE],
    "timestamp": AT,
}


def batch(tag: str, name: str, summary: str) -> Json:
    """A call that takes many."""
    return operation(
        tag,
        name,
        summary,
        description="All entries are checked before the first is published; a refusal names the entry. A 503 "
        "with `accepted` says how many from the beginning were published.",
        parameters=[IDEMPOTENCY],
        body=content(ref("Batch"), two=BATCH),
        answers={200: answer("All were accepted, in their order.", ref("BatchAccepted"), one=BATCH_ACCEPTED)},
        refusals=REFUSALS,
    )


PATHS: Json = {
    "/api/broadcast": {
        "post": operation(
            "publishing",
            "broadcast",
            "Publish one event",
            description="200 says that it was accepted, has its place in the order, and was handed to every "
            "worker. Three bodies are told apart by their fields.",
            parameters=[IDEMPOTENCY],
            body=content(
                ref("AnyBroadcast"),
                plan={**EVENT, "timestamp": AT},
                several={"channels": ["public.news", {"name": "forum.3"}], "event": "news", "data": [1, 2]},
                notification={
                    "event": "notification",
                    "user_id": 7,
                    "channel": "user.7",
                    "data": {"id": 5},
                    "metadata": {"unread_count": 3},
                },
                thread={"event": "comment.created", "to": "thread", "thread_id": 12, "data": {"id": 9}},
            ),
            answers={200: answer("Accepted.", ref("Accepted"), one=ACCEPTED)},
            refusals=REFUSALS,
        )
    },
    "/api/broadcast/batch": {"post": batch("publishing", "broadcastBatch", "Publish up to 100 events")},
}
