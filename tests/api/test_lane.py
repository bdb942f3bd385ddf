"""The lane in front of Flask gives the very answers the blueprint gives: status, headers, bytes."""

import json
import re

import pytest
from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from mechamap import logs
from mechamap.api import lane
from mechamap.domain.errors import BrokerUnavailable

from .conftest import KEY

BODY = {"channel": "public.lane", "event": "news", "data": {"n": 1}, "timestamp": "2026-11-23T03:12:45Z"}
BEARER = {"Authorization": f"Bearer {KEY}"}


SINGLE, BATCH = "/api/broadcast", "/api/broadcast/batch"


def answer(
    wsgi, body: bytes, headers: dict[str, str], path: str = SINGLE, **environ: object
) -> tuple[str, list, bytes]:
    """Status, headers and body, with what differs from one request to the next made equal."""
    builder = EnvironBuilder(path, method="POST", data=body, headers=headers, environ_overrides=environ)
    environ = builder.get_environ()
    environ.setdefault("REMOTE_ADDR", "203.0.113.5")
    iterable, status, found = run_wsgi_app(wsgi, environ)
    text = b"".join(iterable)
    for name in (b"id", b"timestamp", b"incident"):
        text = re.sub(rb'"%s":"[^"]*"' % name, b'"%s":"-"' % name, text)
    text = re.sub(rb'"offset":[0-9]+', b'"offset":0', text)
    kept = sorted((name, value) for name, value in found if name not in ("X-Request-ID", "Date"))
    return status, kept, text


def encoded(**changes: object) -> bytes:
    return json.dumps({**BODY, **changes}).encode()


def notification(**changes: object) -> bytes:
    body = {"event": "notification", "user_id": 7, "channel": "user.7", "data": {"id": 5}, "metadata": {}}
    return json.dumps({**body, **changes}).encode()


def batch(*bodies: object) -> bytes:
    return json.dumps(
        {"broadcasts": [{**BODY, **body} if isinstance(body, dict) else body for body in bodies]}
    ).encode()


BATCHES = {
    "accepted": (batch({}, {"data": None}, {"channel": "public.b"}), BEARER),
    "a hundred": (batch(*[{"data": n} for n in range(100)]), BEARER),
    "too many": (batch(*[{"data": n} for n in range(101)]), BEARER),
    "none": (batch(), BEARER),
    "no list": (b'{"broadcasts": "x"}', BEARER),
    "no object": (b"[]", BEARER),
    "no json": (b"{", BEARER),
    "no key": (batch({}), {}),
    "one wrong entry": (batch({}, {"event": "connect"}), BEARER),
    "one entry no object": (batch({}, 7), BEARER),
    "one entry too deep": (
        b'{"broadcasts":[{"channel":"public.x","event":"e","data":' + b"[" * 40 + b"]" * 40 + b"}]}",
        BEARER,
    ),
    "one entry too large": (batch({}, {"data": "x" * 120_000}), BEARER),
    "accepted before, under a key": (batch({}, {"data": 2}), {**BEARER, "Idempotency-Key": "lane-batch"}),
    "an id that stands for another": (batch({}, {"id": "lane-old", "data": 9}, {}), BEARER),
    "one id that is none": (batch({}, {"id": ""}), BEARER),
    "large body": (b"x" * 1_100_000, BEARER),
}
REQUESTS = {
    "accepted": (encoded(), BEARER),
    "accepted with text of the world": (encoded(data={"chữ": "Việt 🔧"}), BEARER),
    "accepted by the other header": (encoded(), {"X-API-Key": KEY}),
    "several channels": (b'{"channels": ["public.a", "public.b"], "event": "e", "data": []}', BEARER),
    "no key": (encoded(), {}),
    "wrong key": (encoded(), {"Authorization": "Bearer wrong"}),
    "empty": (b"", BEARER),
    "no json": (b"{", BEARER),
    "nan": (b'{"channel":"public.x","event":"e","data":NaN}', BEARER),
    "deep": (b'{"channel":"public.x","event":"e","data":' + b"[" * 40 + b"]" * 40 + b"}", BEARER),
    "too deep to read": (b"[" * 100_000, BEARER),
    "not an object": (b"[]", BEARER),
    "no channel": (json.dumps({"event": "e", "data": 1}).encode(), BEARER),
    "unknown channel": (encoded(channel="nope"), BEARER),
    "reserved event": (encoded(event="disconnect"), BEARER),
    "large data": (encoded(data="x" * 120_000), BEARER),
    "large body": (b"x" * 1_100_000, BEARER),
    "forged request id": (encoded(), {**BEARER, "X-Request-ID": "<script>"}),
    "accepted before, under a key": (encoded(), {**BEARER, "Idempotency-Key": '"lane-single"'}),
    "accepted before, under an id": (encoded(id="lane-old"), BEARER),
    "a key that stands for another": (encoded(data=9), {**BEARER, "Idempotency-Key": "lane-old"}),
    "a key that is none": (encoded(), {**BEARER, "Idempotency-Key": "a b"}),
    "id and key differ": (encoded(id="a"), {**BEARER, "Idempotency-Key": "b"}),
    "id no text": (encoded(id=7), BEARER),
    "accepted before, of one request of Laravel's": (notification(data={}, request_id="lane"), BEARER),
    "accepted before, one of the two announcements of a row": (notification(), BEARER),
    "notification of two users": (notification(user_id=8), BEARER),
    "accepted to a user": (b'{"to":"user","user_id":7,"event":"e","data":1}', BEARER),
    "to nobody": (b'{"to":"world","event":"e","data":1}', BEARER),
    "several channels of which one is withheld": (
        b'{"channels":["user.7","forum.3"],"event":"notification.received","data":{"id":1}}',
        BEARER,
    ),
    "withheld": (b'{"channel":"forum.3","event":"notification.received","data":{"id":1}}', BEARER),
}


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize(
    ("path", "name"), [(SINGLE, name) for name in REQUESTS] + [(BATCH, name) for name in BATCHES]
)
def test_the_lane_and_the_blueprint_answer_alike(app, path, name, secure):
    body, headers = (REQUESTS if path == SINGLE else BATCHES)[name]
    environ = {"wsgi.url_scheme": "https" if secure else "http"}
    app.extensions["mechamap"].limits._keys._windows.clear()
    answer(app.wsgi_app, encoded(id="lane-old"), BEARER)
    if "before" in name:  # so that it is repeated for both
        answer(app.wsgi_app, body, headers, path)

    def blueprint(environ, start_response):
        return Flask.wsgi_app(app, environ, start_response)

    laned = answer(app.wsgi_app, body, headers, path, **environ)
    assert laned == answer(blueprint, body, headers, path, **environ)
    assert laned[0].startswith("200") == name.startswith(("accepted", "several", "a hundred", "forged"))


@pytest.mark.parametrize("failing", [0, 2])
def test_a_batch_that_the_broker_interrupts_is_told_alike_and_truthfully(app, failing, monkeypatch):
    broker = app.extensions["mechamap"].runtime.broker
    publish = type(broker).publish

    def failing_at(publication):
        if publication.payload == b"%d" % failing:
            raise BrokerUnavailable("Redis is away.")
        return publish(broker, publication)

    monkeypatch.setattr(broker, "publish", failing_at)
    body = batch(*[{"data": n} for n in range(4)])
    direct = answer(lambda e, s: Flask.wsgi_app(app, e, s), body, BEARER, BATCH)
    assert answer(app.wsgi_app, body, BEARER, BATCH) == direct
    told = json.loads(direct[2])
    assert direct[0].startswith("503")
    assert (told["code"], told["retry"], told["accepted"], len(told["results"])) == (
        "broker_unavailable", True, failing, failing,
    )  # fmt: skip


@pytest.mark.parametrize("path", [SINGLE, BATCH])
def test_a_defect_is_told_alike(app, path, monkeypatch):
    broken = lambda *_: 1 / 0  # noqa: E731
    for name in ("read_any", "read_batch"):
        monkeypatch.setattr(f"mechamap.api.broadcasting.{name}", broken)
    direct = answer(lambda e, s: Flask.wsgi_app(app, e, s), encoded(), BEARER, path)
    assert answer(app.wsgi_app, encoded(), BEARER, path) == direct
    assert direct[0].startswith("500")
    assert b"ZeroDivision" not in direct[2]


def test_the_common_request_does_take_the_lane(app, monkeypatch):
    taken = []
    accept = lane.BroadcastLane._answer
    monkeypatch.setattr(lane.BroadcastLane, "_answer", lambda self, *a: taken.append(1) or accept(self, *a))
    for path in (SINGLE, BATCH):
        answer(app.wsgi_app, encoded(), BEARER, path)
    assert taken == [1, 1]
    for path in (SINGLE, BATCH):
        for uncommon in ({"Origin": "https://mechamap.com"}, {"Transfer-Encoding": "chunked"}):
            answer(app.wsgi_app, encoded(), {**BEARER, **uncommon}, path)
    assert taken == [1, 1]


def test_the_request_id_is_forgotten_with_the_request(app):
    logs.request_id.set(None)
    answer(app.wsgi_app, encoded(), {**BEARER, "X-Request-ID": "r-1"})
    assert logs.request_id.get() is None


def test_requests_on_the_lane_are_counted_under_the_blueprints_endpoints(app):
    metrics = app.extensions["mechamap"].metrics

    def seconds(text: str) -> float:
        found = re.findall(r"^realtime_http_request_seconds_total\S* (\S+)$", text, re.MULTILINE)
        return sum(map(float, found))

    before, earlier = metrics.figures(), metrics.render()[0].decode()
    for path in (SINGLE, BATCH):
        answer(app.wsgi_app, b"{", BEARER, path)
    after, text = metrics.figures(), metrics.render()[0].decode()
    assert after.requests == before.requests + 2
    assert seconds(text) > seconds(earlier)
    for endpoint in ("broadcast.broadcast", "broadcast.batch"):
        assert f'realtime_http_requests_total{{endpoint="{endpoint}",status="400"}}' in text


def test_the_request_id_is_the_callers_own(app):
    headers = {**BEARER, "X-Request-ID": "r-1"}
    builder = EnvironBuilder("/api/broadcast", method="POST", data=encoded(), headers=headers)
    _, _, headers = run_wsgi_app(app.wsgi_app, builder.get_environ())
    assert headers["X-Request-ID"] == "r-1"
