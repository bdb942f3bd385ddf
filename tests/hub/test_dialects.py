"""Pages of the plan and of Laravel Echo in the same channels, on one worker."""

import pytest

from mechamap.domain.channels import parse_channel
from mechamap.domain.dialects import Dialect
from mechamap.domain.errors import Forbidden
from mechamap.domain.history import Position
from mechamap.domain.identity import GUEST
from mechamap.domain.payloads import payload_of
from mechamap.domain.publication import Publication
from mechamap.domain.recovery import Returning
from mechamap.domain.whispers import read_whisper

OWN = "private-user.7"
ECHO = Dialect.ECHO


def publish(world, data: object, *channels: str, event: str = "n", except_id: str | None = None) -> None:
    parsed = tuple(map(parse_channel, channels))
    world.broker.publish(Publication(parsed, event, payload_of(data), except_id=except_id))


def given(world, sid: str, event: str = "n") -> list:
    return [args for name, args in world.transport.sent.get(sid, []) if name == event]


def cut_off(world, sid: str, offset: int | None = None) -> Returning:
    """The connection lost the network; its client was at ``offset``, or at its last event."""
    connection = world.hub.connections.get(sid)
    offset = world.transport.offsets[sid][-1] if offset is None else offset
    world.transport.close(sid, "transport_close")
    world.hub.disconnect(sid, "transport_close")
    return Returning(connection.pid, Position(world.broker.position("").epoch, offset))


def nobody_spelled(world) -> bool:
    return not any(world.transport.spelled.values())


def test_each_channel_is_heard_as_the_client_said(world):
    world.connect("plan")
    world.connect("echo", dialect=ECHO)
    for sid in ("plan", "echo"):
        world.hub.subscribe(sid, "public.a")
    world.hub.subscribe("plan", "public.b", dialect=ECHO)
    publish(world, 1, "public.a")
    publish(world, 2, "public.b")
    publish(world, 3, OWN)
    assert given(world, "plan") == [(1,), ("public.b", 2), (3,)]
    assert given(world, "echo") == [("public.a", 1), (OWN, 3)]


def test_the_latest_subscription_says_how(world):
    world.connect("1.1")
    for dialect, got in ((ECHO, (OWN, 1)), (Dialect.PLAN, (1,)), (ECHO, (OWN, 1)), (ECHO, (OWN, 1))):
        world.hub.subscribe("1.1", OWN, dialect=dialect)
        publish(world, 1, OWN)
        assert given(world, "1.1")[-1] == got
    assert len(given(world, "1.1")) == 4
    assert world.broker.channels() == {"user:7": 1}


def test_a_returning_client_gets_what_it_missed_as_it_hears_each_channel(world):
    world.connect("old", dialect=ECHO)
    world.hub.subscribe("old", "public.a")
    world.hub.subscribe("old", "public.b", dialect=Dialect.PLAN)
    publish(world, 0, OWN)
    returning = cut_off(world, "old")
    publish(world, 1, "public.a")
    publish(world, 2, "public.b")
    publish(world, 3, "public.a", "public.b", OWN)
    assert world.arrive("new", returning=returning).recovered
    publish(world, 4, "public.a", "public.b")
    assert given(world, "new") == [
        ("public.a", 1), (2,), (3,), ("public.a", 3), (OWN, 3), (4,), ("public.a", 4),
    ]  # fmt: skip
    again = cut_off(world, "new")
    assert nobody_spelled(world)
    publish(world, 5, "public.a")
    assert world.arrive("newer", returning=again).recovered
    assert given(world, "newer") == [("public.a", 5)]


def test_a_copy_is_not_given_for_a_channel_that_was_joined_later(world):
    world.connect("old", dialect=ECHO)
    publish(world, 0, OWN)
    since = world.transport.offsets["old"][-1]
    publish(world, 1, "public.a", OWN)
    world.hub.subscribe("old", "public.a")
    returning = cut_off(world, "old", since)
    world.arrive("new", returning=returning)
    assert given(world, "new") == [(OWN, 1)]


def test_a_client_cut_off_between_two_copies_gets_both_again(world):
    world.connect("old", dialect=ECHO)
    world.hub.subscribe("old", "public.a")
    publish(world, 0, OWN)
    publish(world, 1, "public.a", OWN)
    before = world.transport.offsets["old"][-1] - 1  # what the first of the two bears: see the transport
    world.arrive("new", returning=cut_off(world, "old", before))
    assert given(world, "new") == [("public.a", 1), (OWN, 1)]


def test_with_a_subscription_comes_the_copy_for_its_own_channel(world):
    world.connect("1.1", dialect=ECHO)
    since = world.broker.position("")
    publish(world, 1, "public.a", OWN)
    publish(world, 2, "public.a")
    done = world.hub.subscribe("1.1", "public.a", since)
    publish(world, 3, "public.a", OWN)
    assert (done.recovered, done.count) == (True, 2)
    assert given(world, "1.1") == [(OWN, 1), ("public.a", 1), ("public.a", 2), ("public.a", 3), (OWN, 3)]


def test_a_page_of_the_plan_still_gets_it_once(world):
    world.connect("1.1")
    since = world.broker.position("")
    publish(world, 1, "public.a", OWN)
    assert world.hub.subscribe("1.1", "public.a", since).count == 0
    assert given(world, "1.1") == [(1,)]


@pytest.mark.parametrize("end", ["leave", "disconnect", "close", "revoke"])
def test_nothing_is_kept_of_a_spelling_that_nobody_uses(world, end):
    connection = world.connect("1.1", dialect=ECHO)
    world.hub.subscribe("1.1", "forum.1")
    match end:
        case "leave":
            world.hub.unsubscribe("1.1", "forum.1")
            world.hub.unsubscribe("1.1", OWN)
        case "disconnect":
            world.hub.disconnect("1.1", "transport_close")
        case "close":
            world.hub.close(connection, "kicked", "Go.")
        case "revoke":
            del world.facts.forums[1]
            world.rechecks.user(7)
            world.hub.unsubscribe("1.1", OWN)
            name, status, why = given(world, "1.1", "subscription_error")[0]
            assert (name, status, why["channel"]) == ("forum.1", 403, "forum.1")
    assert nobody_spelled(world)
    assert world.broker.channels() == {}


def test_a_channel_lost_while_away_is_told_in_its_dialect(world):
    world.connect("old", dialect=ECHO)
    world.hub.subscribe("old", "forum.1")
    publish(world, 0, OWN)
    returning = cut_off(world, "old")
    del world.facts.forums[1]
    claim = world.arrive("new", returning=returning).claim
    assert [(channel.name, claim.dialect_of(channel)) for channel, _ in claim.refused] == [("forum.1", ECHO)]


def test_whispers_reach_the_others_and_are_not_given_later(world):
    for sid, user_id, dialect in (("1.1", 7, ECHO), ("2.2", 8, ECHO), ("3.3", 8, Dialect.PLAN)):
        world.connect(sid, user_id, dialect=dialect)
        world.hub.subscribe(sid, "presence-thread.10")
    publish(world, 0, "presence-thread.10")
    returning = cut_off(world, "2.2")
    body = {"channel": "presence-thread.10", "event": "client-typing", "data": {"n": 1}}
    world.hub.whisper("1.1", read_whisper(body))
    assert given(world, "3.3", "client-typing") == [({"n": 1},)]
    assert given(world, "1.1", "client-typing") == []
    publish(world, 1, "presence-thread.10")
    assert world.arrive("4.4", 8, returning=returning).recovered
    assert given(world, "4.4", "client-typing") == []
    assert given(world, "4.4") == [("presence-thread.10", 1)]


def test_members_are_announced_under_the_name_a_client_uses(world):
    world.connect("1.1", 7, dialect=ECHO)
    world.hub.subscribe("1.1", "presence-thread.10")
    world.connect("2.2", 8)
    world.hub.subscribe("2.2", "presence-thread.10")
    assert given(world, "1.1", "presence:joining") == [
        ("presence-thread.10", {"user_id": 8, "user_info": {"id": 8, "name": "User 8"}})
    ]


THREAD, ALIAS = "presence-thread.10", "thread.10"


def listed(world, sid: str) -> list:
    return [
        [member["user_id"] for member in members]
        for _, members, *_ in given(world, sid, "presence:subscribed")
    ]


@pytest.mark.parametrize("dialect", Dialect)
def test_under_a_name_with_members_a_subscriber_becomes_one(world, dialect):
    world.connect("1.1", 8, dialect=dialect)
    world.hub.subscribe("1.1", THREAD)
    world.connect("2.2", dialect=dialect)
    world.hub.subscribe("2.2", ALIAS)
    assert listed(world, "2.2") == []
    world.hub.subscribe("2.2", THREAD)
    world.hub.subscribe("2.2", THREAD)
    assert listed(world, "2.2") == [[7, 8], [7, 8]]
    publish(world, 1, THREAD)
    assert given(world, "2.2") == [(THREAD, 1) if dialect is ECHO else (1,)]
    assert world.arrive("3.3", returning=cut_off(world, "2.2")).recovered
    assert world.hub.members("3.3", THREAD, 0).total == 2
    assert len(given(world, "1.1", "presence:joining")) == 1


def test_under_another_name_a_page_of_echo_is_no_member_any_more(world):
    world.connect("1.1", dialect=ECHO)
    for name in (THREAD, ALIAS):
        world.hub.subscribe("1.1", name)
    publish(world, 1, THREAD)
    assert given(world, "1.1") == [(ALIAS, 1)]
    with pytest.raises(Forbidden):
        world.hub.members("1.1", THREAD, 0)


def test_what_the_latest_subscription_said_survives_a_return(world):
    world.connect("old")
    world.hub.subscribe("old", ALIAS)
    world.hub.subscribe("old", "private-thread.10", dialect=ECHO)
    publish(world, 0, OWN)
    returning = cut_off(world, "old")
    publish(world, 1, THREAD)
    connection = world.arrive("new", returning=returning).connection
    assert given(world, "new") == [("private-thread.10", 1)]
    assert connection.spellings == (OWN, "private-thread.10")


def guest(world, sid: str, returning: Returning | None = None):
    world.transport.alive[sid] = "websocket"
    about = {"transport": "websocket", "address": None, "user_agent": None, "dialect": ECHO}
    admission = world.hub.connect(sid, GUEST, None, returning, **about)
    world.hub.join(admission)
    return admission


def test_a_guest_has_no_channel_of_its_own_and_stays_at_a_recheck(world):
    connection = guest(world, "1.1").connection
    assert (connection.spellings, world.broker.channels()) == ((), {})
    world.hub.subscribe("1.1", "public.a")
    world.rechecks.everyone()
    assert world.hub.connections.get("1.1") is connection
    assert connection.spellings == ("public.a",)
    world.hub.disconnect("1.1", "client_disconnect")
    assert world.broker.channels() == {}


def test_a_guests_session_is_whose_has_its_pid_among_guests(world):
    guest(world, "1.1")
    world.hub.subscribe("1.1", "public.a")
    publish(world, 0, "public.a")
    returning = cut_off(world, "1.1")
    publish(world, 1, "public.a")
    assert not world.arrive("2.2", 7, returning=returning).recovered
    assert guest(world, "3.3", returning).recovered
    assert given(world, "3.3") == [("public.a", 1)]
    assert world.broker.channels() == {"public:a": 1, "user:7": 1}


def test_what_a_guest_lost_while_away_begins_anew(world):
    guest(world, "1.1")
    world.hub.subscribe("1.1", "public.a")
    publish(world, 0, "public.a")
    returning = cut_off(world, "1.1")
    lost = guest(world, "2.2", Returning(returning.pid, Position("anotherx", 1)))
    assert lost.lost is not None
    assert (lost.connection.spellings, world.broker.channels()) == ((), {})
