"""A subscription that brings what its channel had since the client's own position."""

import pytest

from mechamap.domain.channels import parse_channel
from mechamap.domain.errors import BrokerUnavailable, Forbidden, NotFound, Unavailable
from mechamap.domain.history import History, Position
from mechamap.domain.payloads import payload_of
from mechamap.domain.publication import Publication
from mechamap.domain.recovery import Returning
from mechamap.hub import catching_up


def publish(world, name: str, *channels: str, except_id: str | None = None) -> Position:
    named = tuple(map(parse_channel, channels or ("public.news",)))
    receipt = world.broker.publish(Publication(named, name, payload_of(name), except_id=except_id))
    return Position(receipt.epoch, receipt.offset)


def heard(world, sid: str) -> list[str]:
    return [event for event, _ in world.transport.sent.get(sid, ())]


def offsets(world, sid: str) -> list[int]:
    return world.transport.offsets.get(sid, [])


@pytest.fixture
def since(world) -> Position:
    """Where a client was before e0 to e3 were published."""
    world.connect("a")
    position = publish(world, "before")
    for n in range(4):
        publish(world, f"e{n}")
        publish(world, "elsewhere", "forum.1")
    return position


def test_exactly_what_was_missed_comes_and_then_what_is_new(world, since):
    done = world.hub.subscribe("a", "public.news", since)
    assert (done.recovered, done.reason, done.count) == (True, None, 4)
    publish(world, "e4")
    assert heard(world, "a") == [f"e{n}" for n in range(5)]
    assert offsets(world, "a") == sorted(set(offsets(world, "a")))
    assert done.position == Position(since.epoch, since.offset + 8)


def test_without_a_position_nothing_old_comes_and_the_answer_is_one(world, since):
    done = world.hub.subscribe("a", "public.news")
    assert (done.recovered, done.count, heard(world, "a")) == (None, 0, [])
    publish(world, "e4")
    world.hub.unsubscribe("a", "public.news")
    publish(world, "e5")
    again = world.hub.subscribe("a", "public.news", done.position)
    assert (again.recovered, again.count) == (True, 2)
    assert heard(world, "a") == ["e4", "e4", "e5"]


def test_what_was_published_while_the_logs_are_read_comes_once_and_in_order(world, since, monkeypatch):
    replay, joined = world.broker.replay, world.sessions.joined

    def replaying(*arguments) -> History:
        publish(world, "read")
        found = replay(*arguments)
        publish(world, "unread")
        return found

    def keeping(connection, name) -> None:
        publish(world, "kept")
        joined(connection, name)

    monkeypatch.setattr(world.broker, "replay", replaying)
    monkeypatch.setattr(world.sessions, "joined", keeping)
    done = world.hub.subscribe("a", "public.news", since)
    publish(world, "end")
    assert heard(world, "a") == ["e0", "e1", "e2", "e3", "read", "unread", "kept", "end"]
    assert done.count == 7


@pytest.mark.parametrize("wide", [False, True])
def test_what_the_logs_had_before_the_worker_heard_it_comes_once(world, since, monkeypatch, wide):
    """Redis answers on one connection and publishes on another, which may be slower."""
    publish(world, "x", "private-user.7")
    held = []
    take = world.broker._delivery.publication
    monkeypatch.setattr(world.broker._delivery, "publication", held.append)
    world.broker.subscribe("public:news")  # so that the broker delivers at all
    late = publish(world, "late", "public.news", *(["forum.1"] if wide else []))
    done = world.hub.subscribe("a", "public.news", since)
    assert done.count == 5
    publish(world, "later")
    for publication in held:
        take(publication)
    assert heard(world, "a") == ["x", "e0", "e1", "e2", "e3", "late", "later"]
    assert late.offset in offsets(world, "a")


def test_an_event_of_two_channels_comes_once_to_who_has_both(world, since):
    world.hub.subscribe("a", "forum.1")
    publish(world, "wide", "public.news", "forum.1")
    done = world.hub.subscribe("a", "public.news", since)
    assert (done.recovered, done.count) == (True, 4)
    assert sorted(heard(world, "a")) == ["e0", "e1", "e2", "e3", "wide"]


def test_an_event_of_two_channels_comes_that_was_published_before_the_other_was_joined(world, since):
    publish(world, "wide", "public.news", "forum.1")
    world.hub.subscribe("a", "forum.1")
    assert world.hub.subscribe("a", "public.news", since).count == 5
    assert heard(world, "a") == ["e0", "e1", "e2", "e3", "wide"]


def test_two_channels_from_one_position_bring_a_common_event_once(world, since):
    publish(world, "wide", "public.news", "forum.1")
    world.hub.subscribe("a", "public.news", since)
    world.hub.subscribe("a", "forum.1", since)
    assert heard(world, "a").count("wide") == 1
    assert heard(world, "a").count("elsewhere") == 4


def test_a_sender_does_not_get_its_own_event(world, since):
    publish(world, "own", except_id="a")
    assert world.hub.subscribe("a", "public.news", since).count == 4
    assert "own" not in heard(world, "a")


@pytest.mark.parametrize("position", [Position("elsewhen", 1), Position("", 0)])
def test_a_position_that_proves_nothing_is_answered_so_and_live_events_come(world, since, position):
    done = world.hub.subscribe("a", "public.news", position)
    assert (done.recovered, done.reason, done.count) == (False, "epoch_changed", 0)
    publish(world, "e4")
    assert heard(world, "a") == ["e4"]
    assert world.hub._catching_up._collecting == {}


def test_too_much_is_told(world, since, monkeypatch):
    monkeypatch.setattr(catching_up, "MOST_EVENTS", 3)
    done = world.hub.subscribe("a", "public.news", since)
    assert (done.recovered, done.reason, done.count) == (False, "too_much", 0)


def test_a_channel_that_the_connection_has_brings_nothing_old(world, since):
    world.hub.subscribe("a", "public.news")
    done = world.hub.subscribe("a", "public.news", since)
    assert (done.recovered, done.reason, done.count) == (False, "already_subscribed", 0)
    assert heard(world, "a") == []


def test_who_may_not_join_gets_nothing_of_the_past(world, since):
    position = publish(world, "before", "private-user.8")
    publish(world, "secret", "private-user.8")
    with pytest.raises(Forbidden):
        world.hub.subscribe("a", "private-user.8", position)
    assert heard(world, "a") == []


@pytest.mark.parametrize("place", ["replay", "joined"])
def test_a_broker_that_goes_away_leaves_no_trace(world, since, monkeypatch, place):
    def away(*arguments):
        raise BrokerUnavailable("Redis is away.")

    before = world.broker.channels()
    owner = world.broker if place == "replay" else world.sessions
    monkeypatch.setattr(owner, place, away)
    with pytest.raises(BrokerUnavailable):
        world.hub.subscribe("a", "public.news", since)
    publish(world, "e4")
    assert heard(world, "a") == []
    assert world.broker.channels() == before
    assert world.hub._catching_up._collecting == {}


def test_a_new_epoch_before_it_is_let_in_is_not_passed_over(world, since, monkeypatch):
    record = world.roster.record
    other = Publication((parse_channel("public.news"),), "n", payload_of(1), epoch="elsewhen", offset=1)

    def recording(connection) -> None:
        monkeypatch.undo()
        record(connection)
        world.hub.hearing.on_publication(other)

    before = world.broker.channels()
    monkeypatch.setattr(world.roster, "record", recording)
    with pytest.raises(Unavailable) as refusal:
        world.hub.subscribe("a", "public.news", since)
    assert refusal.value.code == "return_overrun"
    assert heard(world, "a") == []
    assert world.broker.channels() == before
    connection = world.hub.connections.get("a")
    assert connection.spellings == tuple(world.sessions.find(connection.pid).channels) == ("private-user.7",)
    assert world.hub.subscribe("a", "public.news", since).count == 4


@pytest.mark.parametrize("place", ["replay", "joined"])
def test_a_client_that_leaves_meanwhile_gets_nothing_and_is_not_counted(world, since, monkeypatch, place):
    owner = world.broker if place == "replay" else world.sessions
    act = getattr(owner, place)

    def leaving(*arguments):
        found = act(*arguments)
        world.hub.disconnect("a", "transport_close")
        return found

    monkeypatch.setattr(owner, place, leaving)
    with pytest.raises(NotFound):
        world.hub.subscribe("a", "public.news", since)
    assert heard(world, "a") == []
    assert world.broker.channels() == {}
    assert world.hub._catching_up._collecting == {}


def test_a_channel_that_is_taken_away_meanwhile_is_not_joined(world, since, monkeypatch):
    joined = world.sessions.joined

    def revoking(connection, name):
        monkeypatch.undo()
        world.hub.unsubscribe("a", "public.news")
        joined(connection, name)

    monkeypatch.setattr(world.sessions, "joined", revoking)
    with pytest.raises(Forbidden):
        world.hub.subscribe("a", "public.news", since)
    publish(world, "e4")
    assert heard(world, "a") == []


def test_the_position_to_return_from_is_that_of_all_channels(world, since):
    """The stock client knows one position: that of the last event, here an old one of another channel."""
    world.hub.subscribe("a", "forum.1")
    last = publish(world, "elsewhere", "forum.1")
    done = world.hub.subscribe("a", "public.news", since)
    assert offsets(world, "a")[-1] < last.offset
    assert done.resume == last


def test_what_a_subscription_brought_and_the_client_did_not_get_is_owed_at_its_return(world, since):
    """Cut off before the first of it arrived: it knows no position, and the channel's own one counts."""
    pid = world.hub.connections.get("a").pid
    world.hub.subscribe("a", "public.news", since)
    world.hub.disconnect("a", "transport_close")
    world.arrive("b", returning=Returning(pid, None))
    assert heard(world, "b") == ["e0", "e1", "e2", "e3"]
