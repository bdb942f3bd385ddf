"""``GET /api/channels/{channel}/history``."""

import json
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from mechamap.auth.protocol import BroadcastKey
from mechamap.hub import history

from .conftest import KEY

Get = Callable[..., tuple[int, dict]]
Publish = Callable[..., int]


@pytest.fixture
def get(app: Flask) -> Get:
    def send(channel: str, key: str | None = KEY, **query: object) -> tuple[int, dict]:
        headers = {"X-API-Key": key} if key is not None else {}
        builder = EnvironBuilder(
            f"/api/channels/{channel}/history", query_string=urlencode(query), headers=headers
        )
        iterable, status, _ = run_wsgi_app(app.wsgi_app, builder.get_environ())
        return int(status[:3]), json.loads(b"".join(iterable))

    return send


@pytest.fixture
def publish(app: Flask) -> Publish:
    def send(channel: str, data: object, event: str = "e") -> dict:
        body = json.dumps({"channel": channel, "event": event, "data": data}).encode()
        builder = EnvironBuilder("/api/broadcast", method="POST", data=body, headers={"X-API-Key": KEY})
        iterable, status, _ = run_wsgi_app(app.wsgi_app, builder.get_environ())
        assert status == "200 OK"
        return json.loads(b"".join(iterable))

    return send


def test_events_are_given_as_they_were_published(get: Get, publish: Publish):
    told = publish("public.h1", {"z": 1, "a": [1.5, "chữ", None]}, "news.sent")
    status, answer = get("public.h1")
    assert status == 200
    [event] = answer["events"]
    assert (event["id"], event["event"], event["offset"]) == (told["id"], "news.sent", told["offset"])
    assert json.dumps(event["data"]) == json.dumps({"z": 1, "a": [1.5, "chữ", None]})
    assert event["at"].endswith("Z") and event["at"][:10] == told["timestamp"][:10]
    assert {name: answer[name] for name in ("channel", "epoch", "position", "complete", "reason")} == {
        "channel": "public.h1",
        "epoch": told["epoch"],
        "position": told["offset"],
        "complete": True,
        "reason": None,
    }


def test_pages_follow_each_other(get: Get, publish: Publish):
    before = publish("public.h2", -1)
    for n in range(7):
        publish("public.h2", n)
        publish("public.other", n)
    found, position = [], before["offset"]
    for _ in range(4):
        _, answer = get("public.h2", epoch=before["epoch"], offset=position, limit=3)
        assert answer["complete"] is True
        found.append([event["data"] for event in answer["events"]])
        position = answer["position"]
    assert found == [[0, 1, 2], [3, 4, 5], [6], []]


def test_without_a_position_the_newest_come(get: Get, publish: Publish):
    for n in range(5):
        publish("public.h3", n)
    _, answer = get("public.h3", limit=2)
    assert [event["data"] for event in answer["events"]] == [3, 4]
    assert (answer["complete"], answer["reason"]) == (False, "trimmed")


def test_another_epoch_is_told(get: Get, publish: Publish):
    told = publish("public.h4", 1)
    status, answer = get("public.h4", epoch="elsewhen", offset=0)
    assert (status, answer["events"], answer["complete"], answer["reason"]) == (
        200,
        [],
        False,
        "epoch_changed",
    )
    assert (answer["epoch"], answer["position"]) == (told["epoch"], told["offset"])


@pytest.mark.parametrize("given", [True, False])
def test_a_page_of_large_events_is_short_and_the_next_goes_on(get: Get, publish: Publish, monkeypatch, given):
    monkeypatch.setattr(history, "MOST_BYTES", 300)
    before = publish("public.h5", "")
    for n in range(6):
        publish("public.h5", f"{n}" + "x" * 120)
    query = {"epoch": before["epoch"], "offset": before["offset"]} if given else {}
    _, answer = get("public.h5", **query)
    found = [event["data"][0] for event in answer["events"]]
    if not given:
        assert (found, answer["complete"]) == (["4", "5"], False)
        return
    assert (found, answer["complete"]) == (["0", "1"], True)
    monkeypatch.setattr(history, "MOST_BYTES", 1)
    _, answer = get("public.h5", epoch=before["epoch"], offset=answer["position"])
    assert [event["data"][0] for event in answer["events"]] == ["2"]


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ({"epoch": "x"}, "offset", "since_invalid"),
        ({"offset": 1}, "epoch", "since_invalid"),
        ({"epoch": "x", "offset": "-1"}, "offset", "since_invalid"),
        ({"epoch": "x", "offset": "1_0"}, "offset", "since_invalid"),
        ({"epoch": "x", "offset": "9" * 16}, "offset", "since_invalid"),
        ({"epoch": "x" * 65, "offset": "1"}, "epoch", "since_invalid"),
        ({"limit": 0}, "limit", "limit_invalid"),
        ({"limit": 501}, "limit", "limit_invalid"),
        ({"limit": "many"}, "limit", "limit_invalid"),
    ],
)
def test_a_wrong_query_is_refused_by_name(get: Get, query: dict, field: str, code: str):
    status, answer = get("public.x", **query)
    assert (status, answer["field"], answer["code"]) == (422, field, code)


def test_only_a_key_within_its_scope_reads(get: Get, app: Flask, monkeypatch):
    assert get("public.x", None)[0] == 401
    assert get("public.x", "wrong")[0] == 401
    assert get("nowhere")[1]["code"] == "channel_unknown"
    from mechamap.auth.keyring import BroadcastKeyRing

    monkeypatch.setattr(
        BroadcastKeyRing, "authenticate", lambda self, key: BroadcastKey("narrow", ("public.*",))
    )
    assert get("public.x")[0] == 200
    status, answer = get("private-user.7")
    assert (status, answer["code"]) == (403, "key_scope")
