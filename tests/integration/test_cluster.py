"""Several workers on one port, joined by Redis: one order for everyone, one count, no worker deaf."""

import os
import signal
import threading

import pytest

from tests.services.application import Application
from tests.services.processes import wait_until

from .conftest import Site, plan_database, settings

WEBSOCKET = {"transports": ["websocket"]}


@pytest.fixture
def cluster(serve, node_client, redis_server, tmp_path) -> Site:
    """Two workers; browsers land on either."""
    server = serve(
        settings(
            REDIS_URL=redis_server.url,
            WEB_CONCURRENCY="2",
            LARAVEL_DATABASE_URL=plan_database(tmp_path / "laravel.sqlite"),
        )
    )
    return Site(server, node_client)


@pytest.fixture(scope="module")
def two_workers(serve_module, lasting_redis, tmp_path_factory) -> Application:
    path = tmp_path_factory.mktemp("laravel") / "laravel.sqlite"
    more = {"REDIS_URL": lasting_redis.url, "WEB_CONCURRENCY": "2"}
    return serve_module(settings(LARAVEL_DATABASE_URL=plan_database(path), **more))


@pytest.fixture
def site(two_workers, node_client) -> Site:
    """Two workers that the tests below share; every browser of an earlier one has left."""
    found = Site(two_workers, node_client)
    wait_until(
        lambda: found.broadcast("private-user.2", "probe").json()["subscriberCount"] == 0,
        "earlier browsers to be gone",
    )
    return found


def slot_of(browser) -> str:
    return browser.id.partition(".")[0][:-16]


def on_both_workers(site: Site, user_id: int = 2, number: int = 6) -> list:
    """Browsers of one user of which each worker holds at least one."""
    browsers = [site.browser(user_id, **WEBSOCKET) for _ in range(number)]
    while len({slot_of(browser) for browser in browsers}) < 2:
        browsers.append(site.browser(user_id, **WEBSOCKET))
    return browsers


def test_every_worker_receives_every_broadcast_in_one_order(site):
    browsers = on_both_workers(site)
    for browser in browsers:
        assert browser.emit_ack("subscribe", {"channel": "public.order"})["status"] == "success"

    def publish(origin: int) -> None:
        for number in range(100):
            site.broadcast("public.order", "n", [origin, number])

    publishers = [threading.Thread(target=publish, args=(origin,)) for origin in range(3)]
    for publisher in publishers:
        publisher.start()
    for publisher in publishers:
        publisher.join()
    received = [[args[0] for args in browser.wait_for_many("n", 300)] for browser in browsers]
    assert all(order == received[0] for order in received)
    for origin in range(3):
        assert [number for o, number in received[0] if o == origin] == list(range(100))


def test_the_count_is_of_all_workers(site):
    browsers = on_both_workers(site)
    assert site.broadcast("private-user.2").json()["subscriberCount"] == len(browsers)
    browsers.pop().disconnect()
    wait_until(
        lambda: site.broadcast("private-user.2").json()["subscriberCount"] == len(browsers),
        "the count to follow a disconnect",
    )


def test_reading_a_notification_reaches_devices_on_every_worker(site):
    here, *others = on_both_workers(site)
    assert here.emit_ack("notification_read", {"notificationId": 100})["synced"] is True
    for other in others:
        assert other.wait_for("notification_read")[0]["notificationId"] == 100
    assert here.events("notification_read") == []


def test_metrics_are_of_all_workers(cluster):
    browsers = on_both_workers(cluster)
    cluster.broadcast("private-user.2")

    def metric(name: str) -> float:
        lines = cluster.server.get("/metrics").text.splitlines()
        found = [line for line in lines if line.startswith((f"{name} ", f"{name}{{"))]
        return sum(float(line.rpartition(" ")[2]) for line in found)

    wait_until(lambda: metric("realtime_connections") == len(browsers), "the gauge to count both workers")
    assert metric("realtime_deliveries_total") == len(browsers)
    assert metric('realtime_publications_total{code="accepted"}') == 1


def test_a_killed_worker_takes_only_its_own_clients_and_its_counts_go(site):
    browsers = on_both_workers(site)
    victim = site.server.workers()[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: any(not browser.connected() for browser in browsers), "the victim's clients to notice")
    wait_until(
        lambda: victim not in site.server.workers() and len(site.server.workers()) == 2, "a new worker"
    )
    survivors = [browser for browser in browsers if browser.connected()]
    assert survivors
    assert len(survivors) < len(browsers)
    wait_until(
        lambda: site.broadcast("private-user.2", "after").json()["subscriberCount"] == len(survivors),
        "the dead worker's counts to go with its lease",
        timeout=15,
    )
    for survivor in survivors:
        survivor.wait_for("after")
    newcomer = site.browser(2, **WEBSOCKET)
    site.broadcast("private-user.2", "again")
    newcomer.wait_for("again")


def test_a_rolling_restart_sends_clients_away_in_a_way_that_brings_them_back(site):
    browsers = [
        site.browser(2, **WEBSOCKET, reconnection=True, reconnectionDelay=50, reconnectionDelayMax=200)
        for _ in range(4)
    ]
    before = set(site.server.workers())
    os.kill(site.server.pid, signal.SIGHUP)
    for browser in browsers:
        assert browser.wait_for("disconnect", timeout=30)[0] in ("transport close", "transport error")
        browser.wait_for("connected", timeout=30)
    wait_until(lambda: not before & set(site.server.workers()), "the old workers to leave", timeout=30)
    wait_until(
        lambda: site.broadcast("private-user.2", "back").json()["subscriberCount"] == 4,
        "everyone to be counted on the new workers",
        timeout=30,
    )
    for browser in browsers:
        browser.wait_for("back")
