"""What members over several workers promise beyond the protocol."""

import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from mechamap.domain.channels import parse_channel
from mechamap.domain.errors import BrokerUnavailable
from mechamap.domain.history import Position
from mechamap.domain.members import Member, serial_of
from mechamap.domain.publication import Publication
from tests.contract.conftest import GRACE, LEASE, calls
from tests.contract.test_members import ANNA, BINH, THREAD, join, leave, listed, tells
from tests.services.processes import ROOT, clean_environment, wait_until
from tests.services.redis import RedisServer

Apart = Callable[..., subprocess.Popen]


@pytest.fixture
def apart(redis_server: RedisServer) -> Iterator[Apart]:
    """Start a worker in a process of its own, with these users in the thread."""
    children = []

    def start(*users: int, worker_id: str = "apart") -> subprocess.Popen:
        command = [sys.executable, "-m", "tests.contract.member_worker", redis_server.url, worker_id]
        child = subprocess.Popen(
            [*command, str(LEASE), str(GRACE), *map(str, users)],
            cwd=ROOT,
            env=clean_environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        children.append(child)
        while (line := child.stdout.readline()) != "ready\n":
            assert line.startswith("presence:"), line
        return child

    yield start
    for child in children:
        child.kill()
        child.wait()
        child.stdout.close()


def test_tabs_on_several_workers_are_one_member(redis_members):
    a, b, reader = redis_members("a"), redis_members("b"), redis_members("cli", started=False)
    assert join(a, sid="1.1").first
    assert not join(b, sid="2.1").first
    assert not join(b, sid="2.2").first
    assert listed(reader) == [2]
    leave(a, sid="1.1", at_once=True)
    leave(b, sid="2.1")
    time.sleep(GRACE * 2)
    tells(a, ("joining", THREAD, 2))
    leave(b, sid="2.2")
    tells(a, ("joining", THREAD, 2), ("leaving", THREAD, 2))
    assert listed(reader) == []


def test_a_member_moves_to_another_worker_unnoticed(redis_members):
    a, b = redis_members("a"), redis_members("b")
    join(a, sid="1.1")
    leave(a, sid="1.1")
    assert not join(b, sid="2.1").first
    time.sleep(GRACE * 2)
    tells(a, ("joining", THREAD, 2))


def test_tabs_that_open_on_two_workers_in_one_moment_are_one_member_and_both_get_the_list(redis_members):
    places = redis_members("a"), redis_members("b")
    for turn in range(20):
        both, joined = threading.Barrier(2), {}

        def open_tab(number: int, turn: int = turn, both=both, joined=joined) -> None:
            both.wait()
            joined[number] = join(places[number], Member(100 + turn), f"{number}.{turn}")

        tabs = [threading.Thread(target=open_tab, args=(number,)) for number in range(2)]
        for tab in tabs:
            tab.start()
        for tab in tabs:
            tab.join()
        assert sorted(each.first for each in joined.values()) == [False, True]
        for each in joined.values():
            assert each.page.members[-1] == Member(100 + turn)
            assert each.page.total == turn + 1
    tells(places[0], *(("joining", THREAD, 100 + turn) for turn in range(20)))


def test_who_moves_between_workers_in_one_moment_is_where_the_last_word_says(redis_members):
    a, b = redis_members("a"), redis_members("b")
    join(a, sid="1.0")
    for turn in range(20):
        old, new = (a, b) if turn % 2 == 0 else (b, a)
        leaving = threading.Thread(target=leave, args=(old, BINH, f"1.{turn}"), kwargs={"at_once": True})
        leaving.start()
        join(new, sid=f"1.{turn + 1}")
        leaving.join()
        wait_until(lambda: listed(a) == [2], "the member to be there", 2)
    changes = [change for change, _, _ in a.told()]
    assert changes == (["joining", "leaving"] * len(changes))[: len(changes)]
    wait_until(lambda: a.told()[-1][0] == "joining", "the last word", 2)


def test_many_who_ask_at_once_cost_one_reading(redis_server, redis_members):
    a = redis_members("a")
    join(a)
    redis_server.pause()
    asking = [threading.Thread(target=a.members.listed, args=(THREAD, 0, 100)) for _ in range(100)]
    asking += [
        threading.Thread(target=join, args=(a, Member(number), f"2.{number}")) for number in range(100, 200)
    ]
    for each in asking:
        each.start()
    time.sleep(0.3)
    redis_server.resume()
    begun = calls(redis_server, "zrangebylex")
    for each in asking:
        each.join()
    assert calls(redis_server, "zrangebylex") - begun <= 5
    assert a.members.page(THREAD, 0, 1).total == 101


def test_a_worker_that_announces_for_others_without_end_serves_its_own_too(redis_members):
    busy, over = redis_members("busy", announce=lambda some: 0), threading.Event()
    numbers = count(1_000)

    def announce(some) -> int:
        if not over.is_set():  # before this series is told to be published, there is more in the queue
            join(busy, Member(next(numbers)), "2.1", most=0)
        return len(some)

    a = redis_members("a", announce=announce)
    join(a)
    wait_until(lambda: next(numbers) > 1_005, "it to announce", 5)
    try:
        assert join(a, ANNA, "1.2").first
    finally:
        over.set()


def test_a_list_tells_up_to_where_the_channel_was_published(redis_members, redis_worker):
    a, publisher = redis_members("a"), redis_worker().broker
    join(a)
    assert a.members.listed(THREAD, 0, 1).as_of.newest is None
    receipt = publisher.publish(Publication((parse_channel("presence-thread.10"),), "news", b"1"))
    publisher.publish(Publication((parse_channel("public.news"),), "news", b"1"))
    assert a.members.listed(THREAD, 0, 1).as_of.newest == Position(receipt.epoch, receipt.offset)


def test_numbers_never_come_again_when_redis_has_older_data(redis_server, redis_members):
    a = redis_members("a")
    for number in range(5):
        join(a, Member(number + 1), f"1.{number}")
    wait_until(lambda: len(a.said) == 5, "the announcements", 2)
    redis_server.client().hset("mechamap:{rt}:members:head", "seq", 2)
    join(a, Member(6), "1.6")
    wait_until(lambda: len(a.said) == 6, "the announcement", 2)
    assert serial_of(a.said[5].id).number > serial_of(a.said[4].id).number


def test_a_list_of_a_channel_that_was_empty_knows_of_the_first_who_came_again(redis_server, redis_members):
    a = redis_members("a")
    join(a)
    leave(a, at_once=True)
    wait_until(lambda: listed(a) == [], "the member to leave", 2)
    assert not redis_server.client().exists("mechamap:{rt}:members:of:thread:10"), "nothing is left of it"
    assert join(a, ANNA).listed.as_of.last.number == 3


def test_everyone_comes_and_goes_on_two_workers_and_the_last_word_is_true(redis_members):
    places = redis_members("a"), redis_members("b")
    users = range(1, 9)

    def restless(place, number: int) -> None:
        for turn in range(12):
            user = Member(users[(number + turn) % len(users)])
            join(place, user, f"{number}.{turn}", most=0)
            leave(place, user, f"{number}.{turn}", at_once=True)

    threads = [threading.Thread(target=restless, args=(places[n % 2], n)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: listed(places[0]) == [], "the last to leave", 3)
    wait_until(lambda: Counter(t[0] for t in places[0].told())["leaving"] >= len(users), "the end", 3)
    time.sleep(0.3)
    for user in users:
        changes = [change for change, _, who in places[0].told() if who == user]
        assert changes == ["joining", "leaving"] * (len(changes) // 2)
    assert len({each.id for each in places[0].said}) == len(places[0].said)


def test_the_members_of_a_killed_worker_leave_once_when_its_lease_ends(redis_members, apart: Apart):
    a, b = redis_members("a"), redis_members("b")
    join(a, ANNA)
    join(b, BINH, "2.1")
    child = apart(2, 7, 8)
    time.sleep(0.6)  # the lease is fresh
    child.kill()
    killed = time.monotonic()
    expected = [("joining", THREAD, 1), ("joining", THREAD, 2)]
    while time.monotonic() - killed < LEASE - 0.7:
        assert a.told() == expected
        time.sleep(0.05)
    wait_until(lambda: len(a.said) >= 4, "the members to leave", 2)
    assert time.monotonic() - killed < LEASE + 1
    time.sleep(0.7)
    assert a.told()[:2] == expected
    assert sorted(a.told()[2:]) == [("leaving", THREAD, 7), ("leaving", THREAD, 8)]
    assert listed(a) == [1, 2]


def test_who_returns_before_the_lease_ends_was_never_away(redis_members, apart: Apart):
    a = redis_members("a")
    apart(2).kill()
    assert not join(a).first
    time.sleep(LEASE + 1)
    assert a.said == []
    assert listed(a) == [2]


def test_a_worker_that_slept_through_its_lease_announces_its_members_again(redis_members, apart: Apart):
    a = redis_members("a")
    child = apart(2)
    time.sleep(0.6)  # it has announced its member; else that too would be taken over
    child.send_signal(signal.SIGSTOP)
    wait_until(lambda: a.told() == [("leaving", THREAD, 2)], "the member to leave", LEASE + 1.5)
    child.send_signal(signal.SIGCONT)
    wait_until(lambda: listed(a) == [2], "the member to be back", 2)
    wait_until(lambda: len(a.said) == 2 or child.stdout.readline(), "the announcement", 2)


def test_a_worker_that_stops_in_order_leaves_the_grace_period(redis_members):
    a, b = redis_members("a"), redis_members("b")
    join(a, sid="1.1")
    join(a, ANNA, "1.2")
    a.members.stop()
    assert listed(b) == [1, 2]
    join(b, sid="2.1")
    tells(b, ("joining", THREAD, 2), ("joining", THREAD, 1), ("leaving", THREAD, 1))
    assert listed(b) == [2]


def test_after_flushall_everyone_is_back_and_nothing_is_announced(redis_server, redis_members):
    a, b = redis_members("a"), redis_members("b")
    join(a, sid="1.1")
    join(b, ANNA, "2.1")
    redis_server.client().flushall()
    wait_until(lambda: listed(a) == [1, 2], "the members", 2)
    time.sleep(LEASE)
    tells(a, ("joining", THREAD, 2), ("joining", THREAD, 1))
    leave(a, sid="1.1", at_once=True)
    tells(a, ("joining", THREAD, 2), ("joining", THREAD, 1), ("leaving", THREAD, 2))


def test_while_redis_is_away_nobody_joins_and_afterwards_nobody_is_taken_for_dead(
    redis_server, redis_members
):
    a, b = redis_members("a"), redis_members("b")
    join(a, sid="1.1")
    join(b, ANNA, "2.1")
    redis_server.pause()
    begun = time.monotonic()
    leave(a, sid="1.1")
    assert time.monotonic() - begun < 0.05
    with pytest.raises(BrokerUnavailable):
        join(b, Member(9), "2.9")
    assert not join_later(a, redis_server).first
    time.sleep(LEASE + 0.7)
    assert [t for t in a.told() if t[2] != 9] == [("joining", THREAD, 2), ("joining", THREAD, 1)]
    assert listed(a) == [1, 2]


def join_later(place, redis_server):
    """Redis stays away for longer than a lease, then the member is back at once."""
    time.sleep(max(0.0, LEASE - 1.5) + 0.3)
    redis_server.resume()
    return join(place, sid="1.2")


def test_announcements_of_a_worker_that_cannot_publish_come_in_order_from_another(redis_members):
    deaf = redis_members("a", announce=lambda some: 0)
    join(deaf, sid="1.1")
    join(deaf, ANNA, "1.2")
    assert deaf.said == []
    able = redis_members("b")
    tells(able, ("joining", THREAD, 2), ("joining", THREAD, 1))


def test_what_strangers_write_into_the_queue_stops_nothing(redis_server, redis_members):
    a = redis_members("a")
    for row in (
        "nonsense",
        "presence:joining\nid\nthread:10\nx\n\n",
        "presence:other\ni\nthread:10\n7\n\n=N",
    ):
        redis_server.client().rpush("mechamap:{rt}:members:queue", row)
    join(a)
    tells(a, ("joining", THREAD, 2))
