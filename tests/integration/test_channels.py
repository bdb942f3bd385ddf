"""Subscribing and leaving, as the plan's pages do it."""

import re
import time

import pytest

ANYTHING = [
    None,
    [],
    {},
    "",
    "text",
    7,
    -1,
    1.5,
    True,
    ["private-user.2"],
    {"channel": None},
    {"channel": []},
    {"channel": {"name": "public.x"}},
    {"channel": 7},
    {"channel": "x" * 10_000},
    {"channel": "no.such"},
    {"channel": "private-user.3\n"},
    {"chanel": "public.x"},
    {"notificationId": {}},
    {"notificationId": [[]]},
    {"notificationId": "x" * 5000},
    {"notificationId": list(range(500))},
    {"deep": [[[[[[[[[[[[[[[[[[[["x"]]]]]]]]]]]]]]]]]]]]},
    "\u0000\uffff💥",
]


def test_a_subscription_is_answered_as_event_and_as_acknowledgement(site):
    browser = site.browser()
    answer = browser.emit_ack("subscribe", {"channel": "public.news"})
    [event] = browser.wait_for("subscribed")
    while event.get("channel") != "public.news":
        [event] = browser.wait_for("subscribed")
    assert answer == event
    assert (answer["channel"], answer["status"]) == ("public.news", "success")
    assert answer["timestamp"].endswith("Z")
    assert site.broadcast("public.news", "x", [1, 2]).json()["subscriberCount"] == 1
    data, position = browser.wait_for("x")
    assert data == [1, 2]
    assert re.fullmatch(r"[\w-]{8}\.[0-9]+", position)


@pytest.mark.parametrize(
    ("user_id", "channel", "code"),
    [
        (2, "presence-thread.10", None),
        (2, "forum.1", None),
        (2, "private-user.2", None),
        (6, "forum.1", None),
        (4, "forum.2", None),
        (4, "presence-thread.20", None),
        (4, "moderator.queue", None),
        (1, "admin.metrics", None),
        (1, "moderator.queue", None),
        (2, "private-user.3", "not_owner"),
        (1, "private-user.2", "not_owner"),
        (2, "forum.2", "role_too_low"),
        (2, "presence-thread.20", "role_too_low"),
        (2, "presence-thread.99", "thread_not_found"),
        (2, "forum.99", "forum_not_found"),
        (1, "forum.3", "forum_role_unknown"),
        (4, "admin.metrics", "role_too_low"),
        (2, "moderator.queue", "role_too_low"),
        (2, "system.restart", "server_only"),
        (2, "private-user.2abc", "channel_unknown"),
    ],
)
def test_the_rules_hold_over_the_wire(site, user_id, channel, code):
    browser = site.browser(user_id)
    answer = browser.emit_ack("subscribe", {"channel": channel})
    if code is None:
        assert answer["status"] == "success"
        return
    assert (answer["error"], answer["code"], answer["channel"]) == ("Unauthorized", code, channel)
    assert browser.wait_for("subscription_error") == [answer]
    before = len(browser.history())
    site.broadcast(channel, "secret")
    time.sleep(0.1)
    assert len(browser.history()) == before


def test_leaving_stops_delivery(site):
    browser = site.browser()
    browser.emit_ack("subscribe", {"channel": "public.news"})
    answer = browser.emit_ack("unsubscribe", {"channel": "public.news"})
    assert browser.wait_for("unsubscribed") == [answer]
    assert (answer["channel"], answer["timestamp"][-1]) == ("public.news", "Z")
    assert site.broadcast("public.news").json()["subscriberCount"] == 0


def test_nobody_leaves_on_anothers_behalf_nor_silences_himself_by_his_own_id(site):
    browser, other = site.browser(2), site.browser(3)
    for name in (browser.id, other.id, "user:3", "user:2", None, ""):
        assert "error" in browser.emit_ack("unsubscribe", {"channel": name})
    browser.emit_ack("unsubscribe", {"channel": "private-user.3"})
    assert site.broadcast("private-user.3", "x").json()["subscriberCount"] == 1
    assert browser.emit_ack("ping")
    other.wait_for("x")


def test_nobody_subscribes_to_a_socket_id_or_a_room_name(site):
    browser, other = site.browser(2), site.browser(3)
    for name in (other.id, "user:3", f"private-user.{other.id}"):
        assert browser.emit_ack("subscribe", {"channel": name})["error"] == "Unauthorized"


@pytest.mark.parametrize("event", ["subscribe", "unsubscribe", "notification_read", "ping", "no_such_event"])
def test_any_payload_of_any_type_is_answered_and_disturbs_nobody(site, event):
    browser, neighbour = site.browser(2), site.browser(3)
    for payload in ANYTHING:
        assert isinstance(browser.emit_ack(event, payload), dict)
        browser.emit(event, payload)
    browser.emit(event)
    browser.emit(event, 1, 2, 3)
    time.sleep(1.1)  # all this was more than a browser may send in a second
    assert browser.emit_ack("ping")["timestamp"]
    assert neighbour.emit_ack("ping")["timestamp"]
    assert browser.connected()
    assert neighbour.connected()


def test_a_missing_channel_is_named_in_the_plans_words(site):
    browser = site.browser()
    browser.emit("subscribe")
    [error] = browser.wait_for("subscription_error")
    assert (error["channel"], error["error"], error["code"]) == (
        None,
        "Channel is required",
        "channel_required",
    )


def test_ping_is_answered_with_pong(site):
    browser = site.browser()
    browser.emit("ping", {"timestamp": 1})
    [pong] = browser.wait_for("pong")
    assert pong["timestamp"].endswith("Z")


def test_a_browser_that_sends_too_fast_is_told_so_and_its_neighbour_is_not_held_up(site):
    browser, neighbour = site.browser(2), site.browser(3)
    browser.emit_many([["subscribe", {"channel": f"public.{n}"}] for n in range(300)])
    started = time.monotonic()
    assert neighbour.emit_ack("ping")
    assert time.monotonic() - started < 2
    codes = {error[0]["code"] for error in browser.wait_for_many("subscription_error", 200)}
    assert codes <= {"rate_limited", "too_many_subscriptions"}
    assert "rate_limited" in codes


def test_one_event_to_several_channels_reaches_a_browser_once(site):
    browser = site.browser()
    for channel in ("public.a", "public.b"):
        browser.emit_ack("subscribe", {"channel": channel})
    body = {"channels": ["public.a", "public.b", "private-user.2"], "event": "x", "data": 1}
    answer = site.server.post("/api/broadcast", body, headers={"X-API-Key": _key()}).json()
    assert answer["subscriberCount"] == 3
    assert [row["subscriberCount"] for row in answer["channels"]] == [1, 1, 1]
    site.broadcast("public.a", "end")
    browser.wait_for("end")
    assert len(browser.events("x")) == 1


def _key() -> str:
    from .conftest import KEY

    return KEY


def test_a_lost_role_takes_its_channels_from_a_live_connection(serve, node_client, tmp_path):
    import sqlite3
    from contextlib import closing

    from .conftest import Site, plan_database, settings

    path = tmp_path / "laravel.sqlite"
    server = serve(
        settings(LARAVEL_DATABASE_URL=plan_database(path), DIRECTORY_CACHE_SECONDS="0", RECHECK_SECONDS="0.3")
    )
    site = Site(server, node_client)
    browser = site.browser(4)
    for channel in ("moderator.queue", "forum.2", "public.x"):
        assert browser.emit_ack("subscribe", {"channel": channel})["status"] == "success"
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE users SET role = 'member' WHERE id = 4")
        database.commit()
    lost = {browser.wait_for("unsubscribed")[0]["channel"] for _ in range(2)}
    assert lost == {"moderator.queue", "forum.2"}
    assert browser.wait_for("subscription_error")[0]["code"] == "role_too_low"
    assert site.broadcast("moderator.queue").json()["subscriberCount"] == 0
    assert site.broadcast("public.x").json()["subscriberCount"] == 1
    with closing(sqlite3.connect(path)) as database:
        database.execute("DELETE FROM users WHERE id = 4")
        database.commit()
    assert browser.wait_for("force_disconnect")[0]["code"] == "user_unknown"
    browser.wait_for("disconnect")
