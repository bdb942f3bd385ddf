"""Statistics of a cluster: two workers, one hour, and what is left of it when a worker is killed."""

import json
import os
import signal

import pytest

from mechamap.api.operator import STAMP_HEADER, stamp
from tests.services.processes import wait_until

from .conftest import Site, settings

SECRET = "statistics-test-secret-statistics-test-secret"


@pytest.fixture
def cluster(serve, node_client, redis_server) -> Site:
    return Site(
        serve(settings(REDIS_URL=redis_server.url, WEB_CONCURRENCY="2", SECRET_KEY=SECRET)), node_client
    )


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
