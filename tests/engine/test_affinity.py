"""Several workers on one port: a session's requests reach its owner, whichever worker accepted them."""

import http.client
import json
import os
import signal
import socket
import stat
import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from mechamap.engine import handover, ids
from mechamap.engine.handover import Handover
from tests.services.processes import wait_until

from .conftest import Engine
from .lines import (
    PATH,
    Line,
    all_listen,
    alone,
    cost,
    folder_of,
    lines,
    no_dearer,
    own,
    read_until,
    read_until_close,
    several,
    upgrade,
)
from .wire import TEXT, frame


@pytest.fixture(scope="module")
def three(serve_module) -> Engine:
    """Three workers. Pings are rare: what a test reads is what it caused."""
    return several(serve_module, 3)


# --- polling ---


def test_every_request_is_answered_by_the_owner_wherever_it_arrives(three):
    with lines(three) as all_lines:
        for number, owner in enumerate(all_lines):
            path = owner.open()
            other = all_lines[number - 1]
            other.join(path)
            assert other.request("POST", path, b'421["echo","x"]') == (200, "ok")
            assert other.get(path) == (200, '431["x"]')


def test_a_connection_goes_on_where_its_last_session_lives(three):
    first, second, third = three.application.workers()
    with Line(three, first) as line:
        paths = {pid: own(three, pid) for pid in (second, third, first)}
        for pid in (second, third, second, first, third):
            assert line.request("POST", paths[pid], b"3") == (200, "ok")
            assert line.json("/health")["pid"] == pid


def test_pipelined_requests_go_to_the_owner_of_each(three):
    first, second, third = three.application.workers()
    paths = {pid: own(three, pid) for pid in (second, third, first)}
    requests = [f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n40" for path in paths.values()]
    with Line(three, first) as line:
        line.sock.sendall("".join(requests).encode())
        answers = b""
        while answers.count(b"\r\n\r\nok") < 3:
            answers += read_until(line.sock, b"ok")
    for pid, path in paths.items():
        with Line(three, pid) as line:
            assert line.get(path)[1].startswith("40{")


@pytest.mark.parametrize("size", [10, 8_000, 19_000])
def test_a_body_reaches_the_owner_whole(three, size):
    first, second, _ = three.application.workers()
    path = own(three, second)
    with Line(three, first) as line:
        line.join(path)
    body = b'421["echo","' + b"x" * size + b'"]'
    with Line(three, first) as line:
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        line.sock.sendall(head + body[:7])
        time.sleep(0.05)
        line.sock.sendall(body[7:])
        assert read_until(line.sock, b"\r\n\r\nok")
        answer = line.get(path)[1]
    assert answer == f'431["{"x" * size}"]'


def test_a_chunked_body_and_one_that_waits_for_100_reach_the_owner(three):
    first, second, _ = three.application.workers()
    path = own(three, second)
    with Line(three, first) as line:
        line.sock.sendall(
            f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
            + b"2\r\n40\r\n0\r\n\r\n"
        )
        assert read_until(line.sock, b"\r\n\r\nok")
    with Line(three, first) as line:
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"
        line.sock.sendall(head.encode())
        assert read_until(line.sock, b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        line.sock.sendall(b"3")
        assert read_until(line.sock, b"\r\n\r\nok")


def test_a_client_that_hangs_up_in_a_poll_is_noticed_by_the_owner(three):
    first, second, _ = three.application.workers()
    path = own(three, second)
    with Line(three, first) as line:
        line.join(path)
        line.http.request("GET", path)
        time.sleep(0.1)
    with Line(three, second) as owner:
        wait_until(lambda: owner.get(path)[0] == 400, "the session to end")


# --- the upgrade ---


def test_an_upgrade_at_another_worker_moves_the_session_to_the_websocket(three):
    first, second, _ = three.application.workers()
    path = own(three, second)
    with Line(three, first) as line:
        line.join(path)
    with Line(three, first) as line:
        upgrade(line, path)
        line.sock.sendall(frame(TEXT, b'427["echo","' + b"y" * 15_000 + b'"]'))
        assert read_until(line.sock, b'"]').endswith(b"y" * 15_000 + b'"]')
        with Line(three, first) as beside:
            connections = [beside.json("/state")["connections"]]
            beside.request("POST", own(three, second), b"40")
            connections.append(beside.json("/state")["connections"])
    assert [["websocket" in [c[1] for c in there] for there in connections]] == [[False, True]]


# --- who the client is ---


def test_the_owner_sees_the_client_s_own_address_whatever_its_headers_say(serve):
    access = {"accesslog": "-", "access_log_format": "seen %(h)s %(m)s %({x-forwarded-for}i)s"}
    engine = several(serve, 2, gunicorn=access)
    first, second = engine.application.workers()
    path = own(engine, second)
    with alone(engine, first):
        http_connection = http.client.HTTPConnection(
            "127.0.0.1", engine.port, timeout=5, source_address=("127.0.0.9", 0)
        )
        http_connection.request("GET", "/health")
        assert json.loads(http_connection.getresponse().read())["pid"] == first
    forged = {"X-Forwarded-For": "203.0.113.9", "Address": "203.0.113.9", "Scheme": "https"}
    with closing(http_connection):
        http_connection.request("POST", path, b"40", forged)
        assert http_connection.getresponse().read() == b"ok"
    wait_until(lambda: "seen 127.0.0.9 POST 203.0.113.9" in engine.application.log(), "the line of the log")
    assert "sid=" not in engine.application.log()


def test_a_handover_cannot_be_imitated_at_the_public_port(three):
    message = Handover(("203.0.113.9", 1), b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").encode()
    with socket.create_connection(("127.0.0.1", three.port), timeout=5) as sock:
        sock.sendall(message + b"\r\n\r\n")
        assert b" 200 " not in read_until_close(sock)


# --- sids that lead nowhere ---


@pytest.mark.parametrize(
    "sid",
    [
        "unknown",
        ids.new_id(7),
        ids.new_id(9_998),
        ids.new_id(1).replace(".", "/../"),
        f"0{ids.new_id(0)}",
        f"{ids.new_id(0)}%00",
        f"{ids.new_id(1)}&sid={ids.new_id(2)}",
        "9" * 5_000,
    ],
)
def test_a_sid_nobody_owns_is_unknown_everywhere(three, sid):
    for pid in three.application.workers():
        with Line(three, pid) as line:
            began = time.monotonic()
            status, body = line.get(f"{PATH}&sid={sid}")
            assert (status, json.loads(body)["message"]) == (400, "Session ID unknown")
            assert time.monotonic() - began < 0.5


def test_only_the_transport_s_path_is_taken_to_another_worker(three):
    first, second, _ = three.application.workers()
    sid = own(three, second).rpartition("=")[2]
    with Line(three, first) as line:
        assert line.json(f"/health?sid={sid}")["pid"] == first


def test_an_enormous_head_is_refused_and_the_owner_untouched(three):
    first, second, _ = three.application.workers()
    path = own(three, second)
    with Line(three, first) as line:
        status, _ = line.request("POST", path, b"40", **{f"X-{n}": "y" * 50_000 for n in range(4)})
        assert status == 431
    with Line(three, first) as line:
        line.join(path)


# --- the private socket ---


def test_the_doors_are_for_this_user_alone_and_go_with_the_server(serve):
    engine = several(serve, 2)
    folder = folder_of(engine)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(door.name for door in folder.iterdir()) == ["0", "1"]
    engine.application.stop()
    assert not folder.exists()


def test_the_doors_go_even_when_the_master_is_killed(serve):
    engine = several(serve, 2)
    folder = folder_of(engine)
    engine.application.kill()
    wait_until(lambda: not folder.exists(), "the last worker to remove it")


def test_a_request_that_came_from_a_worker_is_not_passed_on_again(three):
    first = three.application.workers()[0]
    path = own(three, first)
    strangers = {"0", "1", "2"} - {str(ids.slot_of(path.rpartition("=")[2]))}
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(5)
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        door = str(folder_of(three) / strangers.pop())
        assert handover.send(door, theirs.fileno(), Handover(("127.0.0.1", 1), request))
        theirs.close()
        assert b"Session ID unknown" in read_until_close(ours)


@pytest.mark.parametrize(
    "junk",
    [b"", b"\x00", b'\x00\x00\x00\x05""\n', b"\xff" * 9, b"\x00\x00\x00\x02{}more", b"\x00\x00\x00\x02{}"],
)
def test_a_broken_message_harms_nobody(three, junk):
    before = cost(three)
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.socket(socket.AF_UNIX) as channel:
        channel.settimeout(5)
        channel.connect(str(folder_of(three) / "1"))
        if junk:
            socket.send_fds(channel, [junk], [theirs.fileno()])
        channel.shutdown(socket.SHUT_WR)
        assert read_until_close(channel) == b""
    assert no_dearer(three, before)
    assert "Traceback" not in three.application.log()


# --- nothing is left behind ---


def watched_but_closed(pid: int) -> set[int]:
    """Descriptors the worker's event loop is still registered for although the worker has closed them."""
    process = Path(f"/proc/{pid}")
    watched = set()
    for info in (process / "fdinfo").iterdir():
        for line in info.read_text().splitlines():
            if line.startswith("tfd:"):
                watched.add(int(line.split()[1]))
    return watched - {int(one.name) for one in (process / "fd").iterdir()}


def test_hundreds_of_passed_connections_leave_nothing_behind(three):
    first, second, _ = three.application.workers()
    path = own(three, second)
    before = cost(three)
    with alone(three, first):
        held = [socket.create_connection(("127.0.0.1", three.port), timeout=5) for _ in range(300)]
        for sock in held:
            sock.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        for sock in held:
            read_until(sock, b"}")
    for sock in held:
        sock.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n3".encode())
        read_until(sock, b"\r\n\r\nok")
    assert cost(three)[second][0] >= before[second][0] + 300
    assert cost(three)[first][0] <= before[first][0] + 2
    assert watched_but_closed(first) == set()
    for sock in held:
        sock.close()
    wait_until(lambda: no_dearer(three, before), "the owner to let go")


def test_passed_connections_count_for_the_owner_s_limit(serve):
    engine = several(serve, 2, gunicorn={"worker_connections": 1})
    first, second = engine.application.workers()
    path = own(engine, second)
    with ExitStack() as held:
        answers = []
        for _ in range(70):
            line = held.enter_context(Line(engine, first))
            answers.append(line.request("POST", path, b"3")[0])
        assert answers[:60] == [200] * 60
        assert answers[-1] == 503
        assert held.enter_context(Line(engine, first)).get("/health")[0] == 200


# --- owners that do not answer ---


def test_the_sessions_of_a_killed_worker_are_unknown_at_once_and_after_its_replacement(three):
    first, second, other = three.application.workers()
    path = own(three, second)
    with Line(three, first) as line:
        os.kill(second, signal.SIGKILL)
        wait_until(lambda: second not in three.application.workers(), "its end")
        began = time.monotonic()
        status, body = line.get(path)
        assert (status, json.loads(body)["code"]) == (400, 1)
        assert time.monotonic() - began < 0.5
        wait_until(lambda: all_listen(three, 3), "a new worker")
        [replacement] = set(three.application.workers()) - {first, other}
        fresh = own(three, replacement)
        assert line.request("POST", fresh, b"40") == (200, "ok")
        assert line.get(path)[0] == 400


def test_a_request_waits_for_a_busy_owner_and_is_answered_when_that_one_dies(three):
    first, second, _ = three.application.workers()
    path = own(three, second)
    with Line(three, first) as patient, Line(three, first) as unlucky:
        os.kill(second, signal.SIGSTOP)
        patient.http.request("POST", path, b"40")
        time.sleep(0.2)
        os.kill(second, signal.SIGCONT)
        assert patient.read() == (200, "ok")
        os.kill(second, signal.SIGSTOP)
        unlucky.http.request("GET", path)
        time.sleep(0.2)
        os.kill(second, signal.SIGKILL)
        status, body = unlucky.read()
        assert (status, json.loads(body)["code"]) == (400, 1)
    wait_until(lambda: all_listen(three, 3), "a new worker")


def test_a_request_is_answered_once_by_whoever_waits_too_long_for_a_frozen_owner(three):
    """The owner wakes up with the connection in its hands, and must not answer as well."""
    first, second, _ = three.application.workers()
    path = own(three, second)
    with Line(three, first) as line:
        os.kill(second, signal.SIGSTOP)
        try:
            status, body = line.request("POST", path, b"40")
            assert (status, json.loads(body)["code"]) == (400, 1)
        finally:
            os.kill(second, signal.SIGCONT)
        assert line.get("/health")[0] == 200
        line.http.close()
    wait_until(lambda: "handover_failed" in three.application.log(), "the owner to drop it")


def test_an_owner_that_is_not_told_to_go_ahead_serves_nothing(three):
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.socket(socket.AF_UNIX) as channel:
        ours.settimeout(5)
        channel.settimeout(5)
        channel.connect(str(folder_of(three) / "1"))
        request = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        socket.send_fds(channel, [Handover(("127.0.0.1", 1), request).encode()], [theirs.fileno()])
        theirs.close()
        assert channel.recv(1) == b"t"
        channel.close()
        assert read_until_close(ours) == b""


def test_a_worker_that_leaves_still_serves_its_sessions_through_the_others(three):
    first, second, _ = three.application.workers()
    path = own(three, second)
    with Line(three, first) as line:
        line.join(path)
        line.request("POST", path, b'421["echo","last"]')
    with Line(three, first) as events, Line(three, first) as farewell:
        os.kill(second, signal.SIGTERM)
        time.sleep(0.3)
        assert events.get(path) == (200, '431["last"]')
        assert farewell.get(path) == (200, "1")
    wait_until(lambda: all_listen(three, 3), "a new worker")
