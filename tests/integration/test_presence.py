"""Members of presence channels, as the unmodified socket.io-client sees them."""

import os
import signal
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from mechamap.domain.recovery import parse_offset
from mechamap.presence.redis import RedisRoster
from tests.services.processes import wait_until

from .conftest import KEY, Site, plan_database, settings
from .test_cluster import on_both_workers
from .test_recovery import RETURNING, WEBSOCKET, away

THREAD = "presence-thread.10"
NAMES = {1: "Anna", 2: "Binh", 3: "Chi", 4: "Dung", 6: "Guest"}
GRACE = 1.0
LEASE = 10.0


@pytest.fixture(scope="module")
def quick(serve_module, tmp_path_factory):
    path = tmp_path_factory.mktemp("laravel") / "laravel.sqlite"
    url = plan_database(path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("ALTER TABLE users ADD COLUMN last_seen_at TEXT")
    return serve_module(
        settings(
            LARAVEL_DATABASE_URL=url,
            PRESENCE_GRACE_SECONDS=str(GRACE),
            UPDATE_LAST_SEEN="on",
            APP_TIMEZONE="Asia/Ho_Chi_Minh",
        )
    )


@pytest.fixture
def site(quick, node_client) -> Site:
    """One worker with a short grace period; every browser of an earlier test has left."""
    found = Site(quick, node_client)
    for member in members(found).json()["members"]:  # those whose grace period is not over
        browser = enter(found, member["user_id"])
        browser.emit_ack("unsubscribe", {"channel": THREAD})
    wait_until(lambda: members(found).json()["total"] == 0, "the thread to be empty", GRACE + 2)
    return found


@pytest.fixture(scope="module")
def two_workers(serve_module, lasting_redis, tmp_path_factory):
    return serve_module(
        settings(
            REDIS_URL=lasting_redis.url,
            WEB_CONCURRENCY="2",
            LARAVEL_DATABASE_URL=plan_database(tmp_path_factory.mktemp("laravel") / "laravel.sqlite"),
            PRESENCE_GRACE_SECONDS=str(GRACE),
        )
    )


@pytest.fixture
def cluster(two_workers, node_client) -> Site:
    """Two workers with a short grace period; every browser of an earlier test has left."""
    found = Site(two_workers, node_client)
    wait_until(lambda: members(found).json()["total"] == 0, "the thread to be empty", GRACE + 5)
    return found


def shown(user_id: int) -> dict:
    return {"user_id": user_id, "user_info": {"id": user_id, "name": NAMES[user_id]}}


def enter(site: Site, user_id: int, **options):
    browser = site.browser(user_id, **{**WEBSOCKET, **RETURNING, **options})
    assert browser.emit_ack("subscribe", {"channel": THREAD})["status"] == "success"
    return browser


def list_of(browser) -> list[int]:
    channel, members, rest, position = browser.wait_for("presence:subscribed")
    assert channel == THREAD
    assert parse_offset(position) is not None
    assert members == [shown(member["user_id"]) for member in members]
    assert rest == {"total": len(members), "after": None}
    return [member["user_id"] for member in members]


def heard(browser) -> list[tuple[str, int]]:
    """Joinings and leavings so far."""
    found = []
    for event, args in browser.history():
        if event in ("presence:joining", "presence:leaving"):
            assert args[:2] == [THREAD, shown(args[1]["user_id"])]
            found.append((event.partition(":")[2], args[1]["user_id"]))
    return found


def hears(browser, *expected: tuple[str, int], timeout: float = 5.0) -> None:
    wait_until(lambda: len(heard(browser)) >= len(expected), f"{expected}; heard {heard(browser)}", timeout)
    assert heard(browser) == list(expected)


@pytest.mark.parametrize("transports", [["websocket"], ["polling"]])
def test_members_see_each_other_come_and_go(site, transports):
    anna = enter(site, 1, transports=transports)
    assert list_of(anna) == [1]
    binh = enter(site, 2, transports=transports)
    assert list_of(binh) == [1, 2]
    hears(anna, ("joining", 2))
    binh.emit_ack("unsubscribe", {"channel": THREAD})
    hears(anna, ("joining", 2), ("leaving", 2), timeout=GRACE)
    assert heard(binh) == []


def test_tabs_and_reloads_are_not_seen(site):
    anna = enter(site, 1)
    tabs = [enter(site, 2) for _ in range(3)]
    tabs[0].disconnect()
    tabs[1].emit_ack("unsubscribe", {"channel": THREAD})
    tabs[2].drop()
    again = enter(site, 2)
    assert list_of(again) == [1, 2]
    time.sleep(GRACE * 1.5)
    hears(anna, ("joining", 2))


def test_a_recovered_browser_never_left_and_knows_who_came(site):
    anna = enter(site, 1)
    binh = enter(site, 2)
    binh.forget()
    away(binh, lambda: enter(site, 3))
    assert binh.state()["recovered"] is True
    hears(binh, ("joining", 3))
    time.sleep(GRACE * 1.5)
    hears(anna, ("joining", 2), ("joining", 3))


def test_the_list_comes_again_to_who_asks_again(site):
    anna = enter(site, 1)
    assert list_of(anna) == [1]
    assert anna.emit_ack("subscribe", {"channel": THREAD})["status"] == "success"
    assert list_of(anna) == [1]
    told = anna.emit_ack("presence:members", {"channel": THREAD})
    assert told == {"channel": THREAD, "members": [shown(1)], "total": 1, "after": None}
    assert anna.emit_ack("presence:members", {"channel": THREAD, "after": 1})["members"] == []
    assert anna.emit_ack("presence:members", {"channel": THREAD, "after": "x"})["code"] == "after_invalid"
    assert anna.emit_ack("presence:members", {"channel": "forum.1"})["code"] == "not_a_member"


def members(site: Site, channel: str = THREAD, query: str = "", key: str = KEY):
    return site.server.get(f"/api/channels/{channel}/members{query}", headers={"X-API-Key": key})


def test_laravel_reads_the_members_page_by_page(site):
    for user_id in (3, 1, 2):
        enter(site, user_id)
    answer = members(site, query="?limit=2")
    told = answer.json()
    del told["timestamp"]
    assert (answer.status, told) == (
        200,
        {"success": True, "channel": THREAD, "members": [shown(1), shown(2)], "total": 3, "after": 2},
    )
    assert members(site, query="?after=2&limit=2").json()["members"] == [shown(3)]
    assert members(site, "presence-thread.404").json()["members"] == []


@pytest.mark.parametrize(
    ("channel", "query", "status", "code"),
    [
        ("forum.1", "", 422, "channel_without_members"),
        ("nothing", "", 422, "channel_unknown"),
        (THREAD, "?limit=0", 422, "limit_invalid"),
        (THREAD, "?limit=1001", 422, "limit_invalid"),
        (THREAD, "?after=-1", 422, "after_invalid"),
        (THREAD, "?after=9223372036854775808", 422, "after_invalid"),
    ],
)
def test_other_questions_about_members_are_refused(site, channel, query, status, code):
    answer = members(site, channel, query)
    assert (answer.status, answer.json()["code"]) == (status, code)


def test_members_are_for_keys_only(site):
    assert members(site, key="wrong-key").json()["code"] == "key_invalid"


def test_events_of_members_cannot_be_forged(site):
    assert site.broadcast(THREAD, "presence:joining", [THREAD, shown(3)]).json()["code"] == "event_reserved"


def test_laravel_sees_who_is_connected(site, quick):
    site.browser(6, **WEBSOCKET)
    path = quick.settings["LARAVEL_DATABASE_URL"].removeprefix("sqlite:///")

    def last_seen() -> dict[int, str | None]:
        with closing(sqlite3.connect(path)) as database:
            return dict(database.execute("SELECT id, last_seen_at FROM users"))

    wait_until(lambda: last_seen()[6], "the user to be noted", 7)
    noted = datetime.fromisoformat(last_seen()[6]).replace(tzinfo=ZoneInfo("Asia/Ho_Chi_Minh"))
    assert abs((datetime.now(UTC) - noted).total_seconds()) < 10
    assert last_seen()[4] is None


# --- two workers and Redis ---


def test_tabs_on_two_workers_are_one_member(cluster):
    anna, binh = on_both_workers(cluster, 1, 2), on_both_workers(cluster, 2, 2)
    for browser in (*anna, *binh):
        assert browser.emit_ack("subscribe", {"channel": THREAD})["status"] == "success"
    assert list_of(anna[0]) == [1]
    assert list_of(binh[-1]) == [1, 2]
    for browser in anna:
        hears(browser, ("joining", 2))
    for browser in binh[1:]:
        browser.disconnect()
    time.sleep(GRACE * 2)
    hears(anna[0], ("joining", 2))
    binh[0].disconnect()
    for browser in anna:
        hears(browser, ("joining", 2), ("leaving", 2))


def worker_of(lasting_redis, browser) -> int:
    """The process that holds the browser."""
    roster = RedisRoster(lasting_redis.url, "test")
    try:
        wait_until(lambda: roster.connections(sid=browser.id), "the roster")
        [connection] = roster.connections(sid=browser.id)
        return next(worker.pid for worker in roster.workers() if worker.id == connection.worker)
    finally:
        roster.stop()


def test_the_members_of_a_killed_worker_leave_once_unless_they_come_back(cluster, lasting_redis):
    watcher = enter(cluster, 1)
    here = worker_of(lasting_redis, watcher)

    def elsewhere(user_id: int, **options):
        """A browser on the other worker; those that landed here are closed."""
        while worker_of(lasting_redis, browser := enter(cluster, user_id, **options)) == here:
            browser.disconnect()
        return browser

    gone, back = elsewhere(2, reconnection=False), elsewhere(3)
    hears(watcher, ("joining", 2), ("joining", 3))
    time.sleep(GRACE * 2)
    os.kill(worker_of(lasting_redis, gone), signal.SIGKILL)
    killed = time.monotonic()
    back.wait_for("manager:reconnect")
    while time.monotonic() - killed < LEASE - 1.0:
        assert heard(watcher) == [("joining", 2), ("joining", 3)]
        time.sleep(0.2)
    hears(watcher, ("joining", 2), ("joining", 3), ("leaving", 2), timeout=3)
    assert time.monotonic() - killed < LEASE + 1
    time.sleep(1)
    hears(watcher, ("joining", 2), ("joining", 3), ("leaving", 2))
    assert members(cluster).json()["members"] == [shown(1), shown(3)]
