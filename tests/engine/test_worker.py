"""The worker process: deadlines, fairness, limits."""

import http.client
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest

from .conftest import start
from .wire import Refused, answer, anyone, connect

IMPATIENT = {"WORKER": "tests.engine.impatient.ImpatientWorker"}


@pytest.fixture(scope="module")
def impatient(serve_module):
    return start(serve_module, {"cors_allowed_origins": []}, **IMPATIENT)


# --- deadlines of HTTP ---


def test_a_request_head_that_drips_is_cut(impatient):
    with connect(impatient) as sock:
        began = time.monotonic()
        with pytest.raises(OSError):
            for byte in b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"y" * 1000:
                sock.sendall(bytes([byte]))
                time.sleep(0.05)
        assert time.monotonic() - began < 2.5


def test_headers_that_never_end_are_answered_408(impatient):
    with connect(impatient) as sock:
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n")
        assert answer(sock).startswith("HTTP/1.1 408 ")


def test_a_connection_that_says_nothing_is_closed(impatient):
    with connect(impatient) as sock:
        began = time.monotonic()
        assert answer(sock) == ""
        assert 0.3 < time.monotonic() - began < 1.5


def test_an_idle_keep_alive_connection_is_closed(impatient):
    with connect(impatient) as sock:
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        began = time.monotonic()
        assert answer(sock).startswith("HTTP/1.1 200 ")
        assert 0.8 < time.monotonic() - began < 2.0


def test_the_deadlines_of_http_do_not_touch_websockets_and_polls(impatient):
    with impatient.client() as client:
        client.join()
        client.event()
        assert client.stay(2.0) == []
        assert client.call("echo", 1) == [1]


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 3\r\nContent-Length: 4",
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Content-Length: +3",
        "Content-Length: 3_0",
        "Host: other",
    ],
)
def test_ambiguous_messages_are_refused(impatient, head):
    with connect(impatient) as sock:
        sock.sendall(f"POST /health HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\nabc".encode())
        assert answer(sock).startswith("HTTP/1.1 400 ")


def test_a_refused_upgrade_does_not_read_on(impatient):
    with connect(impatient) as sock:
        request = "GET /nowhere HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n"
        sock.sendall((request + "GET /health HTTP/1.1\r\nHost: x\r\n\r\n").encode())
        assert answer(sock).count("HTTP/1.1 ") == 1


def test_a_malformed_request_line_is_not_logged(impatient):
    with connect(impatient) as sock:
        sock.sendall(b"GET /health?token=confidential HTTP/9.9\r\n\r\n")
        assert answer(sock).startswith("HTTP/1.1 400 ")
    assert "confidential" not in impatient.application.log()


def test_the_access_log_has_no_query_strings(serve):
    engine = start(serve, GUNICORN=json.dumps({"accesslog": "-"}))
    engine.application.get("/health?token=confidential")
    log = engine.application.log()
    assert '"GET /health HTTP/1.1" 200' in log
    assert "confidential" not in log


def test_a_body_that_drips_is_cut(impatient):
    opening = impatient.application.get("/socket.io/?EIO=4&transport=polling").text
    sid = json.loads(opening[1:])["sid"]
    with connect(impatient) as sock:
        target = f"/socket.io/?EIO=4&transport=polling&sid={sid}"
        sock.sendall(f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n".encode())
        for _ in range(5):
            sock.sendall(b"x")
            time.sleep(0.1)
        assert answer(sock).startswith("HTTP/1.1 408 ")


def test_a_large_body_nobody_reads_ends_the_connection_instead_of_being_swallowed(impatient):
    with connect(impatient) as sock:
        sock.sendall(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n")
        began = time.monotonic()
        assert answer(sock).startswith("HTTP/1.1 404 ")
        assert time.monotonic() - began < 0.6


def test_a_client_that_sends_a_large_body_to_its_end_still_gets_the_answer(impatient):
    size = 4_000_000
    with connect(impatient) as sock:
        sock.sendall(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
        time.sleep(0.2)  # the server has answered by now
        sock.sendall(b"x" * size)
        assert answer(sock).startswith("HTTP/1.1 404 ")


def test_a_small_body_nobody_reads_keeps_the_connection(impatient):
    with connect(impatient) as sock:
        request = b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
        sock.sendall(request + request)
        assert answer(sock).count("HTTP/1.1 404 ") == 2


def test_chunked_bodies_are_read(impatient):
    opening = impatient.application.get("/socket.io/?EIO=4&transport=polling").text
    target = f"/socket.io/?EIO=4&transport=polling&sid={json.loads(opening[1:])['sid']}"
    with connect(impatient) as sock:
        head = f"POST {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        sock.sendall((head + "2\r\n40\r\n0\r\n\r\n").encode())
        assert answer(sock).endswith("\r\n\r\nok")


# --- fairness ---


def pour(sock: socket.socket, stop: threading.Event) -> None:
    """Send requests without waiting for answers: there is always one more in the server's socket."""
    requests = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 20
    while not stop.is_set():
        sock.sendall(requests)


def drain(sock: socket.socket, stop: threading.Event) -> None:
    while not stop.is_set():
        sock.recv(65_536)


@pytest.mark.parametrize("server", ["impatient", "secure"])
def test_a_flood_on_one_connection_lets_the_others_be_served(server, request):
    engine = request.getfixturevalue(server)
    stop = threading.Event()

    def line() -> socket.socket:
        sock = connect(engine)
        return anyone().wrap_socket(sock) if server == "secure" else sock

    with line() as flood, line() as other, ThreadPoolExecutor(2) as threads, engine.client() as client:
        client.join()
        client.event()
        try:
            ways = [threads.submit(way, flood, stop) for way in (pour, drain)]
            time.sleep(0.3)
            for _ in range(3):  # answered while the flood goes on, or the socket's timeout fails the test
                other.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
                assert other.recv(4096).startswith(b"HTTP/1.1 200 ")
            assert client.call("echo", 1) == [1]
            assert not any(way.done() for way in ways)
        finally:
            stop.set()
            flood.shutdown(socket.SHUT_RDWR)


# --- the connection limit ---


def test_above_the_limit_sessions_are_refused_and_health_still_answers(serve):
    engine = start(serve, GUNICORN=json.dumps({"worker_connections": 10}))
    with ExitStack() as held:
        for _ in range(10):
            held.enter_context(engine.client()).join()
        with pytest.raises(Refused) as caught:
            engine.client()
        assert caught.value.status == 503
        polling = engine.application.get("/socket.io/?EIO=4&transport=polling")
        assert polling.status == 503
        assert engine.application.get("/health").status == 200


def test_above_limit_and_reserve_connections_are_turned_away_at_once(serve):
    engine = start(serve, GUNICORN=json.dumps({"worker_connections": 1}))
    with ExitStack() as held:
        for _ in range(65):
            held.enter_context(closing(connect(engine)))
        time.sleep(0.2)
        with closing(http.client.HTTPConnection("127.0.0.1", engine.port, timeout=3)) as connection:
            connection.request("GET", "/health")
            assert connection.getresponse().status == 503
    engine.until(lambda s: s["sessions"] == 0, "the server to answer again")


def test_the_limit_of_open_files_comes_first(serve):
    engine = start(serve, GUNICORN=json.dumps({"worker_connections": 100_000_000}))
    assert "is lowered to" in engine.application.log()
    assert engine.application.get("/health").status == 200
