"""Conversations, groups, showcases and the marketplace, over the wire: who may join, under which names, and
who no longer may."""

import sqlite3
from contextlib import closing

import pytest

from tests.store import shapes

from .conftest import KEY, plan_database, settings

ROWS = """
INSERT INTO conversations (id, is_group) VALUES (5, 0), (6, 1);
INSERT INTO conversation_participants (conversation_id, user_id) VALUES (5, 2), (5, 3), (6, 3);
INSERT INTO group_members (conversation_id, user_id, is_active) VALUES (6, 2, 1), (6, 3, 0), (6, 6, 1);
INSERT INTO showcases (id, user_id, status, is_public) VALUES (1, 3, 'featured', 1), (2, 3, 'pending', 1),
    (3, 3, 'approved', 0);
INSERT INTO marketplace_sellers (id, user_id) VALUES (9, 2);
"""


def database_with_places(path) -> str:
    """A SQLite file with these rows in the application's tables; its URL."""
    url = plan_database(path)
    with closing(sqlite3.connect(path)) as database:
        for ddl in shapes.PLACES:
            database.execute(shapes.for_sqlite(ddl))
        database.executescript(ROWS)
    return url


@pytest.fixture(scope="module")
def server(serve_module, tmp_path_factory):
    url = database_with_places(tmp_path_factory.mktemp("laravel") / "laravel.sqlite")
    return serve_module(
        settings(LARAVEL_DATABASE_URL=url, DIRECTORY_CACHE_SECONDS="300", RECHECK_SECONDS="0.3")
    )


VERDICTS = {
    2: {
        "conversation.5": None,
        "private-conversation.5": None,
        "conversation.6": None,
        "private-group.6": None,
        "showcase.1": None,
        "showcase.2": "showcase_unapproved",
        "showcase.3": "showcase_private",
        "showcase.4": "showcase_not_found",
        "product.1": None,
        "marketplace.global": None,
        "private-marketplace.orders.2": None,
        "marketplace.orders.3": "not_owner",
        "seller.9": None,
        "seller.2": "seller_not_found",
        "user.2.messages": None,
        "following.3": "not_owner",
        "notifications": None,
        "thread.10": None,
        "private-thread.20": "role_too_low",
        "private-forum.2": "role_too_low",
    },
    3: {
        "conversation.6": "not_a_group_member",
        "group.6": "not_a_group_member",
        "showcase.2": None,
        "showcase.3": None,
        "marketplace.seller.9": "not_owner",
    },
    6: {"private-group.6": None, "conversation.5": "not_a_participant", "showcase.1": None},
    1: {
        "conversation.5": "not_a_participant",
        "group.6": "not_a_group_member",
        "group.7": "group_not_found",
        "private-marketplace.seller.9": "not_owner",
        "notifications.role.super_admin": "role_channel_closed",
        "private-notifications.role.member": "role_channel_closed",
        "system.restart": "server_only",
        "private-admin.metrics": None,
    },
}


@pytest.mark.parametrize("user_id", VERDICTS)
def test_the_rules_hold_over_the_wire(site, user_id):
    browser = site.browser(user_id)
    answers = {name: browser.emit_ack("subscribe", {"channel": name}) for name in VERDICTS[user_id]}
    assert {name: answer.get("code") for name, answer in answers.items()} == VERDICTS[user_id]
    assert [answer["channel"] for answer in answers.values()] == list(VERDICTS[user_id])


@pytest.mark.parametrize(
    ("joined", "published"),
    [
        ("private-conversation.5", "conversation.5"),
        ("group.6", "private-group.6"),
        ("private-thread.10", "presence-thread.10"),
        ("private-forum.1", "forum.1"),
        ("seller.9", "private-marketplace.seller.9"),
        ("marketplace.orders.2", "private-marketplace.orders.2"),
        ("following.2", "user.2.following"),
        ("public.notifications", "notifications"),
        ("private-user.2", "user.2"),
    ],
)
def test_an_event_under_one_name_reaches_who_joined_by_another(site, joined, published):
    browser = site.browser(2)
    assert browser.emit_ack("subscribe", {"channel": joined})["channel"] == joined
    assert site.broadcast(published, "x", published).json()["subscriberCount"] == 1
    assert browser.wait_for("x")[0] == published
    assert browser.emit_ack("unsubscribe", {"channel": published})["channel"] == published
    assert site.broadcast(joined, "x").json()["subscriberCount"] == 0


def test_one_event_under_all_names_of_a_channel_comes_once(site):
    browser = site.browser(2)
    names = ["private-thread.10", "thread.10", "presence-thread.10"]
    for name in names:
        assert browser.emit_ack("subscribe", {"channel": name})["channel"] == name
    assert browser.wait_for("presence:subscribed")[0] == "presence-thread.10"
    body = {"channels": names, "event": "x", "data": 1}
    answer = site.server.post("/api/broadcast", body, headers={"X-API-Key": KEY}).json()
    assert answer["subscriberCount"] == 1
    site.broadcast("thread.10", "end")
    browser.wait_for("end")
    assert len(browser.events("x")) == 1


def test_who_leaves_a_conversation_hears_no_more_of_it(site, laravel_rows):
    leaver, other = site.browser(6), site.browser(2)
    for browser in (leaver, other):
        assert browser.emit_ack("subscribe", {"channel": "group.6"})["status"] == "success"
    try:
        laravel_rows("UPDATE group_members SET is_active = 0 WHERE user_id = 6")
        lost = leaver.wait_for("unsubscribed")[0]
        assert (lost["channel"], lost["code"]) == ("group.6", "not_a_group_member")
        assert site.broadcast("group.6", "x").json()["subscriberCount"] == 1
        other.wait_for("x")
        # the memory of rows does not let it in again
        assert leaver.emit_ack("subscribe", {"channel": "group.6"})["code"] == "not_a_group_member"
    finally:
        laravel_rows("UPDATE group_members SET is_active = 1 WHERE user_id = 6")
    assert leaver.emit_ack("subscribe", {"channel": "group.6"})["status"] == "success"
