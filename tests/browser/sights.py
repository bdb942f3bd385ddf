"""Every page of the console with plenty on it: those with an address, and those that only a form brings."""

import time
from collections.abc import Iterator
from urllib.parse import quote

from .busy import LONG_CHANNEL, LONG_EVENT, LONG_NAME, REASON, Busy

CHANNEL = quote(LONG_CHANNEL)
EVENT = {"channel": LONG_CHANNEL, "event": LONG_EVENT, "data": '{"title": "' + "x" * 300 + '"}'}
SCOPES = f"forum.* nothing.* {LONG_CHANNEL}"
CHAT = "private-chat.1"
"""A channel that Laravel decides on."""

OPEN = ("/admin/login", "/admin/login?why=session_revoked", "/demo", "/demo/2", "/demo/5")
Answer = tuple[str, dict[str, str], int]
"""Where a form goes, what it holds, and the status of the page that comes in the end."""


def pages_of_traffic(busy: Busy, sid: str) -> Iterator[str]:
    """Addresses; ``sid`` is a connection's."""
    yield "/admin/"
    yield from (
        f"/admin/connections/{query}" for query in ("", "?q=nothing-like-it", "?order=queue", "?age=long")
    )
    yield from (f"/admin/connections/disconnect?{who}" for who in ("user_id=3", "user_id=99", f"sid={sid}"))
    yield from (
        f"/admin/connection/?sid={sid}",
        f"/admin/connection/revoke?sid={sid}",
        "/admin/connection/?sid=1.2",
    )
    yield from (f"/admin/blocks/{form}" for form in ("", "block", "block?user_id=3", "block?user_id=x"))
    yield "/admin/blocks/unblock?user_id=5"
    yield from ("/admin/channels/", "/admin/channels/?q=nothing-like-it", "/admin/channels/publish")
    yield from (f"/admin/channels/{act}?channel={CHANNEL}" for act in ("publish", "disconnect"))
    yield from (f"/admin/channel/?name={name}" for name in (CHANNEL, "presence-thread.1", "user.no"))
    yield f"/admin/channel/purge?name={CHANNEL}"
    yield from (
        "/admin/watch/",
        "/admin/watch/?user=x",
        f"/admin/watch/event?channel={CHANNEL}&position={busy.position}",
    )


def pages_of_explanations(busy: Busy, sid: str) -> Iterator[str]:
    yield from OPEN
    yield "/admin/explain/"
    asked = (f"user=3&channel={CHANNEL}&event={busy.publication}", "user=2", f"user=2&at={int(time.time())}")
    yield from (f"/admin/explain/?ask=event&{question}" for question in asked)
    yield from (
        f"/admin/explain/?ask=join&user={who}" for who in (f"2&channel={CHAT}", "2&channel=forum.2", "x")
    )
    yield from ("/admin/rules/", "/admin/rules/?user=2&channel=forum.2")
    yield from ("/admin/audit/", "/admin/audit/?actor=nobody", "/admin/audit/?since=never", "/admin/nothing")


def pages_of_publishers_and_people(busy: Busy, sid: str) -> Iterator[str]:
    yield from ("/admin/account/", "/admin/keys/")
    yield from (f"/admin/keys/{busy.key}/{act}" for act in ("scopes", "rotate", "revoke"))
    yield from (f"/admin/keys/{row}/revoke" for row in (busy.old_secret, busy.revoked, 9999))
    yield from ("/admin/apps/", "/admin/apps/78/enable", "/admin/apps/999/delete")
    yield from (f"/admin/apps/77/{act}" for act in ("rotate", "finish", "disable", "delete"))
    yield from (
        f"/admin/people/{form}"
        for form in ("", f"end?id={busy.session}", "end?user_id=1", "end?id=9999", "end")
    )


def answers_of_traffic(busy: Busy, sid: str) -> Iterator[Answer]:
    """What forms bring, in an order in which each finds what it needs."""
    yield "/admin/channels/publish", EVENT, 200
    yield "/admin/channels/publish", {**EVENT, "step": "send"}, 200
    for field, value in (("channel", "user.no"), ("event", "disconnect"), ("data", "{")):
        yield "/admin/channels/publish", {**EVENT, field: value}, 422
    epoch, _, offset = busy.position.rpartition(".")
    yield "/admin/channel/data", {"name": LONG_CHANNEL, "epoch": epoch, "offset": offset}, 200
    yield "/admin/channel/data", {"name": LONG_CHANNEL, "epoch": "AAAAAAAA", "offset": "1"}, 404
    yield "/admin/watch/payload", {"channel": LONG_CHANNEL, "position": busy.position}, 200
    yield "/admin/watch/payload", {"channel": LONG_CHANNEL, "position": "AAAAAAAA.1"}, 404
    for fields in ({"minutes": "never"}, {"minutes": "5", "reason": "x" * 201}):
        yield "/admin/blocks/block", {"user_id": "3", **fields}, 422
    yield "/admin/blocks/block", {"user_id": "6", "minutes": "5", "reason": REASON}, 200
    yield "/admin/blocks/unblock", {"user_id": "6"}, 200
    yield "/admin/channel/purge", {"name": LONG_CHANNEL}, 200
    yield "/admin/channels/disconnect", {"channel": "public.nobody"}, 200
    yield "/admin/connection/revoke", {"sid": sid}, 200
    yield "/admin/connections/disconnect", {"user_id": "2", "reason": "x" * 201}, 422
    yield "/admin/connections/disconnect", {"user_id": "2"}, 200


def answers_of_explanations_and_people(busy: Busy, sid: str) -> Iterator[Answer]:
    forged = busy.token[:-6] + "AAAAAA"
    for token, status in ((busy.token, 200), (forged, 200), ("x" * 3000, 200), ("", 422)):
        yield "/admin/explain/token", {"token": token}, status
    for user, status in (("2", 200), ("3", 401)):
        yield "/admin/explain/laravel", {"user": user, "channel": CHAT, "token": busy.token}, status
    yield "/admin/people/end", {"id": "9999"}, 404
    yield "/admin/people/end", {"user_id": "4"}, 200
    yield "/admin/rules/", {}, 405
    yield "/admin/blocks/unblock", {"user_id": "6", "csrf_token": "forged"}, 400
    yield "/admin/account/sign-out", {"id": "9999"}, 200
    yield "/admin/account/sign-out", {}, 200


def answers_of_publishers(busy: Busy, sid: str) -> Iterator[Answer]:
    yield "/admin/keys/create", {"name": "a" * 64, "scopes": LONG_CHANNEL}, 201
    yield "/admin/keys/create", {"name": "x", "scopes": SCOPES, "step": "preview"}, 200
    for name, scopes in ((LONG_NAME, ""), ("", ""), ("x", "not a (pattern)")):
        yield "/admin/keys/create", {"name": name, "scopes": scopes}, 422
    key = f"/admin/keys/{busy.key}"
    for fields, status in (("user.*", "preview"), 200), (("(", "save"), 422), ((SCOPES, "save"), 200):
        yield f"{key}/scopes", dict(zip(("scopes", "step"), fields, strict=True)), status
    yield f"/admin/keys/{busy.crowded}/rotate", {"keep": "5"}, 422
    yield f"/admin/keys/{busy.crowded}/rotate", {"keep": "3600"}, 409
    yield f"{key}/rotate", {"keep": "604800"}, 200
    yield f"/admin/keys/{busy.old_secret}/revoke", {}, 200
    yield "/admin/apps/create", {"name": "b" * 64, "id": "i" * 64}, 201
    yield (
        "/admin/apps/create",
        {"name": "moved", "id": "88", "key": "old", "secret": "brought" * 3, "legacy": "on"},
        201,
    )
    for field, value in (("name", ""), ("id", "1001"), ("key", "a b"), ("secret", "short")):
        yield "/admin/apps/create", {"name": "x", field: value}, 422
    yield "/admin/apps/77/rotate", {}, 200
    for act in ("finish", "disable", "enable", "delete"):
        yield f"/admin/apps/77/{act}", {}, 200


PAGES = (pages_of_traffic, pages_of_explanations, pages_of_publishers_and_people)
ANSWERS = (answers_of_traffic, answers_of_publishers, answers_of_explanations_and_people)
