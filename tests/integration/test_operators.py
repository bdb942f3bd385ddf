"""What operators see and do on several workers: all is found, and orders act everywhere within a second."""

import os
import signal
import time

import pytest

from tests.cli.conftest import running_here
from tests.engine.wire import Client
from tests.services.node import NodeError
from tests.services.processes import private_directory, wait_until
from tests.services.redis import RedisServer

from .conftest import Site, plan_database, settings, token
from .test_cluster import on_both_workers, slot_of

WEBSOCKET = {"transports": ["websocket"]}
SOON = 1.0
"""Seconds in which an order acts everywhere."""


@pytest.fixture(scope="module")
def installation(serve_module, tmp_path_factory):
    """Two workers, and the commands of the same installation in this process."""
    redis = RedisServer()
    redis.start()
    server = serve_module(
        settings(
            REDIS_URL=redis.url,
            WEB_CONCURRENCY="2",
            LARAVEL_DATABASE_URL=plan_database(tmp_path_factory.mktemp("laravel") / "laravel.sqlite"),
            INSTANCE_PATH=str(private_directory("operators")),
            RATE_LIMITS="off",
            MAX_CONNECTIONS_PER_USER="50",
        )
    )
    try:
        with running_here(server.settings) as runner:
            runner.flask("db", "upgrade").succeeded()
            yield server, runner
    finally:
        server.stop(signal.SIGTERM)
        redis.close_clients()
        redis.remove()


@pytest.fixture
def cluster(installation, node_client):
    server, runner = installation
    wait_until(lambda: runner.flask("clients", "list", "--json").json() == [], "the test before to end")
    return Site(server, node_client), runner


def closed_with(browsers, code: str, since: float) -> None:
    for browser in browsers:
        assert browser.wait_for("force_disconnect")[0]["code"] == code
        assert browser.wait_for("disconnect")
    assert time.monotonic() - since < SOON


def let_in(site, user_id: int) -> bool:
    try:
        return site.browser(user_id, **WEBSOCKET).connected()
    except NodeError as err:
        assert "user_blocked" in str(err)
        return False


def test_operators_find_look_and_act_on_all_workers(cluster):
    site, here = cluster
    mine, other = on_both_workers(site, 2), site.browser(3, **WEBSOCKET)
    for browser in mine:
        browser.emit_ack("subscribe", {"channel": "public.news"})
    site.broadcast("public.news", "told", {"n": 1})
    mine[0].wait_for("told")

    # found on both, a page at a time
    found = here.flask("clients", "find", "--channel", "public.news", "--limit", "4", "--json").json()
    rest = here.flask(
        "clients", "find", "--channel", "public.news", "--after", found["after"], "--json"
    ).json()
    assert {row["sid"] for row in found["rows"] + rest["rows"]} == {browser.id for browser in mine}
    assert found["matches"] == rest["matches"] == len(mine)
    assert found["silent"] == []

    # one, as its worker has it; and the channel, as both have it
    for browser in (mine[0], next(each for each in mine if slot_of(each) != slot_of(mine[0]))):
        seen = here.flask("clients", "show", browser.id, "--json").succeeded().json()
        assert [each["name"] for each in seen["full"]["channels"]] == ["private-user.2", "public.news"]
        assert [each["event"] for each in seen["events"]] == ["told"]
    told = here.flask("channels", "show", "public.news", "--json").json()
    assert (told["reach"]["workers"], told["reach"]["connections"]) == (2, len(mine))
    assert (told["log"]["events"], told["per_minute"]) == (1, 1)

    # one token of several of the user
    with_another = site.browser(2, auth={"token": token(2, jti="another")}, **WEBSOCKET)
    began = time.monotonic()
    here.flask("clients", "revoke", with_another.id, "--yes").succeeded()
    closed_with([with_another], "token_revoked", began)
    assert all(browser.connected() for browser in mine)
    refused = site.refusal(auth={"token": token(2, jti="another")}, **WEBSOCKET)
    assert refused["data"]["code"] in ("token_revoked", "token_invalid")

    # a user, everywhere; nobody else
    began = time.monotonic()
    told = here.flask("clients", "block", "2", "--for", "1h", "--yes", "--json").succeeded().json()
    closed_with(mine, "user_blocked", began)
    assert told["connections"] == len(mine)
    for _ in range(4):  # whichever worker they come to
        assert site.refusal(auth={"token": token(2)}, **WEBSOCKET)["data"]["code"] == "user_blocked"
    assert other.connected()
    here.flask("clients", "unblock", "2").succeeded()
    began = time.monotonic()
    wait_until(lambda: all(let_in(site, 2) for _ in range(3)), "both workers to let the user in")
    assert time.monotonic() - began < SOON

    # a log, honestly
    assert here.flask("channels", "purge", "public.news", "--yes", "--json").json()["events"] == 1
    assert here.flask("channels", "history", "public.news", "--json").json()["reason"] == "trimmed"


def test_what_waits_for_a_browser_that_does_not_read_is_seen(cluster):
    site, here = cluster
    with Client(site.server.port, receive_buffer=4_096) as client:
        sid = client.join({"token": token(3)})
        site.browser(2, **WEBSOCKET)

        def some_waits() -> bool:
            for _ in range(4):  # the kernel takes megabytes; what it does not take is bounded by one
                assert site.broadcast("private-user.3", "big", "x" * 50_000).status == 200
            return bool(here.flask("clients", "find", "--queue", "20000", "--json").json()["rows"])

        wait_until(some_waits, "the kernel to take no more")
        first = here.flask("clients", "find", "--first", "queue", "--json").json()["rows"][0]
        assert first["sid"] == sid and first["queued_bytes"] > 20_000
        shown = here.flask("clients", "show", sid, "--json").json()["full"]["row"]
        assert shown["queued_packets"] >= 1 and shown["queued_bytes"] > 20_000


def test_a_worker_that_hangs_is_named_instead_of_passed_over(cluster):
    site, here = cluster
    browsers = on_both_workers(site, 2)
    wait_until(lambda: len(here.flask("clients", "list", "--json").json()) == len(browsers), "the roster")
    stopped = site.server.workers()[0]
    os.kill(stopped, signal.SIGSTOP)
    try:
        began = time.monotonic()
        found = here.flask("clients", "find", "--json").succeeded().json()
        assert time.monotonic() - began < 2
        assert [worker["pid"] for worker in found["silent"]] == [stopped]
        assert 0 < len(found["rows"]) < len(browsers)
        silent = next(each for each in browsers if each.id not in {row["sid"] for row in found["rows"]})
        seen = here.flask("clients", "show", silent.id).succeeded()
        assert "did not answer" in seen.err and "private-user.2" not in seen.out
    finally:
        os.kill(stopped, signal.SIGCONT)
