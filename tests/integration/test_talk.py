"""What the application's pages send: other names of subscribing, typing, and what pages of groups ask for."""

from collections.abc import Iterator

import pytest

from mechamap.domain.typing import TYPING_EVENTS
from tests.services.laravel_api import HTML, LaravelApi, says
from tests.services.processes import wait_until

from .conftest import Site, settings
from .test_cluster import WEBSOCKET, on_both_workers, slot_of
from .test_places import database_with_places

PATH = "/api/websocket-api/group-message"
API_KEY = "mechamap_ws_0123456789abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(scope="module")
def laravel() -> Iterator[LaravelApi]:
    with LaravelApi() as laravel:
        yield laravel


@pytest.fixture(scope="module")
def server(serve_module, laravel, tmp_path_factory):
    return serve_module(
        settings(
            # people 2 and 6 are active members of group 6; 3 was one
            LARAVEL_DATABASE_URL=database_with_places(tmp_path_factory.mktemp("laravel") / "laravel.sqlite"),
            LARAVEL_API_URL=laravel.url,
            LARAVEL_API_KEY=API_KEY,
            LARAVEL_GROUP_MESSAGE_PATH=PATH,
        )
    )


@pytest.fixture
def site(server, node_client, laravel) -> Site:
    laravel.asked.clear()
    return Site(server, node_client)


def typing_of(browser) -> list[str]:
    return [name for name, _ in browser.history() if name in TYPING_EVENTS]


# --- other names of subscribe and unsubscribe


@pytest.mark.parametrize(
    ("event", "payload", "channel"),
    [
        ("subscribe_request", {"channel": "thread.10"}, "thread.10"),
        ("join_channel", {"channel": "thread.10"}, "thread.10"),
        ("join_channel", "thread.10", "thread.10"),
        ("join_group", {"group_id": 6}, "group.6"),
        ("join_group", {"group_id": "6"}, "group.6"),
        ("join_group", 6, "group.6"),
    ],
)
def test_a_subscription_by_another_name_is_a_subscription(site, event, payload, channel):
    browser = site.browser(2)
    answer = browser.emit_ack(event, payload)
    assert (answer["channel"], answer["status"]) == (channel, "success")
    assert browser.wait_for("subscribed")[0]["status"] == "auto"
    assert browser.wait_for("subscribed")[0] == answer
    site.broadcast(channel, "x", {"n": 1})
    assert browser.wait_for("x")[0] == {"n": 1}
    leave = ("leave_group", {"group_id": 6}) if "group" in event else ("leave_channel", {"channel": channel})
    left = browser.emit_ack(*leave)
    assert browser.wait_for("unsubscribed")[0] == left
    assert left["channel"] == channel
    assert site.broadcast(channel, "x").json()["subscriberCount"] == 0


@pytest.mark.parametrize(
    ("event", "payload", "channel", "code"),
    [
        ("subscribe_request", {"channel": "private-user.3"}, "private-user.3", "not_owner"),
        ("subscribe_request", {}, None, "channel_required"),
        ("join_channel", {"channel": "thread.99"}, "thread.99", "thread_not_found"),
        ("join_group", {"group_id": 7}, "group.7", "group_not_found"),
        ("join_group", {"group_id": "6x"}, "group.6x", "channel_unknown"),
        ("join_group", {"group_id": -6}, "group.-6", "channel_unknown"),
        ("join_group", {"group_id": 6.5}, None, "channel_required"),
        ("join_group", {"group_id": True}, None, "channel_required"),
        ("join_group", {"channel": "group.6"}, None, "channel_required"),
        ("join_group", None, None, "channel_required"),
        ("leave_group", {"group_id": []}, None, "channel_required"),
        ("leave_channel", {"channel": "nothing"}, "nothing", "channel_unknown"),
    ],
)
def test_a_refusal_by_another_name_is_the_same_refusal(site, event, payload, channel, code):
    browser = site.browser(2)
    answer = browser.emit_ack(event, payload)
    assert (answer["channel"], answer["code"]) == (channel, code)
    assert browser.wait_for("subscription_error")[0] == answer


def test_a_group_is_joined_with_what_was_missed(site):
    browser = site.browser(2)
    place = site.broadcast("group.6", "x", 1).json()
    site.broadcast("group.6", "x", 2)
    since = {"epoch": place["epoch"], "offset": place["offset"]}
    answer = browser.emit_ack("join_group", {"group_id": 6, "since": since})
    assert (answer["recovered"], answer["count"], browser.wait_for("x")[0]) == (True, 1, 2)


# --- typing


def test_typing_is_told_to_the_others_as_their_pages_expect_it(site):
    writer, tab, reader = site.browser(2), site.browser(2), site.browser(3)
    for browser in (writer, tab, reader):
        browser.emit_ack("subscribe", {"channel": "thread.10"})
    for _ in range(3):
        answer = writer.emit_ack("typing_start", {"channel": "thread.10"})
    assert (answer["channel"], answer["status"]) == ("thread.10", "success")
    for name in ("user_typing", "typing_start"):
        told = reader.wait_for(name)[0]
        assert (told["userId"], told["userName"], told["channel"]) == (2, "Binh", "thread.10")
        assert told["timestamp"].endswith("Z")
    writer.emit_ack("typing_stop", {"channel": "thread.10"})
    for name in ("user_stopped_typing", "typing_stop"):
        assert reader.wait_for(name)[0]["userId"] == 2
    expected = ["user_typing", "typing_start", "user_stopped_typing", "typing_stop"]
    assert typing_of(reader) == typing_of(tab) == expected
    assert typing_of(writer) == []


def test_a_page_that_vanishes_has_stopped(site):
    writer, reader = site.browser(2, **WEBSOCKET), site.browser(6, **WEBSOCKET)
    for browser in (writer, reader):
        browser.emit_ack("join_group", {"group_id": 6})
    writer.emit_ack("group_typing_start", {"group_id": 6})
    told = reader.wait_for("group_typing_start")[0]
    about = {"group_id": 6, "user_id": 2, "user_name": "Binh"}
    assert told == {**about, "is_typing": True, "timestamp": told["timestamp"]}
    writer.drop()
    told = reader.wait_for("group_typing_stop")[0]
    assert told == {**about, "is_typing": False, "timestamp": told["timestamp"]}
    history = site.server.get(
        "/api/channels/group.6/history", headers={"X-API-Key": settings()["WEBSOCKET_API_KEY"]}
    )
    assert not {event["event"] for event in history.json()["events"]} & TYPING_EVENTS


@pytest.mark.parametrize(
    ("event", "payload", "code"),
    [
        ("typing_start", {"channel": "thread.10"}, "not_subscribed"),
        ("typing_stop", {"channel": "thread.10"}, "not_subscribed"),
        ("typing_start", {"channel": "public.news"}, "typing_channel"),
        ("typing_start", {}, "channel_required"),
        ("typing_start", {"thread_id": 10}, "channel_required"),
        ("group_typing_start", {"group_id": 6}, "not_subscribed"),
        ("group_typing_start", {"group_id": {}}, "channel_required"),
        ("group_typing_stop", [], "channel_required"),
    ],
)
def test_typing_is_refused_where_nobody_may_be_told(site, event, payload, code):
    browser = site.browser(2)
    answer = browser.emit_ack(event, payload)
    assert answer["code"] == code
    assert browser.wait_for("error")[0] == answer


def test_a_page_that_starts_and_stops_too_often_is_refused(site):
    writer, reader = site.browser(2), site.browser(3)
    for browser in (writer, reader):
        browser.emit_ack("subscribe", {"channel": "thread.10"})
    answers = [
        writer.emit_ack(event, {"channel": "thread.10"})
        for _ in range(11)
        for event in ("typing_start", "typing_stop")
    ]
    assert [answer.get("code") for answer in answers[:20]] == [None] * 20
    assert answers[20]["code"] == "rate_limited"
    assert answers[21]["status"] == "success"  # nothing to stop
    site.broadcast("thread.10", "end")
    reader.wait_for("end")
    assert len(typing_of(reader)) == 40


# --- groups


def test_a_member_is_told_how_many_they_are(site):
    member, other = site.browser(2), site.browser(6)
    answer = member.emit_ack("get_member_count", {"group_id": 6})
    assert answer == {
        "group_id": 6,
        "count": 2,
        "online": answer["online"],
        "updated_at": answer["updated_at"],
    }
    assert member.wait_for("member_count_updated")[0] == answer
    other.emit_ack("join_group", {"group_id": 6})
    wait_until(
        lambda: member.emit_ack("get_member_count", {"group_id": "6"})["online"] == 1,
        "the other to be counted",
    )
    assert other.events("member_count_updated") == []


@pytest.mark.parametrize(
    ("user_id", "payload", "code"),
    [
        (3, {"group_id": 6}, "not_a_group_member"),
        (1, {"group_id": 6}, "not_a_group_member"),
        (2, {"group_id": 99}, "group_not_found"),
        (2, {"group_id": None}, "channel_required"),
        (2, "6; DROP TABLE", "channel_unknown"),
    ],
)
def test_nobody_else_is_told_or_has_a_message_stored(site, laravel, user_id, payload, code):
    browser = site.browser(user_id)
    for event, more in (("get_member_count", {}), ("group_message", {"message": "Hello"})):
        fields = payload if isinstance(payload, dict) else {"group_id": payload}
        answer = browser.emit_ack(event, {**fields, **more})
        assert answer["code"] == code
        assert browser.wait_for("error")[0] == answer
    assert laravel.asked == []


def test_a_message_is_acknowledged_once_laravel_has_it(site, laravel):
    laravel.behaviour = says({"success": True, "data": {"id": 77}}, 201)
    browser, other = site.browser(2), site.browser(6)
    other.emit_ack("join_group", {"group_id": 6})
    message = {"group_id": 6, "message": "Xin chào <b>", "timestamp": "2026-11-26T01:00:00.000Z"}
    answer = browser.emit_ack("group_message", message)
    assert answer == {"success": True, "group_id": 6, "id": 77, "timestamp": answer["timestamp"]}
    [asked] = laravel.asked
    assert asked.path == PATH
    assert asked.headers["x-websocket-api-key"] == API_KEY
    assert asked.json() == {**message, "user_id": 2, "id": asked.headers["idempotency-key"]}
    site.broadcast("group.6", "end")
    other.wait_for("end")
    assert other.events("group_message") == []  # Laravel tells the group


def test_a_message_that_is_not_stored_is_said_not_to_be(site, laravel):
    browser = site.browser(2)
    message = {"group_id": 6, "message": "Hello", "id": "page-1"}
    for behaviour, outcome in ((says({}, 422), None), (HTML, "unknown")):
        laravel.behaviour = behaviour
        answer = browser.emit_ack("group_message", message)
        assert "success" not in answer
        assert (answer["code"], answer.get("outcome")) == ("group_message_not_stored", outcome)
        assert browser.wait_for("error")[0] == answer
    assert [asked.json()["id"] for asked in laravel.asked] == ["page-1"] * 2
    for wrong, code in (
        ({"message": " "}, "message_required"),
        ({"message": "x" * 10_001}, "message_too_long"),
        ({"message": "x", "timestamp": "yesterday"}, "timestamp_invalid"),
        ({"message": "x", "id": 5}, "message_id_invalid"),
        ({"message": ["x"]}, "message_required"),
    ):
        assert browser.emit_ack("group_message", {"group_id": 6, **wrong})["code"] == code
    assert len(laravel.asked) == 2


def test_a_page_may_say_that_somebody_is_there(site):
    browser, other = site.browser(2), site.browser(2)
    answer = browser.emit_ack("user_activity", {"activity": "scrolling"})
    assert answer == {"success": True, "timestamp": answer["timestamp"]}
    other.emit_ack("ping")
    assert other.events("user_activity") == []


# --- two workers, which nobody asked to store messages


@pytest.fixture
def cluster(serve, node_client, redis_server, tmp_path) -> Site:
    url = database_with_places(tmp_path / "laravel.sqlite")
    server = serve(settings(REDIS_URL=redis_server.url, WEB_CONCURRENCY="2", LARAVEL_DATABASE_URL=url))
    return Site(server, node_client)


def test_on_two_workers_a_tab_that_stops_does_not_stop_the_other(cluster):
    pages = on_both_workers(cluster, number=2)
    here = pages[0]
    there = next(page for page in pages if slot_of(page) != slot_of(here))
    readers = on_both_workers(cluster, 6, number=2)
    for browser in (here, there, *readers):
        browser.emit_ack("join_group", {"group_id": 6})
    group = {"group_id": 6}
    here.emit_ack("group_typing_start", group)
    there.emit_ack("group_typing_start", group)
    here.emit_ack("group_typing_stop", group)
    cluster.broadcast("group.6", "between")
    there.drop()
    for reader in readers:
        reader.wait_for("group_typing_stop")
        told = [name for name, _ in reader.history() if name in TYPING_EVENTS or name == "between"]
        assert told == ["group_typing_start", "group_typing_start", "between", "group_typing_stop"]
    wait_until(
        lambda: readers[0].emit_ack("get_member_count", group)["online"] == len(readers) + 1,
        "the pages that are left to be counted",
    )
    refused = readers[0].emit_ack("group_message", {**group, "message": "Hello"})
    assert (refused["code"], "outcome" in refused) == ("group_message_unsupported", False)
