"""An event's data on its way from the HTTP body to the frame: written once, then carried as bytes."""

from collections.abc import Callable

import pytest
from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from mechamap.api import broadcasting
from mechamap.sockets import encoding

from .conftest import KEY


@pytest.fixture
def publish(app: Flask) -> Callable[[bytes], bytes]:
    """Post ``data`` (JSON text) to a channel with a subscriber."""
    broker = app.extensions["mechamap"].runtime.broker
    broker.subscribe("public:payload")

    def post(data: bytes) -> None:
        builder = EnvironBuilder(
            "/api/broadcast",
            method="POST",
            data=b'{"channel":"public.payload","event":"e","data":' + data + b"}",
            headers={"X-API-Key": KEY},
        )
        _, status, _ = run_wsgi_app(app.wsgi_app, builder.get_environ())
        assert status == "200 OK"

    yield post
    broker.unsubscribe("public:payload")


@pytest.fixture
def framed(monkeypatch) -> list[bytes]:
    """The payloads that were put into frames."""
    found = []
    packet = encoding.event_packet
    monkeypatch.setattr(
        encoding,
        "event_packet",
        lambda event, data, **place: found.append(data) or packet(event, data, **place),
    )
    return found


def test_data_is_encoded_once_and_never_decoded_again(publish, framed, monkeypatch):
    written, read = [], []
    encode, decode = broadcasting.encode, broadcasting._decode

    def writing(value: object) -> bytes:
        written.append(encode(value))
        return written[-1]

    monkeypatch.setattr(broadcasting, "encode", writing)
    monkeypatch.setattr(broadcasting, "_decode", lambda body: read.append(body) or decode(body))
    publish(b'{"n":1}')
    assert len(read) == 1
    assert [text for text in written if b'"n":1' in text] == [b'{"n":1}']
    assert len(framed) == 1
    assert framed[0] is written[0]  # the very object: nobody between wrote it anew


@pytest.mark.parametrize(
    ("sent", "framed_as"),
    [
        (b'{ "a" : [ 1 , 2 ] }', b'{"a":[1,2]}'),
        (rb'"ch\u1eef Vi\u1ec7t \ud83d\udd27 \/"', '"chữ Việt 🔧 /"'.encode()),
        (b'{"b":1,"a":2}', b'{"b":1,"a":2}'),
        (b'{"b":1,"a":2,"b":3}', b'{"b":3,"a":2}'),
        (b"1180591620717411303424", b"1180591620717411303424"),
        (b"-9007199254740993", b"-9007199254740993"),
        (b"1.50", b"1.5"),
        (b"1.0", b"1.0"),
        (b"2e3", b"2000.0"),
        (rb'"\u2028\u0000\n<\/script>"', '"\u2028\\u0000\\n</script>"'.encode()),
        (b"[" * 32 + b"]" * 32, b"[" * 32 + b"]" * 32),
    ],
    ids=["space", "escapes", "order", "equal names", "large", "beyond a double", "fraction", "whole fraction",
         "exponent", "odd characters", "deepest"],
)  # fmt: skip
def test_data_is_framed_compact_and_exact(publish, framed, sent, framed_as):
    publish(sent)
    assert framed == [framed_as]
