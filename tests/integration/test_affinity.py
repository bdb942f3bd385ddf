"""Stock clients on several workers and one port, without anything that pins a browser to a worker."""

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.deploy.nginx import Nginx, start_nginx
from tests.services.application import Application
from tests.services.browser_client import BrowserClient
from tests.services.processes import wait_until

from .conftest import settings, token

__all__ = ["start_nginx"]

TRANSPORTS = {
    "websocket": {"transports": ["websocket"]},
    "polling": {"transports": ["polling"]},
    "upgraded": {"transports": ["polling", "websocket"]},
}
POLLING = TRANSPORTS["polling"]
RETURNING = {**POLLING, "reconnection": True, "reconnectionDelay": 50, "reconnectionDelayMax": 200}
WORKERS = 3


@pytest.fixture(scope="module")
def server(serve_module, lasting_redis, plan_url) -> Application:
    """Three workers on one port."""
    server = serve_module(
        settings(
            REDIS_URL=lasting_redis.url,
            WEB_CONCURRENCY=str(WORKERS),
            LARAVEL_DATABASE_URL=plan_url,
            MAX_CONNECTIONS_PER_USER="50",
            TRUSTED_PROXIES="127.0.0.1",
        )
    )
    wait_until(lambda: started(server) == WORKERS, "all workers", timeout=20)
    return server


def started(server: Application) -> int:
    """How many workers have begun to serve since the server's start."""
    return server.log().count("worker_ready")


def slot_of(browser: BrowserClient) -> str:
    return browser.id.partition(".")[0][:-16]


class Entrance:
    """Where browsers come in: the server's own port, or an nginx that knows nothing of sessions."""

    def __init__(self, url: str, client: Callable[[], BrowserClient]) -> None:
        self.url = url
        self._client = client

    def browser(self, user_id: int = 2, **options: Any) -> BrowserClient:
        browser = self._client().connect(
            self.url, auth={"token": token(user_id)}, rejectUnauthorized=False, **options
        )
        browser.wait_for("connected")
        return browser


@pytest.fixture(params=["bare", "nginx"])
def entrance(request, server, node_client) -> Entrance:
    if request.param == "bare":
        return Entrance(server.url, node_client)
    nginx: Nginx = request.getfixturevalue("start_nginx")(server.port)
    return Entrance(nginx.url, node_client)


@pytest.mark.parametrize("way", TRANSPORTS)
def test_twelve_of_twelve_browsers_connect_and_hear_everything_in_order(entrance, site, way):
    browsers = [entrance.browser(2, **TRANSPORTS[way]) for _ in range(12)]
    for browser in browsers:
        assert browser.emit_ack("subscribe", {"channel": "public.twelve"})["status"] == "success"
    for number in range(20):
        site.broadcast("public.twelve", "n", number)
    for browser in browsers:
        assert [args[0] for args in browser.wait_for_many("n", 20)] == list(range(20))
    for browser in browsers:
        wait_until(lambda b=browser: b.transport() == TRANSPORTS[way]["transports"][-1], "the upgrade")
    site.broadcast("public.twelve", "last")
    for browser in browsers:
        browser.wait_for("last")
        assert browser.events("disconnect") == []


def test_polling_browsers_hear_the_same_order_as_the_others_while_several_publish(entrance, site):
    browsers = [entrance.browser(2, **TRANSPORTS[way]) for way in (*TRANSPORTS, *TRANSPORTS)]
    for browser in browsers:
        assert browser.emit_ack("subscribe", {"channel": "public.order"})["status"] == "success"

    def publish(origin: int) -> None:
        for number in range(40):
            site.broadcast("public.order", "n", [origin, number])

    with ThreadPoolExecutor(3) as publishers:
        list(publishers.map(publish, range(3)))
    received = [[args[0] for args in browser.wait_for_many("n", 120)] for browser in browsers]
    assert all(order == received[0] for order in received)


def test_a_burst_of_emits_over_polling_arrives_whole_and_in_order(entrance):
    browser = entrance.browser(2, **POLLING)
    browser.emit_many([["subscribe", {"channel": f"public.burst-{number}"}] for number in range(30)])
    _greeting, *answers = browser.wait_for_many("subscribed", 31)
    names = [args[0]["channel"] for args in answers]
    assert names == [f"public.burst-{number}" for number in range(30)]


def test_a_killed_worker_s_polling_browsers_come_back_elsewhere(site):
    # three workers: one that owns none of sixteen is a matter of one run in six hundred
    browsers = [site.browser(2, **RETURNING) for _ in range(16)]
    before = started(site.server)
    victim = site.server.workers()[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: any(browser.events("disconnect") for browser in browsers), "its browsers to notice")
    wait_until(lambda: all(browser.connected() for browser in browsers), "everyone to be back", timeout=15)
    lost = [browser for browser in browsers if browser.events("disconnect")]
    assert len(lost) < len(browsers)
    site.broadcast("private-user.2", "after")
    for browser in browsers:
        browser.wait_for("after")
    wait_until(lambda: started(site.server) == before + 1, "a new worker", timeout=20)


def test_a_rolling_restart_moves_polling_browsers_to_new_workers(site):
    browsers = [site.browser(2, **RETURNING) for _ in range(6)]
    before = set(site.server.workers())
    os.kill(site.server.pid, signal.SIGHUP)
    for browser in browsers:
        browser.wait_for("disconnect", timeout=15)
        browser.wait_for("connected", timeout=15)
    wait_until(lambda: not before & set(site.server.workers()), "the old workers to leave", timeout=20)
    for browser in browsers:
        assert browser.emit_ack("subscribe", {"channel": "public.back"})["status"] == "success"
    site.broadcast("public.back", "back")
    for browser in browsers:
        browser.wait_for("back")
