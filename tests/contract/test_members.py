"""What the members of presence channels are promised, in one process and over Redis."""

import time

import pytest

from mechamap.domain.errors import BrokerUnavailable
from mechamap.domain.members import Member, MemberPage, serial_of
from mechamap.presence.memory_members import MemoryMembers
from tests.contract.conftest import GRACE, Place
from tests.services.processes import wait_until

THREAD, OTHER = "thread:10", "thread:20"
ANNA, BINH, CHI = Member(1, "Anna"), Member(2, "Bình"), Member(3, None)


def join(place: Place, member: Member = BINH, sid: str = "1.1", channel: str = THREAD, **more):
    return place.members.join(channel, member, sid, **{"most": 100, **more})


def leave(place: Place, member: Member = BINH, sid: str = "1.1", *, at_once: bool = False) -> None:
    place.members.leave(THREAD, member.user_id, sid, at_once=at_once)


def tells(place: Place, *expected: tuple[str, str, int]) -> None:
    """Wait until exactly these were announced, in this order."""
    wait_until(lambda: len(place.said) >= len(expected), f"{expected}; got {place.told()}", 3)
    assert place.told() == list(expected)


def listed(place: Place, channel: str = THREAD) -> list[int]:
    return [member.user_id for member in place.members.page(channel, 0, 100).members]


def test_the_first_connection_is_announced_to_all_but_itself_and_gets_the_list(place):
    joined = join(place)
    assert joined.first
    assert joined.page == MemberPage((BINH,), 1)
    tells(place, ("joining", THREAD, 2))
    assert (place.said[0].except_id, place.said[0].member) == ("1.1", BINH)


def test_more_connections_of_a_member_are_not_announced(place):
    join(place, sid="1.1")
    assert not join(place, sid="1.2").first
    assert join(place, ANNA, "1.3").page == MemberPage((ANNA, BINH), 2)
    tells(place, ("joining", THREAD, 2), ("joining", THREAD, 1))


def test_joining_twice_is_once(place):
    join(place)
    assert not join(place).first
    leave(place, at_once=True)
    tells(place, ("joining", THREAD, 2), ("leaving", THREAD, 2))


def test_only_the_last_connection_leaves_and_after_the_grace_period(place):
    join(place, sid="1.1")
    join(place, sid="1.2")
    leave(place, sid="1.1")
    time.sleep(GRACE * 1.5)
    tells(place, ("joining", THREAD, 2))
    begun = time.monotonic()
    leave(place, sid="1.2")
    tells(place, ("joining", THREAD, 2), ("leaving", THREAD, 2))
    assert time.monotonic() - begun >= GRACE
    assert listed(place) == []


def test_a_return_within_the_grace_period_is_not_announced(place):
    join(place, sid="1.1")
    leave(place, sid="1.1")
    assert listed(place) == [2]
    time.sleep(GRACE / 2)
    assert not join(place, sid="1.2").first
    time.sleep(GRACE * 1.8)
    tells(place, ("joining", THREAD, 2))
    assert listed(place) == [2]


def test_who_leaves_on_purpose_leaves_at_once(place):
    join(place)
    leave(place, at_once=True)
    wait_until(lambda: listed(place) == [], "the list to follow", GRACE / 2)
    tells(place, ("joining", THREAD, 2), ("leaving", THREAD, 2))
    assert place.said[1].member == BINH


def test_who_comes_back_after_that_is_announced_again(place):
    join(place)
    leave(place, at_once=True)
    tells(place, ("joining", THREAD, 2), ("leaving", THREAD, 2))
    assert join(place, sid="1.2").first
    tells(place, ("joining", THREAD, 2), ("leaving", THREAD, 2), ("joining", THREAD, 2))
    assert len({each.id for each in place.said}) == 3


def test_a_returning_connection_hears_of_its_own_joining(place):
    assert join(place, most=0, returning=True).page.members == ()
    tells(place, ("joining", THREAD, 2))
    assert place.said[0].except_id is None


def test_unknown_connections_cannot_leave(place):
    join(place)
    leave(place, sid="9.9", at_once=True)
    leave(place, ANNA, at_once=True)
    place.members.leave(OTHER, 2, "1.1", at_once=True)
    time.sleep(0.3)
    tells(place, ("joining", THREAD, 2))
    assert listed(place) == [2]


def test_channels_have_their_own_members(place):
    join(place, BINH, "1.1")
    join(place, ANNA, "1.2", OTHER)
    join(place, BINH, "1.1", OTHER)
    assert (listed(place), listed(place, OTHER)) == ([2], [1, 2])
    assert place.members.page("thread:404", 0, 10) == MemberPage((), 0)


def test_members_come_in_pages_by_id(place):
    ids = [5, 3, 1, 2**62, 4, 10, 9007199254740993]
    for number, user_id in enumerate(ids):
        join(place, Member(user_id, f"User {user_id}"), f"1.{number}")
    ids.sort()
    first = place.members.page(THREAD, 0, 3)
    assert ([m.user_id for m in first.members], first.total, first.after) == (ids[:3], 7, ids[2])
    second = place.members.page(THREAD, first.after, 3)
    assert ([m.user_id for m in second.members], second.after) == (ids[3:6], ids[5])
    last = place.members.page(THREAD, second.after, 3)
    assert ([m.user_id for m in last.members], last.total, last.after) == (ids[6:], 7, None)
    assert place.members.page(THREAD, 4, 4).after is None
    joined = join(place, sid="1.99", most=2)
    assert ([m.user_id for m in joined.page.members], joined.page.total) == ([1, 2], 8)


@pytest.mark.parametrize("name", [None, "", "Nguyễn 🔩", 'two\nlines "quoted" \\'])
def test_names_arrive_as_they_are(place, name):
    member = Member(7, name)
    assert join(place, member).page.members == (member,)
    leave(place, member, at_once=True)
    tells(place, ("joining", THREAD, 7), ("leaving", THREAD, 7))
    assert [each.member for each in place.said] == [member, member]


def test_many_join_at_once(place):
    for number in range(250):
        join(place, Member(number + 1), f"1.{number}", most=0)
    assert place.members.page(THREAD, 0, 1000).total == 250
    for number in range(250):
        leave(place, Member(number + 1), f"1.{number}", at_once=True)
    wait_until(lambda: len(place.said) == 500, "all announcements", 5)
    assert {told[0] for told in place.told()[:250]} == {"joining"}
    assert sorted(told[2] for told in place.told()[250:]) == list(range(1, 251))
    assert listed(place) == []


def test_nobody_can_join_where_no_worker_runs(redis_members):
    for members in (MemoryMembers(GRACE), redis_members("cli", started=False).members):
        with pytest.raises(BrokerUnavailable):
            members.join(THREAD, BINH, "1.1", most=0)


def test_a_list_tells_which_announcements_it_has(place):
    join(place, BINH)
    tells(place, ("joining", THREAD, 2))
    assert place.members.listed(THREAD, 0, 10).as_of.last == serial_of(place.said[0].id)
    assert join(place, ANNA, "1.2").listed.as_of.last.number == serial_of(place.said[0].id).number + 1
    join(place, CHI, "1.3", OTHER)
    leave(place, ANNA, "1.2", at_once=True)
    wait_until(lambda: listed(place) == [2], "the list to follow", 2)
    wait_until(lambda: len(place.said) == 4, "the announcements", 2)
    serials = [serial_of(each.id) for each in place.said]
    assert [each.number for each in serials] == sorted({each.number for each in serials})
    assert len({each.epoch for each in serials}) == 1
    found = place.members.listed(THREAD, 0, 10)
    assert found.page == MemberPage((BINH,), 1)
    assert (found.as_of.last, found.as_of.queued) == (serials[-1], False)
    assert place.members.listed("thread:404", 0, 10).as_of.last is None


def test_a_member_is_called_as_its_latest_connection_calls_it_and_nothing_is_announced(place):
    join(place, BINH, "1.1")
    renamed = Member(2, "Bình Minh")
    assert join(place, renamed, "1.2").page.members == (renamed,)
    assert join(place, Member(2, None), "1.3").page.members == (renamed,), (
        "one without a name takes none away"
    )
    for sid in ("1.1", "1.2", "1.3"):
        leave(place, renamed, sid, at_once=True)
    tells(place, ("joining", THREAD, 2), ("leaving", THREAD, 2))
    assert place.said[1].member == renamed


def test_who_leaves_on_purpose_leaves_at_once_though_another_connection_was_lost_a_moment_ago(place):
    join(place, sid="1.1")
    join(place, sid="1.2")
    leave(place, sid="1.1")
    leave(place, sid="1.2", at_once=True)
    wait_until(lambda: listed(place) == [], "the list to follow", GRACE / 2)
    assert join(place, sid="1.3").first
    time.sleep(GRACE * 1.5)
    tells(place, ("joining", THREAD, 2), ("leaving", THREAD, 2), ("joining", THREAD, 2))


def test_who_comes_while_the_grace_period_runs_and_leaves_on_purpose_is_gone_for_good(place):
    join(place, sid="1.1")
    leave(place, sid="1.1")
    assert not join(place, sid="1.2").first
    leave(place, sid="1.2", at_once=True)
    time.sleep(GRACE * 1.5)
    tells(place, ("joining", THREAD, 2), ("leaving", THREAD, 2))
    assert listed(place) == []


def test_what_waits_to_be_announced_is_known_of_a_list(redis_members):
    memory = MemoryMembers(GRACE)
    memory.start(lambda some: 0)
    try:
        for members in (memory, redis_members("deaf", announce=lambda some: 0).members):
            as_of = members.join(THREAD, BINH, "1.1", most=10).listed.as_of
            assert as_of.last is not None
            assert as_of.queued
    finally:
        memory.stop()


def test_what_cannot_be_announced_is_tried_again_in_order():
    said, takes = [], [0, 1, 0]

    def announce(some) -> int:
        count = takes.pop(0) if takes else len(some)
        said.extend(some[:count])
        return count

    members = MemoryMembers(GRACE)
    members.start(announce)
    try:
        for number in range(4):
            members.join(THREAD, Member(number + 1), f"1.{number}", most=0)
        wait_until(lambda: len(said) == 4, "the announcements", 2)
        assert [each.member.user_id for each in said] == [1, 2, 3, 4]
    finally:
        members.stop()
