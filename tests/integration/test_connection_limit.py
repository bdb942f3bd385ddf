"""A user's connections on two workers: of too many the oldest idle ones go, and nobody else."""

import os
import signal
import time

import pytest

from tests.engine.wire import Client
from tests.services.processes import wait_until

from .conftest import Site, settings, token

STOCK = {"transports": ["websocket"], "reconnection": True, "reconnectionDelay": 50}
POLLING = {**STOCK, "transports": ["polling"]}


@pytest.fixture(scope="module")
def server(serve_module, lasting_redis, plan_url):
    return serve_module(
        settings(
            REDIS_URL=lasting_redis.url,
            WEB_CONCURRENCY="2",
            LARAVEL_DATABASE_URL=plan_url,
            MAX_CONNECTIONS_PER_USER="",
            MAX_CONNECTIONS_PER_ROLE="super_admin=3",
        )
    )


def live(site: Site, user_id: int) -> int:
    return site.broadcast(f"private-user.{user_id}", "counted").json()["subscriberCount"]


def workers_of(site: Site, user_id: int) -> dict[str, int]:
    """Socket id → process of the worker that has it."""
    found = site.server.get(f"/api/connections/user/{user_id}").json()["data"]["connections"]
    return {one["socketId"]: int(one["worker"].split(".")[-2]) for one in found}


def test_the_oldest_idle_of_six_tabs_goes_and_stays_away(site):
    tabs = [site.browser(2, **(POLLING if n in (1, 3) else STOCK)) for n in range(5)]
    tabs[0].emit_ack("subscribe", {"channel": "public.news"})
    tabs[1].emit_ack("ping", {})  # pages send those by a timer: the tab is idle all the same
    tabs.append(site.browser(2, **STOCK))
    told = tabs[1].wait_for("force_disconnect")[0]
    assert told["code"] == "connection_limit"
    assert "too many connections" in told["reason"]
    assert tabs[1].wait_for("disconnect") == ["io server disconnect"]
    wait_until(lambda: live(site, 2) == 5, "five to be left")
    time.sleep(0.3)  # in which a client that comes back would have
    assert [tab.connected() for tab in tabs] == [True, False, True, True, True, True]
    assert not tabs[1].state()["active"]
    wait_until(
        lambda: 'realtime_disconnections_total{code="connection_limit"}' in site.server.get("/metrics").text,
        "the metric",
    )
    assert "connections_over_limit" in site.server.log()


def test_a_storm_of_reloads_takes_only_what_it_left_behind(site):
    tabs = [site.browser(3, **STOCK) for _ in range(4)]
    forgotten = []
    for number in range(30):
        if number % 3:
            page = site.browser(3, **STOCK)
            page.drop()
            page.close()
        else:  # one whose end never reaches the server
            forgotten.append(Client(site.server.port, answers=False))
            forgotten[-1].join({"token": token(3)})
    page = site.browser(3, **STOCK)
    wait_until(lambda: live(site, 3) == 5, "the forgotten ones to be gone")
    assert all(tab.connected() for tab in (*tabs, page))
    assert not any(tab.events("force_disconnect") for tab in (*tabs, page))
    for left in forgotten:
        left.sock.close()


def test_a_guest_has_two_and_a_role_what_the_settings_say(site):
    guests, chiefs = ([site.browser(user, **STOCK) for _ in range(n)] for user, n in ((6, 3), (1, 4)))
    for tabs in (guests, chiefs):
        assert tabs[0].wait_for("disconnect") == ["io server disconnect"]
        assert all(tab.connected() for tab in tabs[1:])
        assert [tab.events("force_disconnect") for tab in tabs[1:]] == [[]] * (len(tabs) - 1)


def test_tabs_that_open_at_once_on_both_workers_converge_to_the_limit(site):
    wait_until(lambda: live(site, 3) == 0, "the last test's tabs to be gone")
    tabs = [site.client() for _ in range(9)]
    for tab in tabs:
        tab.open(site.server.url, **STOCK, auth={"token": token(3)})
    for tab in tabs:
        tab.wait_for("connected")
    wait_until(lambda: live(site, 3) == 5, "five to be left")
    time.sleep(1.5)  # another decision would have been made by now
    assert live(site, 3) == 5 == sum(tab.connected() for tab in tabs)


def test_what_a_killed_worker_held_costs_nobody_a_connection(site):
    wait_until(lambda: live(site, 3) == 0, "the last test's tabs to be gone")
    tabs = [site.browser(3, **STOCK) for _ in range(5)]
    ids = {tab: tab.id for tab in tabs}
    wait_until(lambda: workers_of(site, 3).keys() == set(ids.values()), "all to be listed")
    workers = workers_of(site, 3)
    victim = workers[ids[tabs[0]]]
    for tab in tabs:
        tab.forget()
    os.kill(victim, signal.SIGKILL)
    for tab in (tab for tab in tabs if workers[ids[tab]] == victim):
        tab.wait_for("connected", timeout=15)
    newest = site.browser(3, **STOCK)  # the roster has six and those that were lost
    wait_until(lambda: sum(tab.connected() for tab in (*tabs, newest)) == 5, "one of six to go", 15)
    assert newest.connected()
    assert len([tab for tab in tabs if tab.events("force_disconnect")]) == 1
