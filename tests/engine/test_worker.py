"""The worker process: limits, deadlines, TLS, several workers, and its orderly end."""

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest

from mechamap.engine import ids
from tests.services.processes import wait_until

from .conftest import start
from .wire import Client, Refused, frame

IMPATIENT = {"WORKER": "tests.engine.impatient.ImpatientWorker"}


@pytest.fixture(scope="module")
def impatient(serve_module):
    return start(serve_module, {"cors_allowed_origins": []}, **IMPATIENT)


def connect(engine) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", engine.port), timeout=5)
    return sock


def answer(sock: socket.socket) -> str:
    """Everything until the server closes."""
    data = b""
    while True:
        try:
            more = sock.recv(4096)
        except ConnectionResetError:
            more = b""
        if not more:
            return data.decode()
        data += more


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


# --- TLS ---


@pytest.fixture(scope="module")
def secure(serve_module, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
        + ["-keyout", str(key), "-out", str(cert)],
        check=True,
        capture_output=True,
    )
    return start(
        serve_module,
        GUNICORN=json.dumps({"certfile": str(cert), "keyfile": str(key)}),
        SSL_CERT_PATH=str(cert),
    )


def anyone() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def test_websockets_work_over_tls(secure):
    with secure.client() as client:
        sid = client.join()
        assert client.call("echo", "x" * 10_000) == ["x" * 10_000]
        assert client.stay(0.8) == []
        secure.post(f"/close/{sid}")
        assert client.packet() == "41"
        assert client.close_code() == 1000


def test_a_backlog_over_tls_is_delivered_whole_when_the_peer_reads_again(secure):
    with secure.client(receive_buffer=4_096) as client:
        client.join()
        client.event()
        secure.post("/flood?count=5&size=50000")
        secure.until(lambda s: s["queued_bytes"] > 0, "a backlog")
        for _ in range(5):
            assert client.event() == ["flood", "x" * 50_000]
        assert client.call("echo", "x" * 9_000) == ["x" * 9_000]


def test_many_messages_in_one_tls_record_are_all_read(secure):
    with secure.client() as client:
        client.join()
        client.event()
        client.send_raw(b"".join(frame(1, f'42{n}["echo",{n}]'.encode()) for n in range(300)))
        assert [client.packet() for _ in range(300)] == [f"43{n}[{n}]" for n in range(300)]


def test_bytes_behind_the_handshake_are_read_over_tls(secure):
    with secure.client(first=frame(1, b"40")) as client:
        assert client.packet().startswith("40{")


def test_a_tls_client_that_vanishes_is_freed_at_once(secure):
    idle = secure.until(lambda s: s["sessions"] == 0, "an idle server")
    client = secure.client()
    client.join()
    client.sock.close()
    secure.until(
        lambda s: s["sessions"] == 0 and s["descriptors"] <= idle["descriptors"],
        "the descriptor to be freed",
        1,
    )


def test_a_silent_tls_client_is_gone_at_its_ping_timeout(secure):
    idle = secure.until(lambda s: s["sessions"] == 0, "an idle server")
    client = secure.client()
    client.join()
    secure.until(lambda s: s["sessions"] == 0 and s["greenlets"] <= idle["greenlets"], "the ping timeout", 6)
    client.sock.close()


def test_a_tls_client_that_vanishes_during_an_answer_is_no_event(secure):
    sock = anyone().wrap_socket(connect(secure))
    sock.sendall(b"GET /late-health HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
    time.sleep(0.1)
    sock.shutdown(socket.SHUT_RDWR)
    sock.close()
    time.sleep(1.0)
    assert secure.application.get("/health").status == 200
    assert "Traceback" not in secure.application.log()


def test_plain_http_on_a_tls_port_is_no_event(secure):
    with connect(secure) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        answer(sock)
    assert secure.application.get("/health").status == 200
    assert "Traceback" not in secure.application.log()


# --- several workers ---


def test_ids_carry_the_slot_and_a_replacement_takes_over_the_slot(serve):
    engine = start(serve, WORKERS="2")
    application = engine.application

    def slot_of(worker: int) -> int | None:
        """The slot of one worker, found by freezing the others."""
        others = [pid for pid in application.workers() if pid != worker]
        for pid in others:
            os.kill(pid, signal.SIGSTOP)
        try:
            with engine.client() as client:
                return ids.slot_of(client.opening["sid"])
        finally:
            for pid in others:
                os.kill(pid, signal.SIGCONT)

    first, second = application.workers()
    assert {slot_of(first), slot_of(second)} == {0, 1}
    lost = slot_of(first)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: len(set(application.workers()) - {first}) == 2, "a new worker")
    [replacement] = set(application.workers()) - {first, second}
    assert slot_of(replacement) == lost


# --- the end ---


def test_sigterm_closes_clients_so_that_they_reconnect_and_runs_their_handlers(serve):
    engine = start(serve)
    polite = [engine.client() for _ in range(3)]
    for client in polite:
        client.join()
        client.event()
    began = time.monotonic()
    engine.application.process.send_signal(signal.SIGTERM)
    for client in polite:
        packets = []
        while (received := client.frame()) is not None and received[0] != 8:
            packets.append(received[1])
        assert b"41" not in packets  # 'io server disconnect' would keep the client away
        assert received is not None
        assert int.from_bytes(received[1][:2], "big") == 1001
        client.send_raw(frame(8, received[1]))
        client.sock.close()
    engine.application.process.wait(8)
    assert time.monotonic() - began < 4
    assert engine.application.exit_code() == 0


def test_sigterm_does_not_wait_for_clients_that_never_close(serve):
    engine = start(serve)
    clients = [engine.client() for _ in range(5)]
    for client in clients:
        client.join()
    idle = connect(engine)
    began = time.monotonic()
    engine.application.stop(timeout=8)
    assert time.monotonic() - began < 5
    assert "did not end in time" not in engine.application.log()
    for sock in (idle, *(client.sock for client in clients)):
        sock.close()


def test_a_reload_moves_clients_to_the_new_worker(serve):
    engine = start(serve)
    client = engine.client()
    client.join()
    [old] = engine.application.workers()
    engine.application.process.send_signal(signal.SIGHUP)
    assert client.close_code() == 1001
    client.sock.close()
    wait_until(lambda: old not in engine.application.workers(), "the old worker to leave", 6)
    with Client(engine.port) as back:
        assert back.join()
    assert engine.application.get("/health").json()["draining"] is False


def test_a_polling_client_is_sent_away_on_sigterm(serve):
    engine = start(serve)
    opening = engine.application.get("/socket.io/?EIO=4&transport=polling").text
    sid = json.loads(opening[1:])["sid"]
    path = f"/socket.io/?EIO=4&transport=polling&sid={sid}"
    engine.application.request("POST", path, b"40")
    engine.application.get(path)
    with connect(engine) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        time.sleep(0.1)
        engine.application.process.send_signal(signal.SIGTERM)
        text = answer(sock)
    assert text.startswith("HTTP/1.1 200 ")
    assert text.endswith("1")
    engine.application.process.wait(8)


def test_a_draining_worker_says_so_and_takes_no_new_sessions(serve):
    engine = start(serve)
    with connect(engine) as health, connect(engine) as handshake:
        health.sendall(b"GET /late-health HTTP/1.1\r\nHost: x\r\n\r\n")
        handshake.sendall(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n")
        time.sleep(0.1)
        engine.application.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        handshake.sendall(b"\r\n")
        assert answer(handshake).startswith("HTTP/1.1 503 ")
        assert '"draining":true' in answer(health)
    engine.application.process.wait(8)
