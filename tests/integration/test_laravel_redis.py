"""Laravel's stock ``redis`` driver in front of real workers and browsers."""

import json
import os
import signal

import pytest

from tests.services.application import Application
from tests.services.processes import wait_until

from .conftest import Site, plan_database, settings

PREFIX = "laravel_database_"
WEBSOCKET = {"transports": ["websocket"]}


def laravel_settings(lasting_redis, tmp_path, **more: str) -> dict[str, str]:
    return settings(
        LARAVEL_REDIS_URL=lasting_redis.url,
        LARAVEL_REDIS_PREFIX=PREFIX,
        LARAVEL_DATABASE_URL=plan_database(tmp_path / "laravel.sqlite"),
        **more,
    )


@pytest.fixture(scope="module")
def two_workers(serve_module, lasting_redis, tmp_path_factory) -> Application:
    more = {"REDIS_URL": lasting_redis.url, "WEB_CONCURRENCY": "2"}
    return serve_module(laravel_settings(lasting_redis, tmp_path_factory.mktemp("laravel"), **more))


@pytest.fixture
def cluster(two_workers, node_client) -> Site:
    site = Site(two_workers, node_client)
    wait_until(lambda: leaders(site) == 1, "a worker to listen", 10)
    return site


# What illuminate/broadcasting sends (broadcastMultipleChannelsScript), except that it answers something.
SCRIPT = """
local heard = 0
for i = 2, #ARGV do heard = math.max(heard, redis.call('publish', ARGV[i], ARGV[1])) end
return heard
"""


@pytest.fixture
def publish(lasting_redis):
    """As the driver does; answers how many connections of Redis heard it."""
    client = lasting_redis.client(decode_responses=False)

    def publish(event: str, data: object, *channels: str, socket: str | None = None) -> int:
        if isinstance(data, dict):
            data = {**data, "socket": socket}
        body = json.dumps({"event": event, "data": data, "socket": socket}).replace("/", "\\/")
        return client.eval(SCRIPT, 0, body, *(PREFIX + channel for channel in channels))

    return publish


def metric(site: Site, name: str) -> float:
    lines = site.server.get("/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def leaders(site: Site) -> int:
    return int(metric(site, "realtime_ingest_leader"))


def on_both_workers(site: Site) -> list:
    browsers = [site.browser(2, **WEBSOCKET) for _ in range(4)]
    while len({browser.id.partition(".")[0][:-16] for browser in browsers}) < 2:
        browsers.append(site.browser(2, **WEBSOCKET))
    return browsers


def test_one_worker_without_redis_of_its_own_hears_laravel(
    serve, node_client, lasting_redis, tmp_path, publish
):
    site = Site(serve(laravel_settings(lasting_redis, tmp_path)), node_client)
    browser = site.browser()
    wait_until(lambda: publish("probe", 0, "public.probe") == 1, "the server to listen", 5)
    publish(r"App\Events\NotificationSent", {"id": 5, "url": "/x", "title": "Xin chào"}, "private-user.2")
    shown = browser.wait_for(r"App\Events\NotificationSent")[0]
    assert shown == {"id": 5, "url": "/x", "title": "Xin chào"}
    ready = site.server.get("/health/ready").json()
    assert ready["checks"]["laravel_redis"]["ok"] is True


def test_every_browser_of_every_worker_receives_an_event_once_and_in_order(cluster, publish):
    browsers = on_both_workers(cluster)
    for browser in browsers:
        browser.emit_ack("subscribe", {"channel": "public.laravel"})
    for number in range(100):
        assert publish("n", number, "public.laravel", "private-user.2") == 1  # one listener for all workers
    publish("end", None, "public.laravel")
    for browser in browsers:
        browser.wait_for("end")
        assert [args[0] for args in browser.events("n")] == list(range(100))


def test_the_sender_does_not_hear_its_own_event(cluster, publish):
    sender, *others = on_both_workers(cluster)
    publish("typed", {"n": 1}, "private-user.2", socket=sender.id)
    publish("end", None, "private-user.2")
    for browser in (sender, *others):
        browser.wait_for("end")
    assert sender.events("typed") == []
    assert all([args[0] for args in browser.events("typed")] == [{"n": 1}] for browser in others)


def test_what_is_malformed_is_counted_and_disturbs_nobody(cluster, publish, lasting_redis):
    browser = cluster.browser()
    lasting_redis.client().publish(PREFIX + "private-user.2", "rubbish")
    publish("disconnect", 1, "private-user.2")
    publish("good", 1, "private-user.2")
    browser.wait_for("good")
    assert browser.events("disconnect") == []
    for code in ("invalid_request", "event_reserved", "accepted"):
        name = f'realtime_ingest_events_total{{code="{code}"}}'
        wait_until(lambda name=name: metric(cluster, name) >= 1, f"{code} to be counted", 3)


def test_when_the_listening_worker_is_killed_another_takes_over_within_the_lease(
    cluster, publish, lasting_redis
):
    leader = lasting_redis.client().get("mechamap:{rt}:ingester")
    os.kill(int(leader.split(".")[-2]), signal.SIGKILL)
    wait_until(lambda: publish("probe", 0, "public.probe") == 0, "Redis to notice", 2)
    wait_until(lambda: publish("probe", 0, "public.probe") == 1, "another to listen", 8)
    assert lasting_redis.client().get("mechamap:{rt}:ingester") != leader
    wait_until(lambda: len(cluster.server.workers()) == 2, "both workers", 10)
    browsers = on_both_workers(cluster)
    publish("after", {"n": 1}, "private-user.2")
    publish("end", None, "private-user.2")
    for browser in browsers:
        browser.wait_for("end")
        assert [args[0] for args in browser.events("after")] == [{"n": 1}]
    wait_until(lambda: leaders(cluster) == 1, "one leader in the figures", 5)
