"""Several workers that speak TLS themselves: the worker that accepted a connection relays it to the owner."""

import json
import os
import signal
import time

import pytest

from tests.services.processes import wait_until

from .conftest import Engine
from .lines import (
    PATH,
    Line,
    all_listen,
    cost,
    no_dearer,
    own,
    read_until,
    read_until_close,
    several,
    upgrade,
)
from .wire import TEXT, anyone, frame


@pytest.fixture(scope="module")
def two(serve_module, certificate) -> Engine:
    """Two workers. No list of origins: a page must be of the same origin, scheme included."""
    options, cert = {"cors_allowed_origins": None}, certificate["certfile"]
    return several(serve_module, 2, options, certificate, SSL_CERT_PATH=cert)


def line_to(engine: Engine, worker: int) -> Line:
    return Line(engine, worker, tls=anyone())


def test_polls_and_posts_are_relayed_and_the_connection_stays_open(two):
    first, second = two.application.workers()
    path, ours = own(two, second, tls=anyone()), own(two, first, tls=anyone())
    with line_to(two, first) as line:
        line.join(path)
        for size in (1, 19_000):
            body = '421["echo","' + "x" * size + '"]'
            assert line.request("POST", path, body) == (200, "ok")
            assert line.get(path) == (200, '431["' + "x" * size + '"]')
        assert line.json("/health")["pid"] == second
        assert line.request("POST", ours, "40") == (200, "ok")


def test_the_owner_knows_that_the_client_came_by_tls(two):
    first, second = two.application.workers()
    path = own(two, second, tls=anyone())
    for scheme, status in {"https": 200, "http": 403}.items():
        with line_to(two, first) as line:
            origin = f"{scheme}://127.0.0.1:{two.port}"
            forged = {"X-Forwarded-Proto": "http"}
            assert line.request("POST", path, "3", Origin=origin, **forged)[0] == status


def test_an_upgrade_is_relayed_and_both_ends_notice_the_other_s_end(two):
    first, second = two.application.workers()
    before = cost(two, tls=anyone())
    for end in ("client", "session"):
        path = own(two, second, tls=anyone())
        with line_to(two, first) as line:
            line.join(path)
        with line_to(two, first) as line:
            upgrade(line, path)
            line.sock.sendall(frame(TEXT, b'427["echo","' + b"y" * 15_000 + b'"]'))
            assert read_until(line.sock, b'"]').endswith(b"y" * 15_000 + b'"]')
            if end == "session":
                line.sock.sendall(frame(TEXT, b"1"))
                read_until_close(line.sock)
    wait_until(lambda: no_dearer(two, before, tls=anyone()), "both workers to let go")


def test_many_relayed_polls_leave_nothing_behind(two):
    first, second = two.application.workers()
    before = cost(two, tls=anyone())
    path = own(two, second, tls=anyone())
    for _ in range(40):
        with line_to(two, first) as line:
            assert line.request("POST", path, "3") == (200, "ok")
    wait_until(lambda: no_dearer(two, before, tls=anyone()), "both workers to let go")


def test_a_relayed_client_learns_of_the_owner_s_death_and_the_next_request_is_unknown(two):
    first, second = two.application.workers()
    path = own(two, second, tls=anyone())
    with line_to(two, first) as waiting, line_to(two, first) as later:
        waiting.join(path)
        waiting.http.request("GET", path)
        time.sleep(0.1)
        os.kill(second, signal.SIGKILL)
        began = time.monotonic()
        assert read_until_close(waiting.sock) == b""
        status, body = later.get(path)
        assert (status, json.loads(body)["code"]) == (400, 1)
        assert time.monotonic() - began < 1
    wait_until(lambda: all_listen(two, 2), "a new worker")


def test_a_worker_that_leaves_does_not_wait_for_sessions_of_others(two):
    first, second = two.application.workers()
    path = own(two, second, tls=anyone())
    with line_to(two, first) as line:
        line.join(path)
        line.http.request("GET", path)
        time.sleep(0.1)
        began = time.monotonic()
        os.kill(first, signal.SIGTERM)
        wait_until(lambda: first not in two.application.workers(), "its end")
        assert time.monotonic() - began < 2
    with line_to(two, second) as owner:
        assert owner.get(PATH)[0] == 200
    wait_until(lambda: all_listen(two, 2), "a new worker")
