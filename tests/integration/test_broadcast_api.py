"""``POST /api/broadcast`` as Laravel and others call it."""

import json
import re

import pytest

from .conftest import KEY, token

BODY = {
    "channel": "public.api",
    "event": "news",
    "data": {"n": 1},
    "timestamp": "2026-11-23T03:12:45.123456Z",
}
AUTH = {"Authorization": f"Bearer {KEY}"}


def test_the_answer_is_the_plans_success_with_facts(site):
    answer = site.server.post("/api/broadcast", BODY, headers=AUTH)
    assert answer.status == 200
    body = answer.json()
    assert body["success"] is True
    assert (body["channel"], body["event"], body["subscriberCount"]) == ("public.api", "news", 0)
    assert re.fullmatch(r"[0-9a-f]{32}", body["id"])
    assert body["message"]
    assert body["timestamp"].endswith("Z")


@pytest.mark.parametrize("header", ["X-API-Key", "X-WebSocket-API-Key", "x-api-key"])
def test_the_key_may_come_in_the_apps_other_headers(site, header):
    assert site.server.post("/api/broadcast", BODY, headers={header: KEY}).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": KEY},
        {"X-API-Key": KEY[:-1]},
        {"X-API-Key": KEY + "x"},
        {"X-API-Key": "é"},
        {"Authorization": f"Bearer {token(1)}"},
        {"X-API-Key": "1|" + "a" * 48},
    ],
)
def test_without_a_live_key_the_answer_is_401_and_nothing_is_sent(site, headers):
    browser = site.browser()
    browser.emit_ack("subscribe", {"channel": "public.api"})
    answer = site.server.post("/api/broadcast", BODY, headers={k: v.encode() for k, v in headers.items()})
    assert answer.status == 401
    assert answer.json()["success"] is False
    assert answer.json()["code"] in ("key_missing", "key_invalid")
    assert answer.headers["www-authenticate"] == "Bearer"
    site.broadcast("public.api", "end")
    browser.wait_for("end")
    assert browser.events("news") == []


@pytest.mark.parametrize(
    "data", [{"a": {"b": [1, None, True]}}, [], {}, [1, 2], "chữ Việt 🔧", 0, 1.5, -(2**53), None, False]
)
@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_data_arrives_as_it_was_sent(site, data, transport):
    browser = site.browser(transports=[transport])
    browser.emit_ack("subscribe", {"channel": "public.api"})
    assert site.broadcast("public.api", "news", data).status == 200
    assert browser.wait_for("news")[0] == data


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid_request"),
        (b"{", 400, "invalid_request"),
        (b"[]", 400, "invalid_request"),
        (b"null", 400, "invalid_request"),
        (b"\xff\xfe", 400, "invalid_request"),
        (b'{"channel":"public.x","event":"e","data":NaN}', 400, "invalid_request"),
        (b'{"channel":"public.x","event":"e","data":Infinity}', 400, "invalid_request"),
        (b'{"channel":"public.x","event":"e","data":1e999}', 400, "invalid_request"),
        (b'{"channel":"public.x","event":"e","data":"\\ud800"}', 400, "invalid_request"),
        (b'{"channel":"public.x","event":"e","data":' + b"[" * 50_000, 400, "invalid_request"),
        (b'{"event":"e","data":1}', 422, "channel_required"),
        (b'{"channel":"public.x","data":1}', 422, "event_required"),
        (b'{"channel":"public.x","event":"e"}', 422, "data_required"),
        (b'{"channel":"public.x","event":"disconnect","data":1}', 422, "event_reserved"),
        (b'{"channel":"public.x","event":"subscribed","data":1}', 422, "event_reserved"),
        (b'{"channels":[],"event":"e","data":1}', 422, "channels_required"),
        (b'{"channel":"public.%s","event":"e","data":1}' % (b"x" * 300), 422, "channel_too_long"),
        (b'{"channel":"public.x","event":"%s","data":1}' % (b"x" * 300), 422, "event_too_long"),
        (b'{"channel":"public.x","event":"e","data":"%s"}' % (b"x" * 120_000), 413, "payload_too_large"),
        (b"x" * 1_100_000, 413, "payload_too_large"),
    ],
    ids=lambda value: repr(value[:40]) if isinstance(value, bytes) else str(value),
)
def test_a_wrong_body_is_refused_by_name(site, body, status, code):
    answer = site.server.request("POST", "/api/broadcast", body, headers=AUTH)
    assert (answer.status, answer.json()["code"]) == (status, code)
    assert answer.json()["success"] is False
    if status == 413:
        assert {"size", "limit", "field"} <= set(answer.json())
    if status == 422:
        assert answer.json()["field"]
    assert "xxxxxxxxxx" not in answer.text


def test_other_methods_are_refused_with_json(site):
    answer = site.server.request("GET", "/api/broadcast", headers=AUTH)
    assert (answer.status, answer.json()["code"]) == (405, "method_not_allowed")
    assert site.server.get("/api/nothing").json()["code"] == "not_found"


def test_a_batch_is_delivered_in_its_order(site):
    browser = site.browser()
    browser.emit_ack("subscribe", {"channel": "public.api"})
    bodies = [{**BODY, "data": n} for n in range(50)]
    answer = site.server.post("/api/broadcast/batch", {"broadcasts": bodies}, headers=AUTH)
    assert answer.status == 200
    assert [row["subscriberCount"] for row in answer.json()["results"]] == [1] * 50
    assert [args[0] for args in browser.wait_for_many("news", 50)] == list(range(50))


def test_a_batch_with_one_wrong_entry_publishes_nothing(site):
    browser = site.browser()
    browser.emit_ack("subscribe", {"channel": "public.api"})
    wrong = {"broadcasts": [BODY, {**BODY, "event": "connect"}]}
    answer = site.server.post("/api/broadcast/batch", wrong, headers=AUTH)
    assert (answer.status, answer.json()["field"]) == (422, "broadcasts[1].event")
    site.broadcast("public.api", "end")
    browser.wait_for("end")
    assert browser.events("news") == []


def test_every_answer_names_its_request(site):
    given = site.server.post("/api/broadcast", BODY, headers={**AUTH, "X-Request-ID": "laravel-42"})
    assert given.headers["x-request-id"] == "laravel-42"
    forged = site.server.post("/api/broadcast", BODY, headers={**AUTH, "X-Request-ID": "a b<script>"})
    assert re.fullmatch(r"[0-9a-f]{16}", forged.headers["x-request-id"])


def test_the_log_tells_the_event_and_neither_key_nor_payload(site):
    site.broadcast("public.api", "log.me", {"secret": "do-not-log-this"})
    log = site.server.log()
    assert "log.me" in log
    assert "do-not-log-this" not in log
    assert KEY not in log


def test_cors_answers_only_the_listed_origins(site):
    preflight = {"Access-Control-Request-Method": "POST"}
    allowed = site.server.request(
        "OPTIONS", "/api/broadcast", headers={"Origin": "https://mechamap.com", **preflight}
    )
    assert allowed.status == 204
    assert allowed.headers["access-control-allow-origin"] == "https://mechamap.com"
    assert "authorization" in allowed.headers["access-control-allow-headers"].lower()
    foreign = site.server.request(
        "OPTIONS", "/api/broadcast", headers={"Origin": "https://evil.example", **preflight}
    )
    assert "access-control-allow-origin" not in foreign.headers


def test_wrong_keys_are_soon_not_even_looked_at(serve, node_client):
    from .conftest import settings

    server = serve(settings())
    answers = [server.post("/api/broadcast", BODY, headers={"X-API-Key": "wrong"}) for _ in range(40)]
    assert answers[0].status == 401
    assert answers[-1].status == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert json.loads(answers[-1].body)["code"] == "rate_limited"
