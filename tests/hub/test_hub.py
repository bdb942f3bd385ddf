"""What browsers do, on one worker."""

import pytest

from mechamap.domain.channels import parse_channel
from mechamap.domain.commands import Action, Command
from mechamap.domain.errors import (
    BrokerUnavailable,
    DirectoryUnavailable,
    Forbidden,
    InvalidChannel,
    InvalidField,
    NotFound,
    Unavailable,
)
from mechamap.domain.history import Gap
from mechamap.domain.payloads import payload_of
from mechamap.domain.publication import Publication


def publish(world, channel: str, event: str = "x", data: object = None, except_id: str | None = None):
    sent = Publication((parse_channel(channel),), event, payload_of(data), except_id=except_id)
    return world.broker.publish(sent)


def test_a_connection_hears_its_own_channel_at_once(world):
    world.connect("a")
    assert publish(world, "private-user.7", "hello", {"n": 1}).total == 1
    assert world.transport.sent["a"] == [("hello", ({"n": 1},))]


def test_the_roster_shows_a_connection_until_it_leaves(world):
    world.connect("a")
    world.hub.subscribe("a", "public.news")
    (record,) = world.roster.connections()
    assert (record.sid, record.user_id, record.worker) == ("a", 7, "w1")
    assert record.channels == ("private-user.7", "public.news")
    world.hub.disconnect("a", "transport_close")
    assert world.roster.connections() == []
    assert world.broker.channels() == {}
    assert ("disconnection", "transport_close") in world.meter.counts


def test_disconnecting_twice_is_once(world):
    world.connect("a")
    world.hub.disconnect("a", "x")
    world.hub.disconnect("a", "x")
    world.hub.disconnect("never-there", "x")
    assert [count for count in world.meter.counts if count[0] == "disconnection"] == [("disconnection", "x")]


def test_a_full_worker_refuses_and_says_when_to_return(world):
    for n in range(20):
        world.connect(f"s{n}")
    with pytest.raises(Unavailable) as refusal:
        world.connect("one-more")
    assert (refusal.value.code, refusal.value.retry_after) == ("server_full", 5)
    assert len(world.roster.connections()) == 20


def test_subscribing_twice_is_once(world):
    world.connect("a")
    world.hub.subscribe("a", "public.news")
    world.hub.subscribe("a", "public.news")
    assert world.broker.channels()["public:news"] == 1
    publish(world, "public.news")
    assert len(world.transport.events("a", "x")) == 1


def test_a_refusal_carries_the_rules_code_and_joins_nothing(world):
    world.connect("a")
    with pytest.raises(Forbidden) as refusal:
        world.hub.subscribe("a", "private-user.8")
    assert refusal.value.code == "not_owner"
    assert ("subscription", "user", "not_owner") in world.meter.counts
    publish(world, "private-user.8")
    assert "a" not in world.transport.sent


@pytest.mark.parametrize(
    ("channel", "code"),
    [
        ("presence-thread.11", "thread_hidden"),
        ("presence-thread.99", "thread_not_found"),
        ("forum.2", "role_too_low"),
    ],
)
def test_rules_are_judged_by_facts(world, channel, code):
    world.connect("a")
    with pytest.raises(Forbidden) as refusal:
        world.hub.subscribe("a", channel)
    assert refusal.value.code == code


def test_an_open_thread_can_be_joined(world):
    world.connect("a")
    assert world.hub.subscribe("a", "presence-thread.10").channel.canonical == "thread:10"


def test_the_number_of_channels_is_bounded(world):
    world.connect("a")
    for n in range(3):
        world.hub.subscribe("a", f"public.{n}")
    with pytest.raises(InvalidField) as refusal:
        world.hub.subscribe("a", "public.one-more")
    assert refusal.value.code == "too_many_subscriptions"
    assert "4" in str(refusal.value)


def test_leaving_stops_delivery_and_leaving_again_is_harmless(world):
    world.connect("a")
    world.hub.subscribe("a", "public.news")
    for _ in range(2):
        world.hub.unsubscribe("a", "public.news")
    assert publish(world, "public.news").total == 0
    assert "a" not in world.transport.sent


def test_names_outside_the_grammar_are_refused_for_leaving_too(world):
    world.connect("a")
    for name in (None, "", 7, "a", "user:7"):
        with pytest.raises(InvalidChannel):
            world.hub.unsubscribe("a", name)
    assert publish(world, "private-user.7").total == 1


def test_who_is_not_signed_in_can_do_nothing(world):
    for action in (world.hub.subscribe, world.hub.unsubscribe):
        with pytest.raises(NotFound) as refusal:
            action("stranger", "public.news")
        assert refusal.value.code == "not_connected"


def test_a_dead_directory_leaves_public_and_own_channels_open_and_refuses_the_rest(world):
    world.connect("a")
    world.facts.away = True
    assert world.hub.subscribe("a", "public.news")
    assert world.hub.subscribe("a", "private-user.7")
    for channel in ("forum.1", "presence-thread.10", "admin.x"):
        with pytest.raises(DirectoryUnavailable):
            world.hub.subscribe("a", channel)


def test_a_broker_that_cannot_promise_delivery_leaves_no_trace(world, monkeypatch):
    world.connect("a")

    def away(channel):
        raise BrokerUnavailable("Redis is away.")

    monkeypatch.setattr(world.broker, "subscribe", away)
    with pytest.raises(BrokerUnavailable):
        world.hub.subscribe("a", "public.news")
    with pytest.raises(BrokerUnavailable):
        world.connect("b", 8)
    assert world.hub.connections.get("b") is None
    assert [channel.name for channel in world.hub.connections.get("a").channels.values()] == [
        "private-user.7"
    ]


def test_a_browser_that_leaves_while_the_broker_confirms_is_not_counted(world, monkeypatch):
    world.connect("a")
    confirm = world.broker.subscribe

    def leave_meanwhile(channel):
        confirm(channel)
        world.hub.disconnect("a", "transport_close")

    monkeypatch.setattr(world.broker, "subscribe", leave_meanwhile)
    with pytest.raises(NotFound):
        world.hub.subscribe("a", "public.news")
    assert world.broker.channels() == {}


def test_the_excepted_connection_does_not_hear_its_own_event(world):
    world.connect("a")
    world.connect("b")
    publish(world, "private-user.7", "x", except_id="a")
    assert "a" not in world.transport.sent
    assert len(world.transport.sent["b"]) == 1


@pytest.mark.parametrize(
    ("target", "closed"),
    [
        ({"sid": "a"}, {"a"}),
        ({"user_id": 7}, {"a", "b"}),
        ({"channel": "public:news"}, {"b", "c"}),
        ({"everyone": True}, {"a", "b", "c"}),
        ({"sid": "nobody"}, set()),
    ],
)
def test_a_kick_closes_exactly_whom_it_names_and_says_why(world, target, closed):
    world.connect("a")
    world.connect("b")
    world.connect("c", 8)
    world.hub.subscribe("b", "public.news")
    world.hub.subscribe("c", "public.news")
    world.broker.command(Command(Action.KICK, code="operator", reason="Bye.", **target))
    assert set(world.transport.closed) == closed
    for sid in closed:
        assert world.transport.events(sid, "force_disconnect") == [{"reason": "Bye.", "code": "operator"}]
        assert world.hub.connections.get(sid) is None
    assert len(world.roster.connections()) == 3 - len(closed)


def test_the_books_follow_any_sequence_of_comings_and_goings(world):
    for sid, user_id in (("a", 7), ("b", 7), ("c", 7), ("d", 8)):
        world.connect(sid, user_id)
        world.hub.subscribe(sid, "public.news")
    connections = world.hub.connections
    assert connections.subscriptions == 8
    assert {connection.sid for connection in connections.of_user(7)} == {"a", "b", "c"}
    world.hub.disconnect("b", "x")
    world.hub.unsubscribe("c", "public.news")
    assert connections.subscriptions == 5
    assert {connection.sid for connection in connections.of_user(7)} == {"a", "c"}
    assert {connection.sid for connection in connections.of_channel("public:news")} == {"a", "d"}
    for sid in ("a", "c", "d"):
        world.hub.disconnect(sid, "x")
    assert connections.subscriptions == 0
    assert connections.of_user(7) == connections.of_channel("public:news") == []
    assert len(connections) == 0


def test_a_gap_is_counted_by_its_reason(world):
    world.hub.hearing.on_gap(["public:news", "thread:7"], Gap.TRIMMED)
    assert ("gap", "trimmed", 2) in world.meter.counts
