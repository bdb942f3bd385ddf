"""Members of presence channels, as one worker's browsers see each other."""

from itertools import count

import pytest

from mechamap.domain.channels import parse_channel
from mechamap.domain.errors import BrokerUnavailable, Forbidden, NotFound, Unavailable
from mechamap.domain.members import Announcement, Change, Member, Serial
from mechamap.domain.publication import Publication
from mechamap.domain.recovery import Returning, offset_text, parse_offset
from mechamap.hub import listings, presence
from mechamap.presence.protocol import Members

THREAD = "presence-thread.10"


def shown(user_id: int) -> dict:
    return {"user_id": user_id, "user_info": {"id": user_id, "name": f"User {user_id}"}}


def publish(world, event: str) -> None:
    world.broker.publish(Publication((parse_channel(THREAD),), event, b"5"))


def here(world) -> str:
    """Where the worker is, as it travels behind events."""
    position = world.broker.position("")
    return offset_text(position.epoch, position.offset)


def heard(world, sid: str) -> list[tuple]:
    """What the connection was told of members: the event's last word and the user, or the users listed."""
    found = []
    for name, args in world.transport.sent.get(sid, []):
        if name.startswith("presence:"):
            assert args[0] == THREAD
            users = [each["user_id"] for each in args[1]] if isinstance(args[1], list) else args[1]["user_id"]
            found.append((name.partition(":")[2], users))
    return found


def enter(world, sid: str, user_id: int) -> None:
    world.connect(sid, user_id)
    world.hub.subscribe(sid, THREAD)


def test_who_comes_gets_the_list_and_the_others_hear_of_it(world):
    enter(world, "1.1", 7)
    enter(world, "1.2", 8)
    assert heard(world, "1.1") == [("subscribed", [7]), ("joining", 8)]
    assert heard(world, "1.2") == [("subscribed", [7, 8])]
    [(_, args)] = [each for each in world.transport.sent["1.2"] if each[0] == "presence:subscribed"]
    assert args == (THREAD, [shown(7), shown(8)], {"total": 2, "after": None}, here(world))


@pytest.mark.parametrize("name", ["thread.10", "private-thread.10"])
def test_another_name_of_the_channel_makes_no_member_and_the_presence_name_does_later(world, name):
    world.connect("1.1", 7)
    world.hub.subscribe("1.1", name)
    enter(world, "1.2", 8)
    assert heard(world, "1.2") == [("subscribed", [8])]
    with pytest.raises(Forbidden):
        world.hub.members("1.1", THREAD, 0)
    assert world.hub.subscribe("1.1", THREAD).channel.name == THREAD
    assert heard(world, "1.1") == [("joining", 8), ("subscribed", [7, 8])]
    assert heard(world, "1.2") == [("subscribed", [8]), ("joining", 7)]
    assert world.hub.connections.get("1.1").spellings == ("private-user.7", THREAD)
    assert world.roster.connections(user_id=7)[0].channels == ("private-user.7", THREAD)
    assert world.hub.unsubscribe("1.1", name).name == name, "any of its names leaves it"
    assert heard(world, "1.2")[2:] == [("leaving", 7)]
    assert world.broker.channels() == {"user:7": 1, "user:8": 1, "thread:10": 1}


def test_a_member_who_asks_by_another_name_stays_one(world):
    enter(world, "1.1", 7)
    assert world.hub.subscribe("1.1", "thread.10").channel.name == "thread.10"
    assert heard(world, "1.1") == [("subscribed", [7])]
    assert world.hub.members("1.1", THREAD, 0).total == 1


def test_who_became_a_member_later_is_one_after_a_return(world):
    connection = world.connect("1.1", 7)
    world.hub.subscribe("1.1", "thread.10")
    world.hub.subscribe("1.1", THREAD)
    assert THREAD in connection.kept().channels


def test_several_tabs_come_and_go_once(world):
    enter(world, "1.1", 7)
    enter(world, "1.2", 8)
    enter(world, "1.3", 8)
    world.hub.unsubscribe("1.2", THREAD)
    world.hub.unsubscribe("1.3", THREAD)
    assert heard(world, "1.1") == [("subscribed", [7]), ("joining", 8), ("leaving", 8)]
    assert heard(world, "1.2") == [("subscribed", [7, 8])]


def test_a_lost_connection_leaves_after_the_grace_period(world):
    enter(world, "1.1", 7)
    enter(world, "1.2", 8)
    world.hub.disconnect("1.2", "transport_close")
    world.now += 4.9
    world.members.sweep()
    assert heard(world, "1.1") == [("subscribed", [7]), ("joining", 8)]
    world.now += 0.2
    world.members.sweep()
    assert heard(world, "1.1")[2:] == [("leaving", 8)]


def test_a_fresh_connection_within_the_grace_period_is_not_announced(world):
    enter(world, "1.1", 7)
    enter(world, "1.2", 8)
    world.hub.disconnect("1.2", "transport_close")
    world.now += 3
    enter(world, "1.3", 8)
    world.now += 10
    world.members.sweep()
    assert heard(world, "1.1") == [("subscribed", [7]), ("joining", 8)]
    assert heard(world, "1.3") == [("subscribed", [7, 8])]


def test_a_recovered_connection_within_the_grace_period_is_not_announced_either(world):
    enter(world, "1.1", 7)
    enter(world, "1.2", 8)
    pid = world.hub.connections.get("1.2").pid
    world.hub.disconnect("1.2", "transport_close")
    world.now += 3
    assert world.arrive("1.3", 8, Returning(pid, None)).recovered
    world.now += 10
    world.members.sweep()
    assert heard(world, "1.1") == [("subscribed", [7]), ("joining", 8)]
    assert ("subscribed", [7, 8]) not in heard(world, "1.3")
    world.hub.unsubscribe("1.3", THREAD)
    assert heard(world, "1.1")[2:] == [("leaving", 8)]


def test_one_that_recovers_later_hears_what_the_others_heard(world):
    enter(world, "1.1", 7)
    enter(world, "1.2", 8)
    pid = world.hub.connections.get("1.2").pid
    world.hub.disconnect("1.2", "transport_close")
    world.now += 6
    world.members.sweep()
    enter(world, "1.4", 4)
    assert world.arrive("1.3", 8, Returning(pid, None)).recovered
    assert heard(world, "1.1")[2:] == [("leaving", 8), ("joining", 4), ("joining", 8)]
    assert heard(world, "1.3") == [("leaving", 8), ("joining", 4), ("joining", 8)]


def test_a_member_that_subscribes_again_gets_the_list_again(world):
    enter(world, "1.1", 7)
    enter(world, "1.2", 8)
    world.hub.subscribe("1.1", THREAD)
    assert heard(world, "1.1") == [("subscribed", [7]), ("joining", 8), ("subscribed", [7, 8])]
    assert heard(world, "1.2") == [("subscribed", [7, 8])]


def test_who_may_not_stay_leaves_at_once(world):
    enter(world, "1.1", 8)
    enter(world, "1.2", 7)
    world.facts.threads[10] = type(world.facts.threads[10])(10, 1, author_id=8, hidden=True)
    world.rechecks.user(7)
    assert heard(world, "1.1") == [("subscribed", [8]), ("joining", 7), ("leaving", 7)]


def test_channels_without_members_have_none(world):
    world.connect("1.1", 7)
    world.hub.subscribe("1.1", "forum.1")
    assert heard(world, "1.1") == []
    with pytest.raises(Forbidden) as refused:
        world.hub.members("1.1", "forum.1", 0)
    assert refused.value.code == "not_a_member"


def test_a_long_list_is_told_in_part_and_members_ask_for_the_rest(world, monkeypatch):
    monkeypatch.setattr(presence, "LISTED", 2)
    for number, user_id in enumerate((1, 4, 7, 8)):
        enter(world, f"1.{number}", user_id)
    [(_, args)] = [each for each in world.transport.sent["1.3"] if each[0] == "presence:subscribed"]
    assert args == (THREAD, [shown(1), shown(4)], {"total": 4, "after": 4}, here(world))
    page = world.hub.members("1.3", THREAD, 4)
    assert ([member.user_id for member in page.members], page.total, page.after) == ([7, 8], 4, None)


class Meddling(Members):
    """Members that let something happen between their answer and its arrival."""

    def __init__(self, members, then) -> None:
        self._members, self._then = members, then
        self.leave, self.page, self.listed = members.leave, members.page, members.listed

    def join(self, *args, **more):
        joined = self._members.join(*args, **more)
        self._then()
        return joined


def meddle(world, then) -> None:
    world.hub._presence._members = Meddling(world.members, then)


BEHIND = count(1_000)
"""Numbers of announcements that are decided behind all of this worker."""


def announce(world, what: Change, user_id: int) -> None:
    """Somebody on another worker came or went."""
    last = world.members.listed("thread:10", 0, 1).as_of.last
    id = Serial(last.epoch, next(BEHIND)).id()
    member = Member(user_id, f"User {user_id}")
    assert world.hub._presence.announce([Announcement(what, "thread:10", member, id=id)]) == 1


def test_what_happens_while_the_list_is_on_its_way_is_in_it(world):
    enter(world, "1.1", 1)
    enter(world, "1.2", 4)

    def happen() -> None:
        announce(world, Change.LEAVING, 1)
        announce(world, Change.JOINING, 7)

    meddle(world, happen)
    enter(world, "1.3", 8)
    assert heard(world, "1.3")[-1] == ("subscribed", [4, 7, 8])


def list_and_rest(world, sid: str) -> tuple:
    """The only list that the connection was told, and where it is behind it."""
    [args] = [args for name, args in world.transport.sent[sid] if name == "presence:subscribed"]
    return [shown["user_id"] for shown in args[1]], parse_offset(args[3])


def once(act):
    """A function that acts the first time."""
    acts = [act]
    return lambda: acts.pop()() if acts else None


def test_who_is_cut_off_right_behind_the_list_is_not_given_again_what_it_has(world):
    meddle(world, once(lambda: enter(world, "1.2", 8)))
    enter(world, "1.1", 7)
    listed, position = list_and_rest(world, "1.1")
    assert listed == [7, 8]
    pid = world.hub.connections.get("1.1").pid
    world.hub.disconnect("1.1", "transport_close")
    world.hub.unsubscribe("1.2", THREAD)
    assert world.arrive("1.3", 7, Returning(pid, position)).recovered
    assert heard(world, "1.3") == [("leaving", 8)]


def test_who_subscribes_from_a_position_of_its_own_is_given_no_changes_that_the_list_has(world):
    enter(world, "1.1", 7)
    since = world.broker.position("thread:10")
    enter(world, "1.2", 8)
    world.hub.unsubscribe("1.2", THREAD)
    publish(world, "news")
    enter(world, "1.3", 4)
    world.connect("1.4", 1)
    done = world.hub.subscribe("1.4", THREAD, since)
    assert (done.recovered, done.count) == (True, 1)
    assert heard(world, "1.4") == [("subscribed", [1, 4, 7])]
    assert world.transport.events("1.4", "news") == [5]
    world.hub.unsubscribe("1.1", THREAD)
    assert heard(world, "1.4")[1:] == [("leaving", 7)]


def test_under_a_name_without_members_it_is_given_all_of_them(world):
    enter(world, "1.1", 7)
    since = world.broker.position("thread:10")
    enter(world, "1.2", 8)
    world.connect("1.4", 1)
    assert world.hub.subscribe("1.4", "thread.10", since).count == 1
    assert heard(world, "1.4") == [("joining", 8)]


def test_nonsense_about_members_is_passed_over(world):
    def nonsense() -> None:
        for payload in (b"5", b"[]", b'["presence-thread.10",7]', b'["presence-thread.10",{"user_id":1}]'):
            id = Serial("nonsense", 1).id()
            world.hub._presence.on_publication(
                Publication((parse_channel(THREAD),), "presence:joining", payload, id=id)
            )

    meddle(world, nonsense)
    enter(world, "1.1", 7)
    assert heard(world, "1.1") == [("subscribed", [7])]


def test_too_much_meanwhile_is_refused_and_nobody_stays_behind(world, monkeypatch):
    monkeypatch.setattr(listings, "MOST_NOTED", 3)
    world.connect("1.1", 7)
    meddle(world, lambda: [announce(world, Change.JOINING, 100 + number) for number in range(5)])
    with pytest.raises(Unavailable):
        world.hub.subscribe("1.1", THREAD)
    assert world.members.page("thread:10", 0, 10).total == 0
    assert "thread:10" not in world.broker.channels()


def test_a_connection_that_cannot_become_a_member_is_in_no_channel(world):
    def refuse() -> None:
        raise BrokerUnavailable("Redis is away.")

    meddle(world, refuse)
    world.connect("1.1", 7)
    with pytest.raises(BrokerUnavailable):
        world.hub.subscribe("1.1", THREAD)
    assert world.hub.connections.get("1.1").canonicals == ("user:7",)
    assert world.members.page("thread:10", 0, 10).total == 0


def test_nothing_remains_of_a_connection_that_goes_while_it_enters(world):
    connection = world.connect("1.1", 7)
    meddle(world, lambda: world.hub.disconnect("1.1", "client_disconnect"))
    with pytest.raises(NotFound):
        world.hub.subscribe("1.1", THREAD)
    world.now += 6
    world.members.sweep()
    assert world.members.page("thread:10", 0, 10).total == 0
    assert ("subscribed", [7]) not in heard(world, "1.1")
    assert world.sessions.find(connection.pid) is None
    assert world.roster.connections() == []
    assert world.broker.channels() == {}


def test_one_that_goes_and_is_refused_takes_nobody_elses_channel(world):
    def go() -> None:
        world.hub.disconnect("1.2", "transport_close")
        raise BrokerUnavailable("Redis is away.")

    enter(world, "1.1", 7)
    world.connect("1.2", 8)
    meddle(world, go)
    with pytest.raises(BrokerUnavailable):
        world.hub.subscribe("1.2", THREAD)
    assert world.broker.channels() == {"user:7": 1, "thread:10": 1}
    assert world.hub.connections.subscriptions == 2


def test_one_that_goes_while_its_session_is_kept_is_in_no_roster(world, monkeypatch):
    world.connect("1.1", 7)

    def joined(live, name) -> None:
        world.hub.disconnect("1.1", "transport_close")

    monkeypatch.setattr(world.sessions, "joined", joined)
    with pytest.raises(NotFound):
        world.hub.subscribe("1.1", THREAD)
    assert world.roster.connections() == []
