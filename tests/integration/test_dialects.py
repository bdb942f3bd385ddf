"""Every way in which the application's PHP publishes, to real browsers: each event once, and to those it is
for."""

import sqlite3
from contextlib import closing

import pytest

from tests.services.processes import wait_until

from .conftest import KEY, Site, plan_database, run_sql, settings

WEBSOCKET = {"transports": ["websocket"]}
SECRET = "integration-server-secret-integration-secret"
GROUPS = """
CREATE TABLE conversations (id INTEGER PRIMARY KEY, is_group INTEGER);
CREATE TABLE conversation_participants (id INTEGER PRIMARY KEY, conversation_id INTEGER, user_id INTEGER);
CREATE TABLE group_members
    (id INTEGER PRIMARY KEY, conversation_id INTEGER, user_id INTEGER, is_active INTEGER);
INSERT INTO conversations VALUES (5, 1), (6, 0);
INSERT INTO conversation_participants VALUES (1, 6, 2), (2, 6, 3);
INSERT INTO group_members VALUES (1, 5, 2, 1), (2, 5, 3, 1);
"""
DRIVER = "/api/laravel-broadcast"


def application_database(path) -> str:
    url = plan_database(path)
    with closing(sqlite3.connect(path)) as database:
        database.executescript(GROUPS)
    return url


@pytest.fixture(scope="module")
def server(serve_module, tmp_path_factory):
    path = tmp_path_factory.mktemp("laravel") / "laravel.sqlite"
    return serve_module(
        settings(
            LARAVEL_DATABASE_URL=application_database(path),
            DIRECTORY_CACHE_SECONDS="0",
            WEBSOCKET_SERVER_SECRET=SECRET,
        )
    )


def post(site: Site, path: str, body: object, key: str | None = SECRET) -> dict:
    headers = {"Authorization": f"Bearer {key}"} if key is not None else {}
    answer = site.server.post(path, body, headers=headers)
    assert answer.status == 200, answer.text
    return answer.json()


def in_channels(site: Site, *names: str, user_id: int = 2):
    browser = site.browser(user_id, **WEBSOCKET)
    for name in names:
        assert browser.emit_ack("subscribe", {"channel": name})["status"] == "success", name
    return browser


def received(site: Site, browser) -> list[tuple[str, object]]:
    """The published events that came, up to one published now."""
    post(site, "/api/broadcast/user/2", {"event": "the-end", "data": None}, KEY)
    browser.wait_for("the-end")
    ours = ("connect", "connected", "subscribed", "presence:subscribed", "the-end")
    return [(event, args[0]) for event, args in browser.history() if event not in ours]


# What is published, in which of the browser's channels, and what it gets of it: once each.
ROW = {"id": 41, "title": "Xin chào"}
WAYS = {
    "S": (
        "/api/broadcast",
        {"channels": ["thread.10", "user.2", "forum.1"], "event": "notification.sent", "data": ROW},
        [("notification.sent", ROW)],
    ),
    "A": (
        DRIVER,
        {
            "channels": [{"name": "thread.10"}, {"name": "private-user.2"}, {"name": "private-group.5"}],
            "event": "group.message.sent",
            "data": {**ROW, "socket": None},
        },
        [("group.message.sent", ROW)],
    ),
    "B": (
        "/api/broadcast",
        {
            "event": "notification",
            "user_id": 2,
            "channel": "user.2",
            "data": ROW,
            "metadata": {"unread_count": 4},
        },
        [("notification", {**ROW, "unread_count": 4})],
    ),
    "C to a user": (
        "/api/notify",
        {"action": "send_to_user", "user_id": 2, "data": {"type": "rating_liked"}},
        [("rating_liked", {"type": "rating_liked"}), ("notification", {"type": "rating_liked"})],
    ),
    "C to a channel": (
        "/api/notify",
        {"action": "broadcast_to_channel", "channel": "conversation.6", "data": {"type": "message_received"}},
        [("message_received", {"type": "message_received"})],
    ),
    "D to a channel": (
        DRIVER,
        {"action": "broadcast_to_channel", "channel": "group.5", "event": "group_message", "data": ROW},
        [("group_message", ROW)],
    ),
    "D to a user": (
        DRIVER,
        {"action": "send_to_user", "user_id": 2, "data": {"type": "group_message"}},
        [("notification", {"type": "group_message"})],
    ),
    "E to a user": (
        "/api/broadcast",
        {"event": "e", "to": "user", "user_id": 2, "data": ROW},
        [("e", ROW)],
    ),
    "E to a thread": (
        "/api/broadcast",
        {"event": "e", "to": "thread", "thread_id": 10, "data": ROW},
        [("e", ROW)],
    ),
    "to a user by path": ("/api/broadcast/user/2", {"event": "e", "data": ROW}, [("e", ROW)]),
    "several": (
        "/api/broadcast/multi",
        {"broadcasts": [{"channels": ["user.2", "thread.10"], "event": "e", "data": n} for n in (1, 2)]},
        [("e", 1), ("e", 2)],
    ),
}


def test_each_event_comes_once_whatever_the_way_and_the_channels(site: Site):
    """The browser is in all of the channels, most of them in another spelling than the publisher's."""
    browser = in_channels(site, "presence-thread.10", "forum.1", "group.5", "private-conversation.6")
    browser.forget()
    expected = []
    for path, body, events in WAYS.values():
        post(site, path, body)
        expected += events
    assert received(site, browser) == expected


def test_the_driver_without_a_key_reaches_browsers_but_not_its_sender(site: Site):
    sender, other = (in_channels(site, "thread.10") for _ in range(2))
    body = {
        "channels": [{"name": "thread.10"}],
        "event": "comment.created",
        "data": {"n": 1, "socket": sender.id},
    }
    assert post(site, DRIVER, body, None)["totalSubscribers"] == 2
    assert other.wait_for("comment.created")[0] == {"n": 1}
    received(site, sender)
    assert sender.events("comment.created") == []


def test_a_private_notification_does_not_reach_the_forum(site: Site):
    reader = in_channels(site, "forum.1", user_id=3)
    owner = in_channels(site, "forum.1")
    body = {
        "channels": [{"name": "private-user.2"}, {"name": "private-forum.1"}],
        "event": "notification.received",
        "data": {"id": 77},
    }
    assert [row["status"] for row in post(site, DRIVER, body, None)["results"]] == ["accepted", "withheld"]
    assert owner.wait_for("notification.received")[0] == {"id": 77}
    site.broadcast("forum.1", "after", None)
    reader.wait_for("after")
    assert reader.events("notification.received") == []
    # the same row, announced by the service as well
    again = {"event": "notification", "user_id": 2, "data": {"id": 77}, "metadata": {}}
    assert post(site, "/api/broadcast", again)["duplicate"] is True
    received(site, owner)
    assert owner.events("notification") == []


def test_who_listens_is_counted_in_every_spelling(site: Site):
    browsers = [
        in_channels(site, "group.5"),
        in_channels(site, "private-group.5"),
        in_channels(site, "group.5", user_id=3),
    ]
    headers = {"Authorization": f"Bearer {SECRET}"}

    def asked(path: str) -> dict:
        return site.server.get(path, headers=headers).json()

    assert asked("/api/channel-stats/group.5")["subscriberCount"] == 3
    everyone = {browser.id for browser in browsers}
    # people are known up to half a second later
    wait_until(
        lambda: set(asked("/api/channels/private-group.5")["subscribers"]) == everyone,
        "the roster to know",
        5,
    )
    assert asked("/api/channel-stats/group.5")["userCount"] == 2


@pytest.fixture
def cluster(serve, node_client, redis_server, tmp_path) -> Site:
    return Site(
        serve(
            settings(
                LARAVEL_DATABASE_URL=application_database(tmp_path / "laravel.sqlite"),
                DIRECTORY_CACHE_SECONDS="0.5",
                REDIS_URL=redis_server.url,
                WEB_CONCURRENCY="2",
            )
        ),
        node_client,
    )


def slots(browsers) -> set[str]:
    return {browser.id.partition(".")[0][:-16] for browser in browsers}


def test_all_of_a_users_connections_join_and_leave_on_every_worker(cluster: Site):
    browsers = [cluster.browser(4, **WEBSOCKET) for _ in range(4)]
    while len(slots(browsers)) < 2:
        browsers.append(cluster.browser(4, **WEBSOCKET))
    order = {"action": "join_channel", "user_id": 4, "channel": "group.5"}
    for browser in browsers:
        assert browser.emit_ack("subscribe", "group.5")["error"] == "Unauthorized"
        browser.forget()
    run_sql(cluster.server, "INSERT INTO group_members VALUES (9, 5, 4, 1)")
    post(cluster, DRIVER, order, KEY)
    for browser in browsers:
        told = browser.wait_for("subscribed")[0]
        assert (told["channel"], told["status"]) == ("group.5", "joined")
    message = {"channels": [{"name": "private-group.5"}, {"name": "user.4"}], "event": "m", "data": {"n": 1}}
    assert post(cluster, DRIVER, message, KEY)["totalSubscribers"] == 2 * len(browsers)
    for browser in browsers:
        assert browser.wait_for("m")[0] == {"n": 1}
        assert len(browser.events("m")) == 1
    # the two announcements of a row, each to whichever worker takes it
    received = {"channels": ["private-user.4"], "event": "notification.received", "data": {"id": 1}}
    service = {"event": "notification", "user_id": 4, "data": {"id": 1}, "metadata": {}}
    told = [post(cluster, DRIVER, received, KEY), post(cluster, "/api/broadcast", service, KEY)]
    assert [answer["duplicate"] for answer in told] == [False, True]
    post(cluster, DRIVER, {**order, "action": "leave_channel"}, KEY)
    for browser in browsers:
        assert browser.wait_for("unsubscribed")[0]["channel"] == "group.5"
    assert post(cluster, DRIVER, {**message, "channels": ["group.5"]}, KEY)["totalSubscribers"] == 0
    for browser in browsers:
        assert browser.events("notification") == []
