"""Random requests and events to the real server, its API and its events: refusals, never a bug; seeded."""

import json
import random
from contextlib import suppress

import pytest

from tests.engine.wire import Client
from tests.integration.conftest import KEY, plan_database, settings, token

from .conftest import together
from .test_raw_fuzz import mangled, mutated

SEED = 31_337
AUTH = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
NAMES = [
    "public.fuzz",
    "private-user.2",
    "presence-thread.10",
    "forum.1",
    "admin.x",
    "moderator.x",
    "nothing",
    "",
]
BODIES = [
    {"channel": "public.fuzz", "event": "news", "data": {"n": [1, None, True, 1.5, "é"]}},
    {"channel": "private-user.2", "event": "news", "data": None, "timestamp": "2026-11-23T03:12:45.123456Z"},
    {"channels": ["public.fuzz", "public.other"], "event": "news", "data": "x", "socket_id": "1.2"},
    {"broadcasts": [{"channel": "public.fuzz", "event": "news", "data": 1}] * 3},
    {"channels": [{"name": "public.fuzz"}, "user.2"], "event": "news", "data": {"socket": None, "n": 1}},
    {"event": "notification", "user_id": 2, "data": {"id": 1}, "metadata": {"request_id": "r"}},
    {"action": "send_to_user", "user_id": 2, "channel": "public.fuzz", "event": "e", "data": {"type": "e"}},
    {"action": "join_channel", "user_id": 2, "channel": "public.fuzz"},
    {"event": "e", "to": "thread", "thread_id": 10, "data": {}},
]
PATHS = [
    *("/api/broadcast", "/api/broadcast", "/api/broadcast/batch", "/api/broadcast/multi"),
    *("/api/laravel-broadcast", "/api/laravel-broadcast", "/api/notify", "/api/broadcast/user/2"),
]
EVENTS = [
    "subscribe",
    "unsubscribe",
    "notification_read",
    "presence:members",
    "ping",
    "subscribe_request",
    "join_channel",
    "leave_channel",
    "join_group",
    "leave_group",
    "typing_start",
    "typing_stop",
    "group_typing_start",
    "group_typing_stop",
    "get_member_count",
    "group_message",
    "user_activity",
    "client event",
    "unknown",
    "client-typing",
    "message",
    "*",
]


@pytest.fixture(scope="module")
def server(serve_module, tmp_path_factory):
    """Its log is judged when the module is done: a traceback there fails."""
    path = tmp_path_factory.mktemp("laravel") / "laravel.sqlite"
    return serve_module(settings(LARAVEL_DATABASE_URL=plan_database(path), RATE_LIMITS="off"))


def value(dice: random.Random, depth: int = 0) -> object:
    """Any JSON, with what is hard to swallow among it."""
    match dice.randrange(9 if depth < 4 else 6):
        case 0:
            return dice.choice((None, True, False))
        case 1:
            return dice.choice((0, -1, 2**31, 2**63, 2**64, -(2**63) - 1, 10**300))
        case 2:
            return dice.choice((0.0, -0.0, 1e308, 5e-324, 1.5))
        case 3:
            return dice.choice(
                ("", "\x00", "\ud7ff", "\u2028", "😀", "../..", "<script>", "x" * 5_000, "%00")
            )
        case 4 | 5:
            return dice.choice(NAMES) + dice.choice(
                ("", "", ".", " ", "\n", "\x00", "٤٢", "99999999999999999999")
            )
        case 6:
            return [value(dice, depth + 1) for _ in range(dice.randint(0, 4))]
        case _:
            keys = (
                "channel",
                "channels",
                "event",
                "data",
                "token",
                "notification_id",
                "group_id",
                "message",
                "after",
                "id",
                "__proto__",
                "",
                "é",
            )
            return {dice.choice(keys): value(dice, depth + 1) for _ in range(dice.randint(0, 4))}


def body(dice: random.Random) -> bytes:
    chosen = dict(dice.choice(BODIES))
    if dice.random() < 0.6:
        chosen[dice.choice([*chosen, "channel", "event", "data", "socket_id", "id", "user_id", "action"])] = (
            value(dice)
        )
    text = json.dumps(chosen, ensure_ascii=dice.random() < 0.5)
    if dice.random() < 0.3:
        text = mangled(dice, text)
    data = text.encode("utf-8", "surrogatepass")
    return mutated(dice, data) if dice.random() < 0.2 else data


def test_any_body_is_an_event_or_a_refusal(server):
    def publish(n: int) -> set[int]:
        dice = random.Random(f"{SEED} body {n}")
        seen = set()
        for _ in range(60):
            answer = server.request("POST", dice.choice(PATHS), body(dice), headers=AUTH)
            assert answer.json()["success"] is (answer.status == 200)
            seen.add(answer.status)
        return seen

    seen = set().union(*together(8, publish))
    assert {200, 400} <= seen
    assert max(seen) < 500


def test_any_event_of_a_browser_is_answered_and_costs_nobody_else(server):
    with Client(server.port, timeout=10) as witness:
        _join(witness)
        assert witness.call("subscribe", {"channel": "public.fuzz"})

        def send(n: int) -> None:
            dice = random.Random(f"{SEED} event {n}")
            with Client(server.port, timeout=5) as client, suppress(EOFError):
                _join(client)
                for number in range(40):
                    arguments = [value(dice) for _ in range(dice.choice((0, 1, 1, 1, 2)))]
                    client.call(dice.choice(EVENTS), *arguments, id=number + 1)

        together(8, send)
        for number in range(20):
            event = {"channel": "public.fuzz", "event": "n", "data": number}
            assert server.post("/api/broadcast", event, headers=AUTH).status == 200
        seen = []
        while len(seen) < 20:
            name, data, _position = witness.event()
            if name == "n":
                seen.append(data)
        assert seen == list(range(20))


def test_any_auth_is_a_sign_in_or_a_refusal(server):
    def sign_in(n: int) -> None:
        dice = random.Random(f"{SEED} auth {n}")
        good = token(2)
        for _ in range(25):
            mutation = mutated(dice, good.encode()).decode("latin-1")
            auth = dice.choice(({"token": mutation}, {"token": value(dice)}, value(dice), {"token": [good]}))
            with Client(server.port, timeout=5) as client, suppress(EOFError):
                client.send("40" + json.dumps(auth))
                answer = client.packet()
                assert answer.startswith(("40{", "44{")), answer
                assert "internal_error" not in answer

    together(6, sign_in)


def _join(client: Client) -> None:
    client.join({"token": token(2)})
    while client.event()[0] != "connected":
        pass
