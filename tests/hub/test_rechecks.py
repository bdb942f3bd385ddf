"""What happens to live connections when their token ends or the facts about them change."""

from dataclasses import replace

import pytest

from mechamap.domain.access import ForumFacts


def test_a_connection_ends_with_its_token(world):
    world.connect("soon", expires_at=world.now + 60)
    world.connect("later", expires_at=world.now + 600)
    world.connect("never")
    world.now += 61
    assert world.rechecks.end_expired() == 1
    assert world.transport.closed == {"soon": "token_expired"}
    assert world.transport.events("soon", "force_disconnect")[0]["code"] == "token_expired"
    assert world.rechecks.end_expired() == 0


@pytest.mark.parametrize(
    ("change", "code"),
    [({"banned": True}, "user_banned"), ({"active": False}, "user_inactive"), (None, "user_unknown")],
)
def test_a_user_who_may_no_longer_sign_in_is_closed(world, change, code):
    world.connect("a")
    world.connect("b", 8)
    if change is None:
        del world.facts.people[7]
    else:
        world.facts.people[7] = replace(world.facts.people[7], **change)
    world.rechecks.everyone()
    assert world.transport.closed == {"a": code}


def test_a_lost_role_takes_its_channels_and_nothing_else(world):
    world.connect("m", 4)
    for channel in ("moderator.queue", "forum.2", "public.news"):
        world.hub.subscribe("m", channel)
    world.facts.people[4] = replace(world.facts.people[4], role="member")
    world.rechecks.everyone()
    names = [channel.name for channel in world.hub.connections.get("m").channels.values()]
    assert names == ["private-user.4", "public.news"]
    assert [event["channel"] for event in world.transport.events("m", "unsubscribed")] == [
        "moderator.queue",
        "forum.2",
    ]
    told = world.transport.events("m", "subscription_error")[0]
    assert (told["error"], told["code"]) == ("Unauthorized", "role_too_low")
    assert world.broker.channels() == {"user:4": 1, "public:news": 1}
    assert world.transport.closed == {}


def test_a_forum_that_becomes_private_loses_its_members(world):
    world.connect("a")
    world.hub.subscribe("a", "forum.1")
    world.hub.subscribe("a", "presence-thread.10")
    world.facts.forums[1] = ForumFacts(1, private=True)
    world.rechecks.user(7)
    assert world.broker.channels() == {"user:7": 1}


def test_a_dead_directory_changes_nothing(world):
    world.connect("a")
    world.hub.subscribe("a", "forum.1")
    world.facts.away = True
    world.rechecks.everyone()
    world.rechecks.user(7)
    assert world.transport.closed == {}
    assert world.broker.channels() == {"user:7": 1, "forum:1": 1}


def test_a_connection_that_the_transport_lost_silently_is_forgotten(world):
    world.connect("a")
    world.connect("b")
    del world.transport.alive["a"]
    world.rechecks.reconcile()
    assert len(world.hub.connections) == 2, "it may still be in the middle of being accepted"
    world.now += 11
    world.rechecks.reconcile()
    assert [connection.sid for connection in world.hub.connections] == ["b"]
    assert len(world.roster.connections()) == 1


def test_an_upgrade_to_websocket_is_noted(world):
    world.connect("a").transport = "polling"
    world.rechecks.reconcile()
    assert world.roster.connections()[0].transport == "websocket"
