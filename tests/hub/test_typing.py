"""Typing: who is told, how often, and that it always ends."""

import pytest

from mechamap.broker.protocol import Published
from mechamap.domain.access import Decision
from mechamap.domain.channels import parse_channel
from mechamap.domain.errors import BrokerUnavailable, Forbidden, InvalidField, NotFound, RateLimited
from mechamap.domain.facts import ConversationFacts, MembershipFacts
from mechamap.domain.typing import OF_CHANNELS, OF_GROUPS, TYPING_EVENTS
from mechamap.hub.history import page
from mechamap.hub.typing import AGAIN, EXPIRES, FORGOTTEN, MOST, Typing
from mechamap.presence.typists import MemoryTypists

THREAD = "thread.10"
SHORT = 0.5


def may() -> None:
    """Never too often."""


@pytest.fixture
def typists(world):
    return MemoryTypists(FORGOTTEN, clock=lambda: world.now)


@pytest.fixture
def make(world, typists):
    def make(**options) -> Typing:
        return Typing(
            world.hub.connections, world.broker, typists, parse_channel, clock=lambda: world.now, **options
        )

    return make


@pytest.fixture
def typing(world, make):
    """Person 7 in two pages and person 8, all in a thread, 7 and 8 in a group as well."""
    world.facts.conversations[5] = ConversationFacts(5, group=True)
    for sid, user_id in (("here", 7), ("tab", 7), ("other", 8)):
        world.connect(sid, user_id)
        world.hub.subscribe(sid, THREAD)
        world.facts.memberships[5, user_id] = MembershipFacts(5, user_id, group_member=True)
        world.hub.subscribe(sid, "private-group.5")
    world.transport.sent.clear()
    made = make()
    world.hub.on_left = made.left
    return made


def told(world, sid: str = "other") -> list[str]:
    return [event for event, _ in world.transport.sent.get(sid, []) if event in TYPING_EVENTS]


STARTED, STOPPED = ["user_typing", "typing_start"], ["user_stopped_typing", "typing_stop"]


def test_the_others_are_told_in_both_vocabularies_and_the_sender_is_not(world, typing):
    assert typing.start("here", THREAD, OF_CHANNELS, may).canonical == "thread:10"
    typing.stop("here", THREAD, OF_CHANNELS, may)
    assert told(world) == told(world, "tab") == STARTED + STOPPED
    assert told(world, "here") == []
    events = world.transport.sent["other"]
    about = {**events[0][1][0], "timestamp": None}
    assert about == {
        "channel": THREAD,
        "userId": 7,
        "user_id": 7,
        "userName": "User 7",
        "user_name": "User 7",
        "timestamp": None,
    }
    assert [{**args[0], "timestamp": None} for _, args in events] == [about] * 4


def test_a_group_has_words_of_its_own(world, typing):
    typing.start("here", "group.5", OF_GROUPS, may)
    typing.stop("here", "group.5", OF_GROUPS, may)
    (started, [first]), (stopped, [second]) = world.transport.sent["other"]
    assert (started, stopped) == ("group_typing_start", "group_typing_stop")
    about = {"group_id": 5, "user_id": 7, "user_name": "User 7"}
    assert first == {**about, "is_typing": True, "timestamp": first["timestamp"]}
    assert second == {**about, "is_typing": False, "timestamp": second["timestamp"]}


def test_it_is_told_once_and_again_now_and_then_while_it_goes_on(world, typing):
    asked = []
    for _ in range(int(2 * AGAIN / 3) + 1):
        typing.start("here", THREAD, OF_CHANNELS, lambda: asked.append(1))
        typing.expire()
        world.now += 3
    assert told(world) == STARTED * 3
    assert len(asked) == 3  # only what is told counts for the rate


def test_it_is_over_when_the_page_says_nothing_more(world, make, typing):
    short = make(expires=SHORT)
    short.start("here", THREAD, OF_CHANNELS, may)
    world.now += SHORT / 2
    short.start("here", THREAD, OF_CHANNELS, may)
    world.now += SHORT * 0.9
    short.expire()
    assert told(world) == STARTED
    world.now += SHORT / 2
    short.expire()
    short.expire()
    assert told(world) == STARTED + STOPPED
    assert len(short) == 0
    short.stop("here", THREAD, OF_CHANNELS, may)
    assert told(world) == STARTED + STOPPED


@pytest.mark.parametrize(
    "leave",
    [
        lambda world: world.hub.disconnect("here", "transport_close"),
        lambda world: world.hub.close(world.hub.connections.get("here"), "operator", "Go."),
        lambda world: world.hub.unsubscribe("here", "presence-thread.10"),
        lambda world: world.hub.revoke(
            world.hub.connections.get("here"), parse_channel(THREAD), Decision(False, "", "Gone.", "gone")
        ),
    ],
    ids=["disconnect", "close", "unsubscribe", "revoke"],
)
def test_it_is_over_when_the_page_is_no_longer_there(world, typing, leave):
    typing.start("here", THREAD, OF_CHANNELS, may)
    leave(world)
    typing.expire()
    assert told(world) == STARTED + STOPPED
    assert len(typing) == 0


def test_leaving_another_channel_ends_nothing(world, typing):
    typing.start("here", THREAD, OF_CHANNELS, may)
    world.hub.unsubscribe("here", "group.5")
    typing.expire()
    assert told(world) == STARTED


def test_a_page_that_stops_does_not_stop_another_one_on_any_worker(world, make, typing):
    elsewhere = make()
    typing.start("here", THREAD, OF_CHANNELS, may)
    elsewhere.start("tab", THREAD, OF_CHANNELS, may)
    typing.stop("here", THREAD, OF_CHANNELS, may)
    assert told(world) == STARTED * 2
    world.now += EXPIRES
    elsewhere.expire()
    assert told(world) == STARTED * 2 + STOPPED


def test_who_listens_to_one_vocabulary_is_told_whatever_the_other_says(world, typing):
    typing.start("here", "group.5", OF_CHANNELS, may)
    typing.start("here", "group.5", OF_GROUPS, may)
    typing.stop("here", "group.5", OF_CHANNELS, may)
    assert told(world) == [*STARTED, "group_typing_start", *STOPPED]


@pytest.mark.parametrize(
    ("sid", "channel", "code"),
    [
        ("here", "thread.11", "not_subscribed"),
        ("here", "public.news", "typing_channel"),
        ("here", "forum.1", "typing_channel"),
        ("here", "private-user.7", "typing_channel"),
        ("here", "system.x", "typing_channel"),
    ],
)
def test_who_may_not_say_so_tells_nobody(world, typing, sid, channel, code):
    for say in (typing.start, typing.stop):
        with pytest.raises(Forbidden) as refused:
            say(sid, channel, OF_CHANNELS, may)
        assert refused.value.code == code
    assert len(typing) == 0


def test_a_connection_that_is_gone_tells_nobody(typing):
    with pytest.raises(NotFound):
        typing.start("nobody", THREAD, OF_CHANNELS, may)


def test_a_page_that_is_too_fast_is_refused_and_ends_all_the_same(world, typing):
    def too_fast() -> None:
        raise RateLimited("Too fast.", 1)

    with pytest.raises(RateLimited):
        typing.start("here", THREAD, OF_CHANNELS, too_fast)
    assert len(typing) == 0
    typing.start("here", THREAD, OF_CHANNELS, may)
    with pytest.raises(RateLimited):
        typing.stop("here", THREAD, OF_CHANNELS, too_fast)
    world.now += EXPIRES
    typing.expire()
    assert told(world) == STARTED + STOPPED


def test_one_connection_types_in_few_channels(world, typing):
    connection = world.connect("many", 8)
    for number in range(100, 101 + MOST):
        world.facts.threads[number] = world.facts.threads[10]
        world.hub.connections.subscribe(
            connection, parse_channel(f"thread.{number}"), world.broker.position("")
        )
    for number in range(100, 100 + MOST):
        typing.start("many", f"thread.{number}", OF_CHANNELS, may)
    with pytest.raises(InvalidField) as refused:
        typing.start("many", f"thread.{100 + MOST}", OF_CHANNELS, may)
    assert refused.value.code == "typing_too_many"
    assert len(typing) == MOST


def test_while_the_broker_is_away_nothing_begins_and_the_end_is_told_later(world, typing):
    publish_many = world.broker.publish_many
    typing.start("here", THREAD, OF_CHANNELS, may)
    world.broker.publish_many = lambda publications: Published((), BrokerUnavailable("Away."))
    with pytest.raises(BrokerUnavailable):
        typing.start("other", THREAD, OF_CHANNELS, may)
    with pytest.raises(BrokerUnavailable):
        typing.stop("here", THREAD, OF_CHANNELS, may)
    assert len(typing) == 1
    typing.expire()
    world.broker.publish_many = publish_many
    typing.expire()
    assert told(world) == STARTED + STOPPED


def test_what_nobody_shows_any_more_is_forgotten_even_if_the_broker_stays_away(world, typing):
    typing.start("here", THREAD, OF_CHANNELS, may)
    world.hub.disconnect("here", "transport_close")
    world.broker.publish_many = lambda publications: Published((), BrokerUnavailable("Away."))
    typing.expire()
    assert len(typing) == 1
    world.now += FORGOTTEN + 1
    typing.expire()
    assert len(typing) == 0


@pytest.mark.parametrize(
    "leave",
    [
        lambda world, typing: world.hub.disconnect("here", "transport_close"),
        lambda world, typing: typing.stop("here", THREAD, OF_CHANNELS, may),
    ],
    ids=["leaves", "stops"],
)
def test_a_page_that_is_gone_while_the_others_are_being_told_ends_after_that(world, typing, leave):
    publish_many = world.broker.publish_many

    def slowly(publications):
        world.broker.publish_many = publish_many
        leave(world, typing)
        typing.expire()  # a round goes by
        return publish_many(publications)

    world.broker.publish_many = slowly
    typing.start("here", THREAD, OF_CHANNELS, may)
    typing.expire()
    assert told(world) == STARTED + STOPPED


def test_it_is_of_the_moment(world, typing):
    """Neither in the history nor given to a page that asks for what it missed."""
    before = world.broker.position("thread:10")
    typing.start("here", THREAD, OF_CHANNELS, may)
    assert page(world.broker, parse_channel(THREAD), None, 10).events == ()
    world.connect("late", 8)
    done = world.hub.subscribe("late", THREAD, before)
    assert (done.recovered, done.count, told(world, "late")) == (True, 0, [])


def test_a_defect_comes_once_and_not_with_every_round(world, typing):
    typing.start("here", THREAD, OF_CHANNELS, may)
    typing.start("tab", "group.5", OF_GROUPS, may)
    publish_many = world.broker.publish_many

    def fail(publications):
        world.broker.publish_many = publish_many
        raise ZeroDivisionError

    world.broker.publish_many = fail
    world.now += EXPIRES
    with pytest.raises(ZeroDivisionError):
        typing.expire()
    typing.expire()
    assert len(typing) == 0
    assert told(world) == [*STARTED, "group_typing_start", "group_typing_stop"]


def test_what_goes_on_while_another_end_is_told_is_not_over(world, typing):
    typing.start("here", THREAD, OF_CHANNELS, may)
    typing.start("tab", "group.5", OF_GROUPS, may)
    publish_many = world.broker.publish_many

    def meanwhile(publications):
        world.broker.publish_many = publish_many
        typing.start("tab", "group.5", OF_GROUPS, may)
        return publish_many(publications)

    world.broker.publish_many = meanwhile
    world.now += EXPIRES
    typing.expire()
    assert told(world) == [*STARTED, "group_typing_start", *STOPPED]
    assert len(typing) == 1
