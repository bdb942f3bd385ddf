"""A publisher's orders: let a user's connections into a channel, take them out of it."""

from collections import deque

import pytest

from mechamap.domain.commands import Action, Command
from mechamap.domain.errors import BrokerUnavailable
from mechamap.domain.identity import UserFacts
from mechamap.domain.recovery import Returning
from mechamap.hub import orders
from mechamap.hub.orders import Orders


class Turns:
    """Runs what was spawned when the test says so."""

    def __init__(self) -> None:
        self.ready: deque = deque()
        self.later: list[tuple] = []

    def spawn(self, function, *arguments):
        self.ready.append((function, arguments))

    def spawn_later(self, seconds, function, *arguments):
        self.later.append((seconds, function, arguments))

    def run(self):
        while self.ready:
            function, arguments = self.ready.popleft()
            function(*arguments)

    def run_later(self):
        for _, function, arguments in self.later:
            function(*arguments)
        self.later.clear()
        self.run()


@pytest.fixture
def turns(world) -> Turns:
    turns = Turns()
    world.hub.commands.ordered = Orders(world.hub, world.transport, turns.spawn, turns.spawn_later, 5.5).take
    return turns


def order(action: Action, channel: str = "forum.1", user_id: int = 7) -> Command:
    return Command(action, user_id=user_id, subject=channel)


def test_all_connections_of_the_user_join_and_are_told(world, turns):
    for sid in ("a", "b"):
        world.connect(sid)
    world.connect("c", 8)
    world.broker.command(order(Action.JOIN))
    assert "forum:1" not in world.transport.rooms  # the delivery itself did not wait for it
    turns.run()
    assert world.transport.rooms["forum:1"] == {"a", "b"}
    for sid in ("a", "b"):
        told = world.transport.events(sid, "subscribed")[-1]
        assert (told["channel"], told["status"]) == ("forum.1", "joined")
        assert told["epoch"]
    assert world.transport.events("c", "subscribed") == []


def test_one_that_has_the_channel_is_told_nothing(world, turns):
    world.connect("a")
    world.hub.subscribe("a", "forum.1")
    world.broker.command(order(Action.JOIN))
    turns.run()
    assert world.transport.events("a", "subscribed") == []


def test_the_rule_holds(world, turns):
    world.connect("a")
    world.broker.command(order(Action.JOIN, "admin.x"))
    turns.run()
    assert "admin:x" not in world.transport.rooms
    assert ("subscription", "admin", "role_too_low") in world.meter.counts
    assert world.transport.events("a", "subscribed") == []


def test_a_refusal_by_old_facts_is_judged_again_once(world, turns):
    world.connect("a")
    world.broker.command(order(Action.JOIN, "forum.2"))
    turns.run()
    assert [seconds for seconds, *_ in turns.later] == [5.5]
    world.facts.people[7] = UserFacts(7, "User 7", "senior_member")
    turns.run_later()
    assert world.transport.rooms["forum:2"] == {"a"}
    world.broker.command(order(Action.JOIN, "admin.x"))
    turns.run()
    turns.run_later()
    assert turns.later == []


def test_all_connections_of_the_user_leave_and_are_told_in_their_spelling(world, turns):
    for sid in ("a", "b"):
        world.connect(sid)
        world.hub.subscribe(sid, "presence-thread.10")
    world.connect("c", 8)
    world.hub.subscribe("c", "presence-thread.10")
    world.broker.command(order(Action.LEAVE, "presence-thread.10"))
    turns.run()
    assert world.transport.rooms["thread:10"] == {"c"}
    assert [told["channel"] for told in world.transport.events("a", "unsubscribed")] == ["presence-thread.10"]
    world.broker.command(order(Action.LEAVE, "presence-thread.10"))
    turns.run()
    assert len(world.transport.events("a", "unsubscribed")) == 1


def test_orders_of_one_user_keep_their_order_and_survive_an_outage(world, turns, monkeypatch):
    world.connect("a")
    real = world.broker.subscribe

    def away(channel):
        monkeypatch.setattr(world.broker, "subscribe", real)
        raise BrokerUnavailable("Redis is away.")

    monkeypatch.setattr(world.broker, "subscribe", away)
    for command in (
        order(Action.JOIN, "public.x"),
        order(Action.JOIN),
        order(Action.LEAVE),
        order(Action.JOIN),
    ):
        world.broker.command(command)
    turns.run()
    assert world.transport.rooms["forum:1"] == {"a"}
    assert "public:x" not in world.transport.rooms


def test_orders_are_bounded_and_cost_nothing_where_the_user_is_not(world, turns, monkeypatch):
    monkeypatch.setattr(orders, "MOST_WAITING", 2)
    world.broker.command(order(Action.JOIN))
    assert not turns.ready
    world.connect("a")
    for channel in ("public.a", "public.b", "public.c"):
        world.broker.command(order(Action.JOIN, channel))
    turns.run()
    assert {"public:a", "public:b"} <= world.transport.rooms.keys()
    assert "public:c" not in world.transport.rooms
    world.broker.command(order(Action.JOIN, "public.c"))
    turns.run()
    assert world.transport.rooms["public:c"] == {"a"}


def test_a_recovered_session_has_the_channel(world, turns):
    connection = world.connect("a")
    world.broker.command(order(Action.JOIN))
    turns.run()
    world.hub.disconnect("a", "transport_error")
    back = world.arrive("b", returning=Returning(connection.pid, None))
    assert back.recovered
    assert "b" in world.transport.rooms["forum:1"]


@pytest.mark.parametrize("about", [{"subject": "forum.1"}, {}])
def test_a_command_has_a_subject_exactly_when_it_needs_one(about):
    action = Action.KICK if about else Action.JOIN
    with pytest.raises(ValueError, match="subject"):
        Command(action, user_id=7, **about)
