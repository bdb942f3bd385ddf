"""Asking Laravel: bounded whatever it answers, and left alone while it is down."""

import socket
import ssl
import time

import gevent
import pytest
from gevent.server import StreamServer

from mechamap.laravel import patience
from mechamap.laravel.client import MAX_ANSWER, Body, Bounds, LaravelClient, NoAnswer, Trouble
from mechamap.store.breaker import State
from tests.cli.certificate import make_certificate
from tests.services.laravel_api import (
    HTML,
    HUGE,
    REDIRECT,
    LaravelApi,
    breaks_off,
    drips,
    garbage,
    hangs,
    hangs_up,
    says,
)
from tests.services.processes import wait_until

QUICK = Bounds(connect=0.2, total=0.3, at_once=2, waiting=3)


@pytest.fixture
def client(laravel_api: LaravelApi) -> LaravelClient:
    return LaravelClient(f"{laravel_api.url}/ask", QUICK)


def ask(client: LaravelClient):
    return client.post(b"x=1", {"Accept": "application/json"})


@pytest.mark.parametrize(
    ("behaviour", "status", "kind"),
    [
        (says(b""), 200, Body.EMPTY),
        (says(b" \r\n "), 200, Body.EMPTY),
        (HTML, 200, Body.HTML),
        (REDIRECT, 302, Body.HTML),
        (HUGE, 200, Body.HUGE),
        (says(b"true", content_type="text/html"), 200, Body.JSON),
        (says({"a": 1}, 500), 500, Body.JSON),
        (says(b"hello"), 200, Body.OTHER),
        (says(b"{}", Content_Encoding="gzip"), 200, Body.OTHER),
    ],
)
def test_whatever_laravel_says_is_an_answer(client, laravel_api, behaviour, status, kind):
    laravel_api.behaviour = behaviour
    answer = ask(client)
    assert (answer.status, answer.kind) == (status, kind)
    assert len(answer.body) <= MAX_ANSWER
    assert [asked.path for asked in laravel_api.asked] == ["/ask"]  # a redirect is not followed


@pytest.mark.parametrize(
    ("behaviour", "trouble"),
    [
        (hangs, Trouble.TIMEOUT),
        (drips, Trouble.TIMEOUT),
        (garbage, Trouble.UNREACHABLE),
        (breaks_off, Trouble.UNREACHABLE),
        (hangs_up, Trouble.UNREACHABLE),
    ],
)
def test_no_answer_comes_in_time(client, laravel_api, behaviour, trouble):
    laravel_api.behaviour = behaviour
    began = time.monotonic()
    with pytest.raises(NoAnswer) as failure:
        ask(client)
    assert failure.value.trouble is trouble
    assert failure.value.retry_after > 0
    assert time.monotonic() - began < 5  # drips would take a minute


def test_nobody_there(laravel_api):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(NoAnswer) as failure:
            ask(LaravelClient(f"http://127.0.0.1:{nobody.getsockname()[1]}", QUICK))
    assert failure.value.trouble is Trouble.UNREACHABLE


def test_a_name_that_does_not_resolve():
    with pytest.raises(NoAnswer) as failure:
        ask(LaravelClient("http://laravel.invalid/", QUICK))
    assert failure.value.trouble in (Trouble.UNREACHABLE, Trouble.TIMEOUT)


def test_a_certificate_of_nobody_is_refused(tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_certificate(tmp_path))
    server = StreamServer(("127.0.0.1", 0), lambda *_: None, ssl_context=context)
    server.start()
    try:
        with pytest.raises(NoAnswer) as failure:
            ask(LaravelClient(f"https://localhost:{server.server_port}", Bounds()))
        assert failure.value.trouble is Trouble.CERTIFICATE
    finally:
        server.stop(timeout=0)


def test_after_three_vain_questions_laravel_is_left_alone_and_then_tried_by_one(
    client, laravel_api, monkeypatch
):
    monkeypatch.setattr(patience, "SHORTEST_PAUSE", 0.2)
    laravel_api.behaviour = says(b"", 503)
    for _ in range(3):
        assert ask(client).status == 503
    for _ in range(5):
        with pytest.raises(NoAnswer) as failure:
            ask(client)
        assert failure.value.trouble is Trouble.PAUSED
    assert len(laravel_api.asked) == 3
    laravel_api.behaviour = says({})
    while client.state is State.OPEN:
        gevent.sleep(0.01)
    assert ask(client).status == 200
    assert client.state is State.CLOSED


def test_an_answer_between_shows_that_it_is_no_outage(client, laravel_api):
    for _ in range(4):
        laravel_api.behaviour = hangs_up
        with pytest.raises(NoAnswer):
            ask(client)
        laravel_api.behaviour = says({})
        assert ask(client).status == 200


@pytest.mark.parametrize("retry_after", ["7", "Fri, 31 Dec 2100 23:59:59 GMT", None, "soon"])
def test_a_429_is_honoured(client, laravel_api, retry_after):
    headers = {"Retry_After": retry_after} if retry_after else {}
    laravel_api.behaviour = says({"message": "Too Many Attempts."}, 429, **headers)
    assert ask(client).status == 429
    with pytest.raises(NoAnswer) as failure:
        ask(client)
    assert failure.value.trouble is Trouble.PAUSED
    assert len(laravel_api.asked) == 1


def test_so_many_at_once_and_so_many_waiting(client, laravel_api):
    laravel_api.behaviour = hangs

    def outcome() -> Trouble:
        try:
            ask(client)
        except NoAnswer as err:
            return err.trouble
        raise AssertionError

    asking = [gevent.spawn(outcome) for _ in range(7)]
    wait_until(lambda: len(laravel_api.asked) == 2, "two to be asked", 2)
    gevent.joinall(asking, timeout=5)
    outcomes = [greenlet.value for greenlet in asking]
    assert outcomes.count(Trouble.BUSY) >= 2  # there was no room to wait
    assert outcomes.count(Trouble.TIMEOUT) >= 2
    assert None not in outcomes


def test_a_kept_connection_that_laravel_closed_is_replaced(client, laravel_api):
    def once(connection, asked):
        says({})(connection, asked)
        connection.shutdown(socket.SHUT_RDWR)

    laravel_api.behaviour = once
    for _ in range(3):
        assert ask(client).status == 200
