"""Laravel's transactions on MariaDB, two real workers, stock browsers: each event once and in order."""

import os
import signal
import time

import pytest

from mechamap.store.laravel.outbox_sql import MYSQL
from tests.integration.conftest import PLAN_TABLES, Site, settings
from tests.services.application import Serve
from tests.services.mariadb import MariaDBServer
from tests.services.processes import wait_until
from tests.services.redis import RedisServer

WEBSOCKET = {"transports": ["websocket"]}
WRITE = "INSERT INTO rt_outbox (channels, event, data) VALUES ('private-user.2', 'news', %s)"


class Outbox:
    """The site's table."""

    def __init__(self, server: MariaDBServer) -> None:
        self.url = server.create_database("outbox")
        self.server = server
        self.run(PLAN_TABLES + MYSQL)

    def run(self, sql: str, parameters: object = None) -> list:
        return self.server.execute(sql, parameters, database="outbox")

    def write(self, number: int) -> None:
        self.run(WRITE, (str(number),))

    def emptied(self) -> None:
        wait_until(lambda: self.run("SELECT COUNT(*) FROM rt_outbox") == [(0,)], "the outbox to be empty", 12)


@pytest.fixture
def outbox(mariadb_server: MariaDBServer) -> Outbox:
    return Outbox(mariadb_server)


@pytest.fixture
def cluster(serve: Serve, node_client, outbox: Outbox, redis_server: RedisServer) -> Site:
    more = {"REDIS_URL": redis_server.url, "WEB_CONCURRENCY": "2", "OUTBOX": "on"}
    site = Site(serve(settings(LARAVEL_DATABASE_URL=outbox.url, **more)), node_client)
    wait_until(lambda: metric(site, "realtime_outbox_leader") == 1, "a worker to lead", 10)
    return site


def metric(site: Site, name: str) -> float:
    lines = site.server.get("/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def leader(redis_server: RedisServer) -> int:
    """Process id of the worker that holds the lease."""
    return int(redis_server.client().get("mechamap:{rt}:outbox").split(".")[-2])


def on_both_workers(site: Site) -> list:
    browsers = [site.browser(2, **WEBSOCKET) for _ in range(4)]
    while len({browser.id.partition(".")[0][:-16] for browser in browsers}) < 2:
        browsers.append(site.browser(2, **WEBSOCKET))
    return browsers


def heard(browser) -> list[int]:
    return [args[0] for args in browser.events("news")]


def test_each_event_arrives_once_and_in_order_and_the_figures_say_so(cluster: Site, outbox: Outbox):
    browsers = on_both_workers(cluster)
    for number in range(50):
        outbox.write(number)
    outbox.run("INSERT INTO rt_outbox (channels, event, data) VALUES ('nowhere', 'news', '1')")
    for browser in browsers:
        browser.wait_for_many("news", 50)
        assert heard(browser) == list(range(50))
    rows = "realtime_outbox_rows_total"
    wait_until(lambda: metric(cluster, f'{rows}{{code="channel_unknown"}}') == 1, "the refusal", 5)
    assert metric(cluster, f'{rows}{{code="accepted"}}') == 50
    wait_until(lambda: metric(cluster, "realtime_outbox_dead") == 1, "the dead to be counted", 8)
    ready = cluster.server.get("/health/ready").json()
    assert ready["status"] == "ready"
    assert ready["checks"]["outbox"]["ok"]


def test_a_leader_killed_between_acceptance_and_deletion_costs_nothing_and_doubles_nothing(
    cluster: Site, outbox: Outbox, redis_server: RedisServer
):
    browsers = on_both_workers(cluster)
    first = leader(redis_server)
    outbox.run(
        "CREATE TRIGGER held BEFORE DELETE ON rt_outbox FOR EACH ROW SIGNAL SQLSTATE '45000'"
        " SET MESSAGE_TEXT = 'held'"
    )
    outbox.write(0)
    for browser in browsers:
        browser.wait_for("news")
    os.kill(first, signal.SIGKILL)
    for number in range(1, 40):
        outbox.write(number)
    outbox.run("DROP TRIGGER held")
    outbox.emptied()
    assert leader(redis_server) != first
    left = [browser for browser in browsers if browser.events("disconnect") == []]
    assert left
    for browser in left:
        browser.wait_for_many("news", 39)
    outbox.write(40)
    for browser in left:
        browser.wait_for("news")
        assert heard(browser) == list(range(41))


def test_rows_written_while_redis_was_away_arrive_when_it_is_back(
    cluster: Site, outbox: Outbox, redis_server: RedisServer
):
    browsers = on_both_workers(cluster)
    outbox.write(0)
    for browser in browsers:
        browser.wait_for("news")
    redis_server.kill()
    for number in range(1, 30):
        outbox.write(number)
        time.sleep(0.02)
    checks = cluster.server.get("/health/ready").json()["checks"]
    assert not checks["broker"]["ok"]
    redis_server.start()
    outbox.emptied()
    for browser in browsers:
        browser.wait_for_many("news", 29)
        assert heard(browser) == list(range(30))
