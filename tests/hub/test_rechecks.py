"""What happens to live connections when their token ends or the facts about them change."""

from dataclasses import replace

import pytest

from mechamap.domain.facts import (
    ConversationFacts,
    ForumFacts,
    MembershipFacts,
    SellerFacts,
    ShowcaseFacts,
    ThreadFacts,
)
from mechamap.domain.identity import UserFacts


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


def test_a_block_whose_order_did_not_come_here_is_found_at_a_recheck(world):
    blocked = {7: world.now + 60, 8: world.now}
    world.rechecks._blocked = lambda: blocked
    world.connect("a"), world.connect("over", 8), world.connect("other", 1)
    world.rechecks.everyone()
    assert world.transport.closed == {"a": "user_blocked"}


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


@pytest.fixture
def sociable(world):
    """A world with a conversation, a group, a showcase and a shop that user 7 may enter."""
    world.facts.conversations = {5: ConversationFacts(5), 6: ConversationFacts(6, group=True)}
    world.facts.memberships = {
        (5, 7): MembershipFacts(5, 7, participant=True),
        (6, 7): MembershipFacts(6, 7, participant=True, group_member=True),
    }
    world.facts.showcases = {5: ShowcaseFacts(5, owner_id=8)}
    world.facts.sellers = {5: SellerFacts(5, 7)}
    return world


@pytest.mark.parametrize(
    ("name", "lose", "code"),
    [
        ("private-conversation.5", lambda f: f.memberships.pop((5, 7)), "not_a_participant"),
        ("conversation.5", lambda f: f.conversations.pop(5), "conversation_not_found"),
        (
            "group.6",
            lambda f: f.memberships.update({(6, 7): MembershipFacts(6, 7, participant=True)}),
            "not_a_group_member",
        ),
        ("conversation.6", lambda f: f.memberships.pop((6, 7)), "not_a_group_member"),
        (
            "showcase.5",
            lambda f: f.showcases.update({5: ShowcaseFacts(5, 8, public=False)}),
            "showcase_private",
        ),
        ("private-marketplace.seller.5", lambda f: f.sellers.update({5: SellerFacts(5, 8)}), "not_owner"),
        ("thread.10", lambda f: f.threads.update({10: ThreadFacts(10, 2, 8)}), "role_too_low"),
    ],
)
def test_what_is_lost_is_taken_away_under_the_name_it_was_joined_by(sociable, name, lose, code):
    sociable.connect("a")
    for channel in (name, "public.news"):
        sociable.hub.subscribe("a", channel)
    sociable.rechecks.everyone()
    assert sociable.transport.events("a", "unsubscribed") == []
    lose(sociable.facts)
    sociable.rechecks.everyone()
    [told] = sociable.transport.events("a", "unsubscribed")
    assert (told["channel"], told["code"], told["reason"]) == (name, code, "revoked")
    assert sociable.hub.connections.get("a").spellings == ("private-user.7", "public.news")


def test_many_connections_are_judged_by_a_few_questions(sociable):
    facts = sociable.facts
    for user_id in range(101, 119):
        facts.people[user_id] = UserFacts(user_id, None, "member")
        facts.memberships[(6, user_id)] = MembershipFacts(6, user_id, group_member=True)
        sociable.connect(f"s{user_id}", user_id)
        for channel in ("group.6", "conversation.6", "thread.10"):
            sociable.hub.subscribe(f"s{user_id}", channel)
    facts.asked.clear()
    del facts.memberships[(6, 101)]
    sociable.rechecks.everyone()
    # the group, the thread and eighteen memberships; then the thread's forum
    assert facts.asked == [20, 1]
    assert sociable.hub.connections.get("s101").spellings == ("private-user.101", "thread.10")
    assert len(sociable.hub.connections.get("s102").spellings) == 4


def test_what_is_joined_while_facts_are_fetched_stays(sociable):
    sociable.connect("a")
    sociable.hub.subscribe("a", "forum.1")
    gather = sociable.facts.gather

    def slowly(places):
        found = gather(places)
        sociable.hub.subscribe("a", "group.6")
        return found

    sociable.facts.gather = slowly
    sociable.rechecks.user(7)
    assert sociable.hub.connections.get("a").spellings == ("private-user.7", "forum.1", "group.6")


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
