"""A broadcast that comes whole is answered without WSGI, and nobody can tell: the same bytes by both ways."""

import json
import re
import socket
import time

import pytest

from .conftest import KEY, plan_database, settings

PLAIN = {"channel": "public.way", "event": "e", "data": {"n": 1}}
# What differs from one answer to the next.
CHANGING = (
    rb"Date: [^\r]+",
    rb"X-Request-ID: [0-9a-f]+",
    rb'"id":"[0-9a-f]+"',
    rb'"timestamp":"[^"]+"',
    rb'"offset":[0-9]+',
    rb"Content-Length: [0-9]+",
    rb'"incident":"[^"]+"',
)


@pytest.fixture(scope="module")
def server(serve_module, tmp_path_factory):
    path = tmp_path_factory.mktemp("laravel") / "laravel.sqlite"
    return serve_module(
        settings(LARAVEL_DATABASE_URL=plan_database(path), TRUSTED_PROXIES="127.0.0.1", RATE_LIMITS="off")
    )


def request(body: object = PLAIN, path: str = "/api/broadcast", key: str | None = KEY, *fields: str) -> bytes:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(text)}", *fields]
    if key is not None:
        lines.append(f"Authorization: Bearer {key}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + text


def answered(sock: socket.socket) -> bytes:
    """One answer, to its last byte."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += sock.recv(65_536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(re.search(rb"Content-Length: ([0-9]+)", head)[1])
    while len(body) < length:
        body += sock.recv(65_536)
    assert len(body) == length
    return head + b"\r\n\r\n" + body


def steady(answer: bytes) -> bytes:
    for pattern in CHANGING:
        answer = re.sub(pattern, b"", answer)
    return answer


def both_ways(server, data: bytes) -> tuple[bytes, bytes]:
    """The answers to a request that comes whole, and to one whose body comes later: that takes WSGI."""
    found = []
    for cut in (len(data), data.index(b"\r\n\r\n") + 4):
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.sendall(data[:cut])
            if cut < len(data):
                time.sleep(0.05)
                sock.sendall(data[cut:])
            found.append(answered(sock))
    return found[0], found[1]


@pytest.mark.parametrize(
    "data",
    [
        request(),
        request({**PLAIN, "channels": ["public.a"]}),
        request({"channel": "private-user.2", "event": "e"}),
        request(b"not json"),
        request(b"\xff"),
        request(key=None),
        request(PLAIN, "/api/broadcast", "wrong"),
        request(PLAIN, "/api/broadcast", KEY, "X-Request-ID: mine", "X-Forwarded-Proto: https"),
        request(PLAIN, "/api/broadcast", KEY, "X-Forwarded-For: 203.0.113.9"),
        request({"broadcasts": [PLAIN, PLAIN]}, "/api/broadcast/batch"),
        request({"broadcasts": []}, "/api/broadcast/batch"),
        request(PLAIN, "/api/broadcast", KEY, "Origin: https://evil.example"),
        request(PLAIN, "/api/broadcast?x=1"),
        request({**PLAIN, "event": "disconnect"}),
        request({**PLAIN, "data": "x" * 1_100_000}),
        request(
            {"event": "e", "user_id": 2, "channel": "user.2", "data": {}, "metadata": {"unread_count": 1}}
        ),
        request({"event": "e", "to": "thread", "thread_id": 10, "data": 1}),
        request({"event": "notification.received", "channels": ["user.2", "forum.1"], "data": {"id": 1}}),
    ],
)
def test_the_answer_is_the_same(server, data):
    whole, pieces = both_ways(server, data)
    assert steady(whole) == steady(pieces)


@pytest.mark.parametrize(
    ("path", "body"), [("/api/broadcast", PLAIN), ("/api/broadcast/batch", {"broadcasts": [PLAIN, PLAIN]})]
)
def test_a_key_is_known_by_both_ways(server, path, body):
    named = request(body, path, KEY, f"Idempotency-Key: express-{len(path)}")
    first, second = both_ways(server, named)
    assert b'"duplicate":false' in first and b'"duplicate":true' not in first
    assert b'"duplicate":true' in second and b'"duplicate":false' not in second
    found = [re.findall(rb'"id":"[^"]+"|"offset":[0-9]+', answer) for answer in (first, second)]
    assert found[0] == found[1]
    again, pieces = both_ways(server, named)
    assert steady(again) == steady(pieces) == steady(second)


@pytest.mark.parametrize("written", ["express-taken", '"express-taken"', "not one", ""])
def test_a_key_that_is_refused_is_refused_alike(server, written):
    both_ways(server, request(PLAIN, "/api/broadcast", KEY, "Idempotency-Key: express-taken"))
    other = request({**PLAIN, "data": 2}, "/api/broadcast", KEY, f"Idempotency-Key: {written}")
    whole, pieces = both_ways(server, other)
    assert steady(whole) == steady(pieces)
    assert whole.split(b" ")[1] == (b"409" if "taken" in written else b"422")


def test_requests_that_follow_each_other_on_one_connection_are_answered_in_order(server):
    mixed = [
        request({**PLAIN, "event": "first"}),
        b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
        request({**PLAIN, "event": "second"}),
        request(b"{"),
        request({**PLAIN, "event": "third"}, "/api/broadcast", KEY, "Connection: close"),
    ]
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
        sock.sendall(b"".join(mixed))
        data = b""
        while more := sock.recv(65_536):
            data += more
    order = re.findall(rb'HTTP/1.1 ([0-9]+)|"event":"(\w+)"|"status":"(ok)"', data)
    assert [b"".join(found) for found in order] == [
        b"200", b"first", b"200", b"ok", b"200", b"second", b"400", b"200", b"third"
    ]  # fmt: skip


def test_it_is_counted_and_kept_from_strangers_alike(server):
    before = server.get("/metrics").text
    both_ways(server, request())
    after = server.get("/metrics").text

    def requests(text: str) -> float:
        pattern = r'realtime_http_requests_total\{endpoint="broadcast.broadcast",status="200"\} ([0-9.]+)'
        found = re.search(pattern, text)
        return float(found[1]) if found else 0.0

    assert requests(after) == requests(before) + 2
