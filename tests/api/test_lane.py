"""The lane in front of Flask gives the very answers the blueprint gives: status, headers, bytes."""

import json
import re

import pytest
from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from mechamap.api import lane

from .conftest import KEY

BODY = {"channel": "public.lane", "event": "news", "data": {"n": 1}, "timestamp": "2026-11-23T03:12:45Z"}
BEARER = {"Authorization": f"Bearer {KEY}"}


def answer(wsgi, body: bytes, headers: dict[str, str], **environ: object) -> tuple[str, list, bytes]:
    """Status, headers and body, with what differs from one request to the next made equal."""
    builder = EnvironBuilder(
        "/api/broadcast", method="POST", data=body, headers=headers, environ_overrides=environ
    )
    environ = builder.get_environ()
    environ.setdefault("REMOTE_ADDR", "203.0.113.5")
    iterable, status, found = run_wsgi_app(wsgi, environ)
    text = b"".join(iterable)
    for name in (b"id", b"timestamp", b"incident"):
        text = re.sub(rb'"%s":"[^"]*"' % name, b'"%s":"-"' % name, text)
    kept = sorted((name, value) for name, value in found if name not in ("X-Request-ID", "Date"))
    return status, kept, text


def encoded(**changes: object) -> bytes:
    return json.dumps({**BODY, **changes}).encode()


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
}


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("name", REQUESTS)
def test_the_lane_and_the_blueprint_answer_alike(app, name, secure):
    body, headers = REQUESTS[name]
    environ = {"wsgi.url_scheme": "https" if secure else "http"}

    def blueprint(environ, start_response):
        return Flask.wsgi_app(app, environ, start_response)

    assert answer(app.wsgi_app, body, headers, **environ) == answer(blueprint, body, headers, **environ)


def test_a_defect_is_told_alike(app, monkeypatch):
    broken = lambda *_: 1 / 0  # noqa: E731
    monkeypatch.setattr("mechamap.api.broadcasting.read_broadcast", broken)
    direct = answer(lambda e, s: Flask.wsgi_app(app, e, s), encoded(), BEARER)
    assert answer(app.wsgi_app, encoded(), BEARER) == direct
    assert direct[0].startswith("500")
    assert b"ZeroDivision" not in direct[2]


def test_the_common_request_does_take_the_lane(app, monkeypatch):
    taken = []
    accept = lane.BroadcastLane._answer
    monkeypatch.setattr(lane.BroadcastLane, "_answer", lambda self, *a: taken.append(1) or accept(self, *a))
    answer(app.wsgi_app, encoded(), BEARER)
    assert taken == [1]
    for uncommon in ({"Origin": "https://mechamap.com"}, {"Transfer-Encoding": "chunked"}):
        answer(app.wsgi_app, encoded(), {**BEARER, **uncommon})
    assert taken == [1]


def test_the_request_id_is_the_callers_own(app):
    headers = {**BEARER, "X-Request-ID": "r-1"}
    builder = EnvironBuilder("/api/broadcast", method="POST", data=encoded(), headers=headers)
    _, _, headers = run_wsgi_app(app.wsgi_app, builder.get_environ())
    assert headers["X-Request-ID"] == "r-1"
