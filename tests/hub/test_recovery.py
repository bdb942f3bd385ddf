"""Returns, on one worker: what is given, in which order, and what is left behind when one fails half-way."""

from dataclasses import replace

import gevent
import pytest

from mechamap.broker.memory import MemoryBroker
from mechamap.domain.channels import parse_channel
from mechamap.domain.errors import BrokerUnavailable, DirectoryUnavailable, Unavailable
from mechamap.domain.history import Bounds, Gap, Position
from mechamap.domain.payloads import payload_of
from mechamap.domain.publication import Publication
from mechamap.domain.recovery import Returning
from mechamap.hub import catching_up
from mechamap.recovery.memory import MemorySessions

from .conftest import World


class Valve:
    """Between a broker and the hub: while it is closed the worker lags behind the logs."""

    def __init__(self, events) -> None:
        self._events = events
        self._waiting: list[Publication] = []
        self.closed = False

    def on_publication(self, publication):
        if self.closed:
            self._waiting.append(publication)
        else:
            self._events.on_publication(publication)

    def on_command(self, command):
        self._events.on_command(command)

    def on_gap(self, channels, reason):
        self._events.on_gap(channels, reason)

    def open(self) -> None:
        self.closed = False
        waiting, self._waiting = self._waiting, []
        for publication in waiting:
            self._events.on_publication(publication)


class YieldingBroker(MemoryBroker):
    """While a replay is read, other things happen: ``before`` it is read and ``after``."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        super().__init__(bounds)
        self.before = self.after = lambda: None
        self.refuses: str | None = None

    def start(self, events):
        self.valve = Valve(events)
        super().start(self.valve)

    def subscribe(self, channel):
        if channel == self.refuses:
            raise BrokerUnavailable("Not now.")
        super().subscribe(channel)

    def replay(self, channels, epoch, limit):
        self.before()
        found = super().replay(channels, epoch, limit)
        self.after()
        return found


class ForgetfulSessions(MemorySessions):
    """``fail`` makes the next ``keep`` fail where Redis would: after the connection was noted."""

    fail = False

    def __init__(self, *args, **options) -> None:
        super().__init__(*args, **options)
        self.ends: list[tuple[str, bool]] = []

    def keep(self, live, without=()):
        super().keep(live, without)
        if self.fail:
            raise BrokerUnavailable("Not now.")

    def ended(self, live, *, final):
        self.ends.append((live.sid, final))
        super().ended(live, final=final)


@pytest.fixture
def world(build, monkeypatch) -> World:
    monkeypatch.setattr("tests.hub.conftest.MemorySessions", ForgetfulSessions)
    return build(broker=YieldingBroker())


def publish(world, number: int, channel: str = "public.a", except_id: str | None = None, data=None) -> None:
    body = payload_of(number if data is None else data)
    world.broker.publish(Publication((parse_channel(channel),), "n", body, except_id=except_id))


def given(world, sid: str) -> list:
    return world.transport.events(sid, "n")


def in_order(world, sid: str) -> bool:
    offsets = world.transport.offsets.get(sid, [])
    return offsets == sorted(set(offsets))


def cut_off(
    world, *channels: str, sid: str = "old", reason: str = "transport_close", seen: bool = True
) -> Returning:
    """A connection in these channels that received one event, 0, and then lost the network."""
    connection = world.connect(sid)
    for channel in channels:
        world.hub.subscribe(sid, channel)
    publish(world, 0, "private-user.7")
    position = Position(world.broker.position("").epoch, world.transport.offsets[sid][-1])
    world.transport.close(sid, reason)
    world.hub.disconnect(sid, reason)
    return Returning(connection.pid, position if seen else None)


def nothing_left(world) -> bool:
    """Of a return that failed: neither counts nor records nor rooms."""
    return (
        world.broker.channels() == {}
        and world.roster.connections() == []
        and len(world.hub.connections) == 0
        and not any(world.transport.rooms.values())
    )


# --- what is given ---


def test_what_was_missed_and_what_comes_meanwhile_and_then_each_once_and_in_order(world):
    returning = cut_off(world, "public.a", "forum.1")
    publish(world, 1)
    publish(world, 2, "forum.1")
    publish(world, 99, "public.b")
    world.broker.before = lambda: [publish(world, 3), publish(world, 4, "private-user.7")]
    world.broker.after = lambda: [publish(world, 5, "forum.1"), publish(world, 98, "public.b")]
    admission = world.arrive("new", returning=returning)
    publish(world, 6)
    assert (admission.recovered, admission.connection.pid) == (True, returning.pid)
    assert given(world, "new") == [1, 2, 3, 4, 5, 6]
    assert in_order(world, "new")
    assert ("recovery", "recovered") in world.meter.counts


def test_a_worker_that_is_behind_the_logs_gives_nothing_twice(world):
    """It was stopped, and what it has not heard yet is already in the logs that it reads."""
    returning = cut_off(world, "public.a", "forum.1")
    world.connect("witness")
    world.hub.subscribe("witness", "public.a")
    world.broker.valve.closed = True
    publish(world, 1)
    publish(world, 2, "forum.1")
    publish(world, 3)
    world.arrive("new", returning=returning)
    publish(world, 4)
    world.broker.valve.open()
    publish(world, 5)
    assert given(world, "new") == [1, 2, 3, 4, 5]
    assert in_order(world, "new")
    assert given(world, "witness") == [1, 3, 4, 5]


def test_its_own_events_that_the_worker_has_not_heard_yet_do_not_come_back_either(world):
    returning = cut_off(world, "public.a")
    world.broker.subscribe("public:a")
    world.broker.valve.closed = True
    publish(world, 1, except_id="old")
    world.arrive("new", returning=returning)
    world.broker.valve.open()
    assert given(world, "new") == []


def test_a_subscription_made_while_it_is_ahead_of_the_worker_loses_and_doubles_nothing(world):
    returning = cut_off(world, "public.a")
    old = world.broker.position("")
    for followed in ("public:a", "forum:1", "public:c"):
        world.broker.subscribe(followed)
    world.broker.valve.closed = True
    publish(world, 1)
    publish(world, 2, "forum.1")
    publish(world, 3, "public.c")
    world.arrive("new", returning=returning)
    world.hub.subscribe("new", "forum.1", old)
    world.hub.subscribe("new", "public.c")
    world.broker.valve.open()
    publish(world, 4)
    assert given(world, "new") == [1, 2, 3, 4]
    assert world.hub._catching_up._ahead == {}


def test_a_client_that_leaves_while_it_is_ahead_of_the_worker_leaves_nothing(world):
    returning = cut_off(world, "public.a")
    world.broker.valve.closed = True
    publish(world, 1)
    world.arrive("new", returning=returning)
    world.hub.disconnect("new", "transport_close")
    world.broker.valve.open()
    assert given(world, "new") == [1]
    assert nothing_left(world) or world.transport.rooms  # the transport's rooms are the engine's business
    assert world.hub._catching_up._ahead == {}


def test_nothing_from_before_a_subscription_comes_whatever_position_is_named(world):
    publish(world, 77)
    returning = cut_off(world, "public.a")
    publish(world, 1)
    world.arrive("new", returning=replace(returning, position=Position(returning.position.epoch, 0)))
    assert given(world, "new") == [0, 1]


def test_a_client_that_had_received_nothing_is_owed_all_since_it_came(world):
    publish(world, 77)
    returning = cut_off(world, "public.a", seen=False)
    publish(world, 1)
    assert world.arrive("new", returning=returning).recovered
    assert given(world, "new") == [0, 1]


def test_what_a_client_missed_twice_comes_once(world):
    returning = cut_off(world, "public.a")
    publish(world, 1)
    world.arrive("second", returning=returning)
    position = Position(returning.position.epoch, world.transport.offsets["second"][-1])
    world.transport.close("second", "transport_close")
    world.hub.disconnect("second", "transport_close")
    publish(world, 2)
    world.arrive("third", returning=Returning(returning.pid, position))
    assert given(world, "third") == [2]


def test_an_answer_that_was_lost_on_the_way_is_given_again(world):
    """A poll whose answer broke: the server sent it, the client still names the position before it."""
    returning = cut_off(world, "public.a")
    publish(world, 1)
    world.arrive("second", returning=returning)
    world.hub.disconnect("second", "transport_close")
    world.arrive("third", returning=returning)
    assert given(world, "third") == [1]


def test_its_own_events_do_not_come_back_to_the_sender(world):
    returning = cut_off(world, "public.a")
    publish(world, 1, except_id="old")
    publish(world, 2, except_id="somebody")
    world.broker.after = lambda: publish(world, 3, except_id="old")
    world.arrive("new", returning=returning)
    assert given(world, "new") == [2]


def test_its_own_events_do_not_come_back_after_several_breaks_either(world):
    """It received nothing in between, so it asks again for what it caused on every connection it had."""
    returning = cut_off(world, "public.a")
    publish(world, 1, except_id="old")
    for sid in ("second", "third"):
        world.arrive(sid, returning=returning)
        publish(world, sid, except_id=sid)
        world.transport.close(sid, "transport_close")
        world.hub.disconnect(sid, "transport_close")
    publish(world, 2, except_id="somebody")
    world.arrive("new", returning=returning)
    assert given(world, "new") == [2]


def test_what_a_page_does_on_a_connection_it_gave_up_takes_nothing_from_the_one_it_has(world):
    """The old one was on a stalled worker, which now finds what the page sent it."""
    old = world.connect("old")
    for channel in ("public.a", "forum.1"):
        world.hub.subscribe("old", channel)
    world.arrive("new", returning=Returning(old.pid, None))
    world.hub.subscribe("new", "public.x")
    world.hub.subscribe("old", "public.y")
    world.hub.unsubscribe("old", "public.a")
    world.facts.forums.pop(1)
    world.rechecks.user(7)
    for sid in ("old", "new"):
        world.transport.close(sid, "ping_timeout")
        world.hub.disconnect(sid, "ping_timeout")
    channels = ["private-user.7", "public.a", "public.x", "public.y"]
    assert world.arrive("again", returning=Returning(old.pid, None)).connection.spellings == tuple(channels)
    assert sorted(world.sessions.find(old.pid).channels) == channels


def test_a_channel_of_two_spellings_is_one_channel(world, monkeypatch):
    """Two connections of the session may have spelled it differently."""
    connection = world.connect("old")
    world.hub.subscribe("old", "forum.1")
    world.sessions.keep(connection)
    found = world.sessions.find(connection.pid)
    twice = replace(found, channels={**found.channels, "private-forum.1": 0})
    monkeypatch.setattr(world.sessions, "find", lambda pid, epoch: twice)
    publish(world, 1, "forum.1")
    admission = world.arrive("new", returning=Returning(connection.pid, None))
    assert admission.connection.spellings == ("private-user.7", "forum.1")
    assert world.broker.channels() == {"user:7": 2, "forum:1": 2}
    assert given(world, "new") == [1]


def test_a_channel_that_is_refused_now_is_left_out_and_named(world):
    returning = cut_off(world, "public.a", "forum.1")
    world.facts.forums.pop(1)
    publish(world, 1, "forum.1")
    publish(world, 2)
    admission = world.arrive("new", returning=returning)
    publish(world, 3, "forum.1")
    assert given(world, "new") == [2]
    [(channel, decision)] = admission.claim.refused
    assert (channel.name, decision.allowed) == ("forum.1", False)
    assert world.broker.channels() == {"user:7": 1, "public:a": 1}
    assert list(world.sessions.find(returning.pid).channels) == ["private-user.7", "public.a"]


def test_a_person_who_left_even_the_own_channel_is_not_brought_back_into_it(world):
    connection = world.connect("old")
    world.hub.subscribe("old", "public.a")
    world.hub.unsubscribe("old", "private-user.7")
    world.hub.disconnect("old", "transport_close")
    publish(world, 1, "private-user.7")
    publish(world, 2)
    world.arrive("new", returning=Returning(connection.pid, None))
    publish(world, 3, "private-user.7")
    assert given(world, "new") == [2]
    assert world.broker.channels() == {"public:a": 1}
    assert list(world.sessions.find(connection.pid).channels) == ["public.a"]


# --- clients that hear nothing for long ---


def live_for(world, seconds: int) -> None:
    for _ in range(seconds):
        world.now += 1
        world.hub.confirm_received()


def since(world, connection) -> list[int]:
    return list(world.sessions.find(connection.pid).channels.values())


def test_a_live_connection_has_what_it_was_given_a_while_ago_and_not_more(world):
    connection = world.connect("a")
    world.hub.subscribe("a", "public.a")
    assert since(world, connection) == [0, 0]
    publish(world, 1, "public.b")
    live_for(world, 60)
    assert since(world, connection) == [0, 0]
    publish(world, 2, "public.b")
    live_for(world, 59)
    assert since(world, connection) == [0, 0]
    live_for(world, 1)
    assert since(world, connection) == [1, 1]
    assert world.sessions.find(connection.pid).position.offset == 1
    live_for(world, 60)
    assert since(world, connection) == [2, 2]


def test_a_client_is_known_to_be_there_in_an_epoch_when_it_lived_on_after_the_epoch_began(world):
    connection = world.connect("a")
    live_for(world, 119)
    assert connection.proven is None
    live_for(world, 1)
    assert connection.proven == world.broker.position("").epoch


def test_a_subscription_is_never_moved_back(world):
    connection = world.connect("a")
    live_for(world, 60)
    for number in range(3):
        publish(world, number, "public.b")
    world.hub.subscribe("a", "public.a")
    live_for(world, 60)
    assert since(world, connection) == [0, 3]


def test_what_a_subscription_brings_of_the_past_is_not_confirmed_before_its_time(world):
    connection = world.connect("a")
    for number in range(4):
        publish(world, number)
    live_for(world, 120)
    assert since(world, connection) == [4]
    old = Position(world.broker.position("").epoch, 1)
    assert world.hub.subscribe("a", "public.a", old).count == 3
    assert since(world, connection) == [1, 1]
    live_for(world, 60)
    assert since(world, connection) == [1, 1]
    world.hub.disconnect("a", "transport_close")
    world.arrive("b", returning=Returning(connection.pid, None))
    assert given(world, "b") == [1, 2, 3]


def test_what_came_through_another_channel_before_it_was_confirmed_comes_once(world):
    connection = world.connect("a")
    world.hub.subscribe("a", "forum.1")
    old = world.broker.position("")
    wide = tuple(map(parse_channel, ("public.a", "forum.1")))
    world.broker.publish(Publication(wide, "n", payload_of(1)))
    live_for(world, 120)
    assert since(world, connection) == [1, 1]
    assert world.hub.subscribe("a", "public.a", old).count == 0
    assert given(world, "a") == [1]


def test_what_a_returning_client_was_given_is_not_confirmed_by_its_arrival(world):
    returning = cut_off(world, "public.a")
    live_for(world, 59)
    publish(world, 1)
    world.arrive("second", returning=returning)
    live_for(world, 60)
    world.hub.disconnect("second", "transport_close")
    world.arrive("third", returning=returning)
    assert given(world, "third") == [1]


def test_a_worker_that_was_stopped_confirms_nothing_of_the_time_before(world):
    connection = world.connect("a")
    publish(world, 1, "public.b")
    live_for(world, 60)
    world.now += 30
    live_for(world, 60)
    assert since(world, connection) == [0]
    live_for(world, 120)
    assert since(world, connection) == [1]


def test_a_quiet_client_is_recovered_however_long_it_heard_nothing(build):
    world = build(broker=YieldingBroker(Bounds(seconds=0.02, user_seconds=0.02)))
    connection = world.connect("old")
    world.hub.subscribe("old", "public.a")

    def busy_elsewhere() -> None:
        for number in range(3):
            publish(world, number, f"public.b{number}")
            gevent.sleep(0.03)

    busy_elsewhere()
    live_for(world, 120)
    world.hub.disconnect("old", "transport_close")
    admission = world.arrive("new", returning=Returning(connection.pid, None))
    assert (admission.recovered, admission.lost) == (True, None)


# --- who gets nothing, and is told why ---


def fresh(world, returning: Returning, user_id: int = 7) -> str:
    """The reason why the return is an ordinary new connection, which hears its own channel."""
    admission = world.arrive("new", user_id, returning)
    assert not admission.recovered
    assert admission.connection.pid != returning.pid
    assert world.broker.channels() == {f"user:{user_id}": 1}
    assert given(world, "new") == []
    publish(world, 1_000, f"private-user.{user_id}")
    assert given(world, "new") == [1_000]
    assert ("recovery", admission.lost.value) in world.meter.counts
    return admission.lost.value


def test_another_persons_session_is_unknown_and_stays_its_persons(world):
    returning = cut_off(world, "public.a")
    publish(world, 1)
    assert fresh(world, returning, user_id=8) == "session_unknown"
    assert world.arrive("mine", returning=returning).recovered
    assert given(world, "mine") == [1]


def test_a_session_that_never_was(world):
    assert fresh(world, Returning("never", None)) == "session_unknown"


@pytest.mark.parametrize("reason", ["client_disconnect", "server_disconnect", "parse_error"])
def test_an_end_on_purpose_ends_the_session(world, reason):
    assert fresh(world, cut_off(world, reason=reason)) == "session_unknown"


@pytest.mark.parametrize(
    "reason", ["transport_close", "transport_error", "ping_timeout", "slow_consumer", "drain", "try_later"]
)
def test_any_other_end_leaves_it_waiting(world, reason):
    assert world.arrive("new", returning=cut_off(world, reason=reason)).recovered


def test_a_client_that_was_sent_away_does_not_return(world):
    connection = world.connect("old")
    world.hub.close(connection, "kicked", "Bye.")
    assert fresh(world, Returning(connection.pid, None)) == "session_unknown"


def test_a_session_that_waited_too_long(world):
    returning = cut_off(world)
    world.now += 121
    assert fresh(world, returning) == "session_unknown"


def test_another_epoch(world):
    returning = cut_off(world, "public.a")
    stale = replace(returning, position=Position("00000000", 1))
    assert fresh(world, stale) == Gap.EPOCH


def test_a_log_that_lacks_something(build, monkeypatch):
    world = build(broker=YieldingBroker(Bounds(events=5)))
    returning = cut_off(world, "public.a")
    for number in range(50):
        publish(world, number)
    assert fresh(world, returning) == Gap.TRIMMED


def test_more_events_or_bytes_than_are_replayed(world, monkeypatch):
    monkeypatch.setattr(catching_up, "MOST_EVENTS", 3)
    returning = cut_off(world, "public.a")
    for number in range(4):
        publish(world, number)
    assert fresh(world, returning) == Gap.TOO_MUCH
    monkeypatch.setattr(catching_up, "MOST_EVENTS", 500)
    monkeypatch.setattr(catching_up, "MOST_BYTES", 1_000)
    world.hub.disconnect("new", "client_disconnect")
    returning = cut_off(world, "public.a", sid="other")
    publish(world, 0, data="x" * 2_000)
    admission = world.arrive("newer", returning=returning)
    assert admission.lost is Gap.TOO_MUCH


# --- returns that fail half-way ---


def fails(world, returning: Returning | None, code: str) -> None:
    with pytest.raises(Unavailable) as refusal:
        world.arrive("new", returning=returning)
    assert refusal.value.code == code
    assert nothing_left(world)


def succeeds(world, returning: Returning, *numbers: int) -> None:
    world.broker.before = world.broker.after = lambda: None
    world.broker.refuses, world.sessions.fail = None, False
    assert world.arrive("again", returning=returning).recovered
    assert given(world, "again") == list(numbers)
    assert in_order(world, "again")


def test_a_channel_that_cannot_be_followed_leaves_no_other_followed(world):
    returning = cut_off(world, "public.a", "public.b", "forum.1")
    publish(world, 1, "public.b")
    world.broker.refuses = "public:b"
    fails(world, returning, "broker_unavailable")
    succeeds(world, returning, 1)


def test_a_history_that_cannot_be_read_leaves_nothing(world):
    returning = cut_off(world, "public.a")
    publish(world, 1)

    def away() -> None:
        raise BrokerUnavailable("Not now.")

    world.broker.before = away
    fails(world, returning, "broker_unavailable")
    succeeds(world, returning, 1)


def test_facts_that_cannot_be_had_leave_the_session_waiting(world):
    returning = cut_off(world, "public.a", "forum.1")
    publish(world, 1, "forum.1")
    world.facts.away = True
    with pytest.raises(DirectoryUnavailable):
        world.arrive("new", returning=returning)
    assert nothing_left(world)
    world.facts.away = False
    succeeds(world, returning, 1)


def test_a_session_that_cannot_be_kept_leaves_nothing_and_goes_on_waiting(world):
    returning = cut_off(world, "public.a")
    publish(world, 1)
    world.sessions.fail = True
    fails(world, returning, "broker_unavailable")
    assert world.sessions.ends[-1] == ("new", False)
    succeeds(world, returning, 1)


def test_a_new_session_that_cannot_be_kept_never_was(world):
    """Otherwise its lease would be renewed for as long as the worker lives."""
    world.sessions.fail = True
    fails(world, None, "broker_unavailable")
    fails(world, Returning("never", None), "broker_unavailable")
    assert world.sessions.ends == [("new", True), ("new", True)]


def test_too_much_meanwhile_is_tried_again(world, monkeypatch):
    monkeypatch.setattr(catching_up, "MOST_COLLECTED", 3)
    returning = cut_off(world, "public.a")
    world.broker.after = lambda: [publish(world, number) for number in range(1, 5)]
    fails(world, returning, "return_overrun")
    succeeds(world, returning, 1, 2, 3, 4)
    returning = cut_off(world, "public.a", sid="third")
    world.broker.after = lambda: [publish(world, number) for number in range(5, 8)]
    assert world.arrive("just-enough", returning=returning).recovered
    assert given(world, "just-enough") == [5, 6, 7]


def test_a_gap_of_the_worker_meanwhile_is_tried_again(world):
    returning = cut_off(world, "public.a")
    world.broker.after = lambda: world.hub.on_gap(["public:b", "public:a"], Gap.TRIMMED)
    fails(world, returning, "return_overrun")
    world.broker.after = lambda: world.hub.on_gap(["public:b"], Gap.TRIMMED)
    assert world.arrive("again", returning=returning).recovered


def test_a_new_epoch_meanwhile_is_tried_again(world):
    returning = cut_off(world, "public.a")
    other = Publication((parse_channel("public.a"),), "n", payload_of(1), epoch="elsewhen", offset=1)
    world.broker.after = lambda: world.hub.on_publication(other)
    fails(world, returning, "return_overrun")


def elsewhen(world) -> None:
    """The worker hears an event of a new epoch."""
    channels = (parse_channel("public.a"),)
    world.hub.on_publication(Publication(channels, "n", payload_of(1), epoch="elsewhen", offset=1))


@pytest.mark.parametrize("happens", [elsewhen, lambda world: world.hub.on_gap(["public:a"], Gap.TRIMMED)])
def test_what_happens_while_it_is_greeted_is_not_passed_over(world, happens):
    returning = cut_off(world, "public.a")
    world.transport.greeting = lambda: happens(world)
    fails(world, returning, "return_overrun")
    assert world.sessions.ends[-1] == ("new", False)
    assert ("recovery", "recovered") not in world.meter.counts
    assert given(world, "new") == []
    world.transport.greeting = lambda: None
    succeeds(world, returning)


def test_two_returns_at_once_get_all_of_it_each_and_the_later_one_has_the_session(world):
    returning = cut_off(world, "public.a")
    publish(world, 1)

    def second() -> None:
        world.broker.before = lambda: None
        world.arrive("second", returning=returning)
        publish(world, 2)

    world.broker.before = second
    world.arrive("first", returning=returning)
    publish(world, 3)
    assert given(world, "first") == given(world, "second") == [1, 2, 3]
    assert in_order(world, "first")
    world.hub.disconnect("second", "client_disconnect")
    assert world.sessions.find(returning.pid).sids[-1] == "first"
    world.hub.disconnect("first", "client_disconnect")
    assert world.sessions.find(returning.pid) is None
