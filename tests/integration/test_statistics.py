"""Statistics of a cluster: two workers, one hour, and what is left of it when a worker is killed."""

import json
import os
import signal

import pytest

from mechamap.api.operator import STAMP_HEADER, stamp
from tests.engine.wire import Client
from tests.services.processes import wait_until

from .conftest import Site, plan_database, settings, token

SECRET = "statistics-test-secret-statistics-test-secret"


@pytest.fixture
def cluster(serve, node_client, redis_server) -> Site:
    return Site(
        serve(settings(REDIS_URL=redis_server.url, WEB_CONCURRENCY="2", SECRET_KEY=SECRET)), node_client
    )


@pytest.fixture
def site(serve, node_client, tmp_path) -> Site:
    own = settings(SECRET_KEY=SECRET, LARAVEL_DATABASE_URL=plan_database(tmp_path / "laravel.sqlite"))
    return Site(serve(own), node_client)


def statistics(site: Site) -> dict:
    answer = site.server.get("/api/operator/statistics", headers={STAMP_HEADER: stamp(SECRET)})
    assert answer.status == 200, answer.text
    return json.loads(answer.body)


def counted(site: Site, name: str) -> float:
    lines = site.server.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def test_the_hour_is_of_all_workers_and_outlives_them(cluster):
    browsers = [cluster.browser(user, transports=["websocket"]) for user in (2, 3, 4, 2, 3, 4)]
    for number in range(40):
        assert cluster.broadcast(f"private-user.{2 + number % 3}", data=number).status == 200
    assert cluster.broadcast("no.such").status == 422

    def total() -> tuple[int, int, int]:
        told = statistics(cluster)["total"]
        publications = told["codes"].get("publication", {})
        return publications.get("accepted", 0), publications.get("channel_unknown", 0), told["deliveries"]

    wait_until(lambda: total() == (40, 1, 80), "the counts of both workers")
    assert counted(cluster, "realtime_deliveries_total") == 80
    assert counted(cluster, "realtime_write_lag_seconds_count") == sum(
        sum(moment["tally"]["lags"]) for moment in statistics(cluster)["hour"]
    )

    def held() -> list[int]:
        pulses = [worker["pulse"] for worker in statistics(cluster)["workers"]]
        return [pulse["load"]["connections"] if pulse else 0 for pulse in pulses]

    wait_until(lambda: len(held()) == 2 and sum(held()) == 6, "the connections of both workers")
    figures = statistics(cluster)["figures"]
    assert 0 < figures["p50"] <= figures["p99"]

    dead, _ = cluster.server.workers()
    os.kill(dead, signal.SIGKILL)
    wait_until(lambda: cluster.server.log().count("worker_ready") == 3, "another worker in its place")
    assert total() == (40, 1, 80)
    for browser in browsers:
        browser.disconnect()


def test_a_browser_that_does_not_read_is_seen_before_and_after_it_is_closed(site):
    with Client(site.server.port, receive_buffer=4_096) as browser:
        browser.join({"token": token(2)})
        for number in range(8):
            assert site.broadcast("private-user.2", data=f"{number}" + "x" * 60_000).status == 200
        wait_until(lambda: statistics(site)["figures"]["slow"] == 1, "it to be a slow consumer")
        waiting = statistics(site)["figures"]["backlog"]
        assert 100_000 < waiting <= 8 * 61_000
        assert statistics(site)["figures"]["largest"] == waiting
        wait_until(lambda: counted(site, "realtime_backlog_bytes") == waiting, "the gauge of its backlog")
        assert counted(site, "realtime_slow_consumers") == 1
        for number in range(16):  # past what may wait for one
            site.broadcast("private-user.2", data=f"{number}" + "x" * 60_000)
        wait_until(
            lambda: statistics(site)["total"]["codes"].get("disconnection") == {"slow_consumer": 1},
            "its end to be told",
        )
        wait_until(lambda: statistics(site)["figures"]["slow"] == 0, "it to be forgotten")
