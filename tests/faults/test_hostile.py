"""Hostile peers, many at a time, beside one honest client that must get every event in order."""

import http.client
import json
import socket
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import gevent
import pytest

from mechamap.engine.descriptors import SEND_BUFFER
from tests.engine.wire import BINARY, PING, PONG, TEXT, WebSocket, frame, handshake, head
from tests.services.processes import wait_until

from .conftest import tcp, together, vanish

POLLING = "/socket.io/?EIO=4&transport=polling"
MEGABYTE = 1_000_000


def poll_session(engine) -> str:
    """A fresh polling session; the path of its requests."""
    opening = engine.application.get(POLLING).text
    return f"{POLLING}&sid={json.loads(opening[1:])['sid']}"


def until_closed(sock: socket.socket) -> bytes:
    data = b""
    with suppress(ConnectionResetError):
        while more := sock.recv(65_536):
            data += more
    return data


# --- slow ---


def test_a_hundred_request_heads_that_drip_are_cut(engine, holding, neighbour):
    def drip(n: int) -> None:
        with tcp(engine) as sock, suppress(OSError):
            for byte in b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"y" * 10_000:
                sock.sendall(bytes([byte]))
                gevent.sleep(0.05)

    with gevent.Timeout(5):  # the deadline of a head is 0.5 s here
        together(100, drip)
    holding.gone(3, sessions=1)


def test_fifty_bodies_that_drip_are_cut_and_their_sessions_end(engine, holding, neighbour):
    def drip(n: int) -> None:
        path = poll_session(engine)
        with tcp(engine) as sock, suppress(OSError):
            sock.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n".encode())
            for _ in range(9_000):
                sock.sendall(b"4")
                gevent.sleep(0.05)

    with gevent.Timeout(6):  # the deadline of a body is 0.7 s here
        together(50, drip)
    holding.gone(5, sessions=1)


def test_a_frame_that_drips_is_cut_at_the_ping_timeout(engine, holding, neighbour):
    """Its bytes are no pong."""

    def drip(n: int) -> None:
        with engine.client() as client, suppress(OSError):
            client.join()
            client.send_raw(head(TEXT, 10_000) + b"kkkk")
            while True:
                client.send_raw(b"x")
                gevent.sleep(0.05)

    with gevent.Timeout(8):  # interval, timeout and farewell are 1.1 s
        together(40, drip)
    holding.gone(3, sessions=1)


# --- half open ---


def test_two_hundred_connections_that_say_nothing_are_closed(engine, holding, neighbour):
    with ExitStack() as held:
        socks = [held.enter_context(tcp(engine)) for _ in range(200)]
        with gevent.Timeout(5):
            assert together(200, lambda n: until_closed(socks[n])) == [b""] * 200
    holding.gone(3, sessions=1)


@pytest.mark.parametrize("cut", [1, 20, 60, -1])
def test_half_a_handshake_is_cut(engine, holding, neighbour, cut):
    with ExitStack() as held:
        socks = [held.enter_context(tcp(engine)) for _ in range(50)]
        for sock in socks:
            sock.sendall(handshake()[:cut])
        with gevent.Timeout(5):
            answers = together(50, lambda n: until_closed(socks[n]))
    assert not any(answer.startswith(b"HTTP/1.1 101") for answer in answers)
    holding.gone(3, sessions=1)


@pytest.mark.parametrize("speaks", [False, True])
def test_clients_that_never_connect_to_a_namespace_are_gone(engine, holding, neighbour, speaks):
    with ExitStack() as held:
        clients = [held.enter_context(engine.client()) for _ in range(100)]
        for client in clients if speaks else []:
            client.send_raw(frame(TEXT, b'42["echo",1]') + frame(TEXT, b"3"))
        holding.gone(6, sessions=1)


def test_polling_sessions_that_nobody_comes_back_for_are_gone(engine, holding, neighbour):
    together(100, lambda n: poll_session(engine))
    assert engine.state()["sessions"] == 101
    holding.gone(6, sessions=1)


def test_mute_members_are_gone_with_their_rooms(engine, holding, neighbour):
    with ExitStack() as held:
        for _ in range(100):
            client = held.enter_context(engine.client(answers=False))
            client.join()
            client.call("join", "quiet")
        wait_until(lambda: engine.state()["members"] == 1, "the mute to be gone", 5)
        holding.gone(3, sessions=1)
    assert engine.post("/deliver", {"rooms": ["quiet"], "event": "x", "args": []})["reached"] == 0


# --- large ---


@pytest.mark.parametrize("length", [20_001, 200 * MEGABYTE, 1 << 62])
def test_declared_lengths_cost_nothing(engine, holding, neighbour, length):
    def declare(n: int) -> int | None:
        with engine.client() as client:
            client.send_raw(head(BINARY, length) + b"kkkk" + b"x" * 1_000)
            return client.close_code()

    assert together(50, declare) == [1009] * 50
    holding.gone(3, sessions=1)
    assert holding.grown() < 20 * MEGABYTE


def test_half_sent_messages_cost_no_more_than_the_limit_and_go(engine, holding, neighbour):
    with ExitStack() as held:
        for _ in range(100):
            client = held.enter_context(engine.client())
            client.send_raw(head(BINARY, 20_000) + b"kkkk" + b"x" * 19_000)
        time.sleep(0.2)
        assert holding.grown() < 100 * 20_000 * 2 + 20 * MEGABYTE
        holding.gone(5, sessions=1)


def test_a_hundred_thousand_fragments_of_one_byte(engine, holding, neighbour):
    with engine.client() as client:
        client.send_raw(frame(BINARY, b"", fin=False))
        with suppress(OSError):
            for _ in range(100):
                client.send_raw(frame(0, b"x", fin=False) * 1_000)
        assert client.close_code() == 1009
    holding.gone(3, sessions=1)
    assert holding.grown() < 10 * MEGABYTE


def test_bodies_of_absurd_length_are_refused(engine, holding, neighbour):
    lengths = ["999999999", "99999999999999999999", "-1", "1e9", "0x10"]

    def post(n: int) -> bytes:
        path = poll_session(engine)
        with tcp(engine) as sock:
            sock.sendall(
                f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {lengths[n % 5]}\r\n\r\nx".encode()
            )
            return until_closed(sock)[:12]

    assert all(answer in (b"HTTP/1.1 400", b"HTTP/1.1 413") for answer in together(50, post))
    holding.gone(5, sessions=1)


def test_a_head_without_end_is_refused_before_it_is_large(engine, holding, neighbour):
    def send(n: int) -> int:
        sent = 0
        with tcp(engine) as sock, suppress(OSError):
            sock.sendall(b"GET /health HTTP/1.1\r\n")
            while sent < 50 * MEGABYTE:
                sent += sock.send(b"X-Filler: " + b"y" * 4_000 + b"\r\n")
        return sent

    assert max(together(10, send)) < 50 * MEGABYTE
    holding.gone(3, sessions=1)
    assert holding.grown() < 20 * MEGABYTE


# --- floods ---

FLOODS = {
    "pings": frame(PING, b"p" * 20),
    "pongs": frame(PONG, b"p"),
    "empty fragments": frame(0, b"", fin=False),
    "engine pongs": frame(TEXT, b"3"),
    "events of nobody": frame(TEXT, b'42["unknown",1]'),
    "events": frame(TEXT, b'42["nothing"]'),
    "acknowledgements": frame(TEXT, b"437[]"),
    "unknown namespaces": frame(TEXT, b"40/nowhere,"),
    "refused connects": frame(TEXT, b'40/other,{"a":1}') + frame(TEXT, b"41/other,"),
}


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_disturbs_nobody_and_leaves_nothing(engine, holding, neighbour, kind):
    """0.4 s of as much as the socket takes, from three clients that also read."""

    def flood(n: int) -> None:
        with engine.client() as client, suppress(OSError, EOFError):
            client.join()
            if kind == "empty fragments":
                client.send_raw(frame(TEXT, b"4", fin=False))
            reading = gevent.spawn(drain, client)
            end = time.monotonic() + 0.4
            try:
                while time.monotonic() < end:
                    client.send_raw(FLOODS[kind] * 50)
            finally:
                reading.kill()

    def drain(client) -> None:
        with suppress(OSError, EOFError):
            while client.sock.recv(65_536):
                pass

    before = len(neighbour.seen)
    with gevent.Timeout(10):
        together(3, flood)
    wait_until(lambda: len(neighbour.seen) > before, "the neighbour to be served", 3)
    holding.gone(6, sessions=1)
    assert holding.grown() < 20 * MEGABYTE


@pytest.mark.parametrize("packet", ["40", '40{"wish":"refusal"}', '40{"wish":"slow"}'])
def test_a_flood_of_connect_packets_ends_the_session_or_is_refused(engine, holding, neighbour, packet):
    def flood(n: int) -> None:
        with engine.client() as client, suppress(OSError):
            client.send_raw(frame(TEXT, packet.encode()) * 1_000)
            client.sock.settimeout(4)
            client.close_code()

    with gevent.Timeout(10):
        together(5, flood)
    holding.gone(6, sessions=1)


def test_peers_that_read_nothing_are_gone_with_what_waited_for_them(engine, holding, neighbour):
    with ExitStack() as held:
        for _ in range(20):
            client = held.enter_context(engine.client(receive_buffer=4_096))
            client.join()
            client.call("join", "firehose")
        for _ in range(4):
            engine.post("/flood?room=firehose&count=5&size=50000")
        holding.gone(6, sessions=1)
    assert holding.grown() < 20 * 300_000 + 20 * MEGABYTE
    dropped = [who for what, who, _ in engine.state()["happened"] if what == "drop"]
    assert len(dropped) >= 20


def test_the_kernel_keeps_little_for_a_peer_that_reads_nothing(engine, holding, neighbour):
    """Its buffers grow to megabytes by themselves, and no count of the process's memory shows them."""
    with engine.client(receive_buffer=4_096) as client:
        client.join()
        client.call("join", "firehose")
        engine.post("/flood?room=firehose&count=5&size=50000")
        engine.until(lambda s: s["queued_bytes"] > 0, "a backlog")
        ends = f":{engine.port:04X} 0100007F:{client.sock.getsockname()[1]:04X}"
        [line] = [line for line in Path("/proc/net/tcp").read_text().splitlines() if ends in line]
        unsent = int(line.split()[4].split(":")[0], 16)
        assert 0 < unsent <= 2 * SEND_BUFFER  # Linux doubles what it is told, for its own bookkeeping
    holding.gone(6, sessions=1)


# --- sudden ---


@pytest.mark.parametrize("end", [vanish, socket.socket.close])
@pytest.mark.parametrize("said", [b"", b"GET /hea", b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_a_thousand_connections_opened_and_dropped_at_once(engine, holding, neighbour, end, said):
    for _ in range(2):  # twice 500: the listener's backlog is 2,048
        socks = [socket.create_connection(("127.0.0.1", engine.port), timeout=10) for _ in range(500)]
        for sock in socks:
            sock.sendall(said)
        for sock in socks:
            end(sock)
    holding.gone(5, sessions=1)
    assert holding.grown() < 20 * MEGABYTE


@pytest.mark.parametrize("end", [vanish, socket.socket.close])
def test_members_that_vanish_together_leave_nothing(engine, holding, neighbour, end):
    clients = [engine.client() for _ in range(200)]
    for client in clients:
        client.join()
    for client in clients:
        end(client.sock)
    holding.gone(4, sessions=1)
    assert engine.post("/deliver", {"rooms": ["everyone"], "event": "last", "args": []})["reached"] == 1


@pytest.mark.parametrize("stage", ["handshake", "head", "open", "probe", "switch"])
def test_a_candidate_that_vanishes_leaves_only_its_session(engine, holding, neighbour, stage):
    """At any moment of the upgrade; the polling session then dies of its own silence."""

    def upgrade(n: int) -> None:
        path = poll_session(engine).replace("polling", "websocket")
        if stage in ("handshake", "head"):
            with tcp(engine) as sock:
                data = handshake(path)
                sock.sendall(data if stage == "handshake" else data[:-2])
                vanish(sock)
            return
        with WebSocket(engine.port, path) as ws:
            if stage != "open":
                ws.send("2probe")
                ws.text()
            if stage == "switch":
                ws.send("5")
            vanish(ws.sock)

    together(50, upgrade)
    holding.gone(6, sessions=1)


def test_waiting_polls_that_vanish_end_their_sessions_at_once(engine, holding, neighbour):
    def poll(n: int) -> None:
        path = poll_session(engine)
        with tcp(engine) as sock:
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            gevent.sleep(0.1)
            vanish(sock)

    together(100, poll)
    holding.gone(3, sessions=1)


def test_requests_whose_client_vanished_do_not_disturb_the_next(engine, holding, neighbour):
    def ask(n: int) -> None:
        with tcp(engine) as sock:
            sock.sendall(b"GET /late-health HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
            vanish(sock)

    together(50, ask)
    with closing(http.client.HTTPConnection("127.0.0.1", engine.port, timeout=3)) as connection:
        connection.request("GET", "/health")
        assert connection.getresponse().status == 200
    holding.gone(5, sessions=1)
