"""What a publisher learns of its publication, and what it may call it."""

import json
from collections.abc import Callable

import pytest
from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from mechamap.domain.errors import BrokerUnavailable, InvalidField
from mechamap.domain.idempotency import read_key

from .conftest import KEY

Post = Callable[..., tuple[int, dict, dict]]


@pytest.fixture
def post(app: Flask) -> Post:
    def send(
        body: dict, key: str | None = None, path: str = "/api/broadcast", bearer: str = KEY
    ) -> tuple[int, dict, dict]:
        headers = {
            "Authorization": f"Bearer {bearer}",
            **({"Idempotency-Key": key} if key is not None else {}),
        }
        builder = EnvironBuilder(path, method="POST", data=json.dumps(body).encode(), headers=headers)
        iterable, status, found = run_wsgi_app(app.wsgi_app, builder.get_environ())
        return int(status[:3]), json.loads(b"".join(iterable)), dict(found)

    return send


def body(**changes: object) -> dict:
    return {"channel": "public.once", "event": "e", "data": {"n": 1}, **changes}


def told(answer: tuple[int, dict, dict]) -> dict:
    status, content, _ = answer
    assert status == 200, content
    return {name: content[name] for name in ("id", "epoch", "offset", "duplicate")}


def test_the_answer_says_where_the_event_stands(post: Post):
    first, second = told(post(body())), told(post(body()))
    assert first["epoch"] == second["epoch"]
    assert second["offset"] == first["offset"] + 1
    assert first["id"] != second["id"]
    assert first["duplicate"] is second["duplicate"] is False


@pytest.mark.parametrize("by", ["key", "id"])
def test_a_repetition_is_answered_alike(post: Post, by: str):
    def send() -> dict:
        return told(post(body(id="r-id") if by == "id" else body(), "r-key" if by == "key" else None))

    first = send()
    assert send() == {**first, "duplicate": True}


def test_key_and_id_are_one_name(post: Post):
    first = told(post(body(), "same"))
    for again in (post(body(id="same")), post(body(id="same"), "same"), post(body(), '"same"')):
        assert told(again) == {**first, "duplicate": True}


def test_another_content_under_a_name_is_a_conflict(post: Post, app: Flask):
    post(body(), "taken")
    status, content, _ = post(body(data={"n": 2}), "taken")
    assert (status, content["code"], content["success"]) == (409, "idempotency_conflict", False)
    text = app.extensions["mechamap"].metrics.render()[0].decode()
    assert 'realtime_publications_total{code="idempotency_conflict"}' in text


def test_a_batch_named_by_its_request_may_be_sent_again(post: Post):
    entries = [body(data=n) for n in range(3)]
    entries[1]["id"] = "own"
    path = "/api/broadcast/batch"
    _, first, _ = post({"broadcasts": entries}, "batch", path)
    _, again, _ = post({"broadcasts": entries}, "batch", path)
    assert [row["duplicate"] for row in first["results"]] == [False] * 3
    assert again["results"] == [{**row, "duplicate": True} for row in first["results"]]
    for name, entry in (("batch:0", entries[0]), ("own", entries[1]), ("batch:2", entries[2])):
        assert told(post({**entry, "id": name}))["duplicate"] is True


def test_a_batch_stops_at_a_conflict_and_says_how_far_it_came(post: Post):
    post(body(id="b-taken"))
    entries = [body(data=0), body(id="b-taken", data="other"), body(data=2)]
    status, content, _ = post({"broadcasts": entries}, None, "/api/broadcast/batch")
    assert (status, content["code"], content["accepted"]) == (409, "idempotency_conflict", 1)
    assert len(content["results"]) == 1


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "id_invalid"),
        (7, "id_invalid"),
        (["a"], "id_invalid"),
        (False, "id_invalid"),
        ("a\nb", "id_invalid"),
        ("x" * 201, "id_too_long"),
    ],
)
def test_an_id_that_is_none_is_refused_by_one_sentence(post: Post, name: object, code: str):
    status, content, _ = post(body(id=name))
    assert (status, content["code"], content["field"]) == (422, code, "id")
    assert content["message"].count(".") == 1
    status, content, _ = post({"broadcasts": [body(), body(id=name)]}, None, "/api/broadcast/batch")
    assert (status, content["code"], content["field"]) == (422, code, "broadcasts[1].id")


@pytest.mark.parametrize("name", ["x" * 200, "chữ Việt 🔧", "a b", None])
def test_any_printable_text_may_be_an_id(post: Post, name: str | None):
    assert post(body(id=name))[0] == 200


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("8e03978e-40d5-43e8-bc93-6894a57f9324", "8e03978e-40d5-43e8-bc93-6894a57f9324"),
        ('"8e03978e-40d5"', "8e03978e-40d5"),
        (' "a b" ', "a b"),
        (r'"a\"b\\c"', 'a"b\\c'),
        ("order:7/paid=1", "order:7/paid=1"),
        ("x" * 200, "x" * 200),
    ],
)
def test_a_key_is_a_token_or_a_string_in_quotes(header: str, name: str):
    assert read_key(header) == name


@pytest.mark.parametrize(
    "header", ["", " ", '""', '"a', 'a"', r'"a\b"', '"é"', "é", "a b", "a,b", '"a", "b"', '"a\tb"', "x" * 201]
)
def test_a_key_that_is_neither_is_refused(header: str):
    with pytest.raises(InvalidField) as refused:
        read_key(header)
    assert refused.value.field == "Idempotency-Key"
    assert refused.value.code in ("id_invalid", "id_too_long")


@pytest.mark.parametrize("unknown", [False, True])
def test_a_broker_that_is_away_is_told_with_the_time_to_return(post: Post, app: Flask, monkeypatch, unknown):
    def away(publication):
        raise BrokerUnavailable("Redis is away.", unknown=unknown)

    monkeypatch.setattr(app.extensions["mechamap"].runtime.broker, "publish", away)
    for path, content in (
        ("/api/broadcast", body()),
        ("/api/broadcast/batch", {"broadcasts": [body()]}),
    ):
        status, told, headers = post(content, None, path)
        assert (status, told["code"], told["retry"]) == (503, "broker_unavailable", True)
        assert headers["Retry-After"] == str(told["retryAfter"]) == "2"
        assert told.get("outcome") == ("unknown" if unknown else None)
