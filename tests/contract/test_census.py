"""What every census promises, and what that of several workers promises beyond."""

import time

import pytest

from mechamap.domain.connection_limit import Standing
from mechamap.domain.errors import BrokerUnavailable
from mechamap.presence.memory import MOST_QUESTIONS, MemoryRoster
from mechamap.presence.protocol import MOST_ANSWERED
from tests.contract.test_roster import connection
from tests.services.processes import wait_until

from .conftest import LEASE, calls


def standing(sid: str) -> Standing:
    return Standing(sid, 10.5, 2.25, True, "0123456789abcdef")


def test_connections_are_counted_for_each_user_asked_about(roster):
    for sid, user_id in (("1.1", 7), ("1.2", 7), ("1.3", 8), ("1.4", 9)):
        roster.record(connection(sid, user_id))
    wait_until(lambda: roster.counts([7, 8, 10]) == {7: 2, 8: 1, 10: 0}, "the counts", 0.5)
    roster.forget("1.2")
    roster.record(connection("1.3", 8))  # that it changed
    wait_until(lambda: roster.counts([7, 8]) == {7: 1, 8: 1}, "the counts to follow", 0.5)


def test_nobody_is_counted_where_nobody_is_asked_about(roster):
    assert roster.counts([]) == {}


def test_more_users_than_fit_a_round_trip_are_counted(roster):
    for number in range(1, 1201):
        roster.record(connection(f"1.{number}", number))
    wait_until(lambda: set(roster.counts(range(1, 1201)).values()) == {1}, "all to be counted", 2)


def test_answers_are_those_to_the_question(roster):
    roster.answer("q1", [standing("1.1"), standing("1.2")])
    roster.answer("q2", [standing("1.3")])
    assert roster.answers("q1") == [standing("1.1"), standing("1.2")]
    assert roster.answers("q2") == [standing("1.3")]
    assert roster.answers("q3") == []


def test_an_answer_is_bounded(roster):
    roster.answer("q1", [standing(f"1.{number}") for number in range(MOST_ANSWERED + 5)])
    assert len(roster.answers("q1")) == MOST_ANSWERED


def test_questions_are_forgotten(redis_server, redis_roster):
    redis_roster("a").answer("q1", [standing("1.1")])
    [key] = redis_server.client().keys("*survey*")
    assert 0 < redis_server.client().ttl(key) <= 30
    memory = MemoryRoster("a")
    for number in range(MOST_QUESTIONS + 1):
        memory.answer(f"q{number}", [standing("1.1")])
    assert (memory.answers("q0"), memory.answers("q1")) == ([], [standing("1.1")])


def test_all_workers_are_counted_and_answer(redis_roster):
    a, b = redis_roster("a"), redis_roster("b")
    a.record(connection("1.1"))
    b.record(connection("2.1"))
    b.record(connection("2.2"))
    wait_until(lambda: a.counts([7]) == b.counts([7]) == {7: 3}, "both to be counted", 0.5)
    a.answer("q", [standing("1.1")])
    b.answer("q", [standing("2.1"), standing("2.2")])
    assert sorted(s.sid for s in a.answers("q")) == ["1.1", "2.1", "2.2"]


def test_a_dead_worker_counts_until_its_lease_ends(redis_roster, process):
    a = redis_roster("a")
    wait_until(lambda: a.counts([9]) == {9: 1}, "the other worker", 1)
    process.kill()
    assert a.counts([9]) == {9: 1}
    wait_until(lambda: a.counts([9]) == {9: 0}, "the lease to end", LEASE + 0.5)


def test_what_others_wrote_is_passed_over(redis_server, redis_roster):
    a = redis_roster("a")
    a.answer("q", [standing("1.1")])
    [key] = redis_server.client().keys("*survey*")
    for strange in (b"{", b'[{"sid": 1}]', b"[" * 5000, b"x" * 600_000):
        redis_server.client().rpush(key, strange)
    assert a.answers("q") == [standing("1.1")]


def test_counting_takes_as_many_commands_as_there_are_workers(redis_server, redis_roster):
    a, b = redis_roster("a"), redis_roster("b")
    for number in range(400):
        (a, b)[number % 2].record(connection(f"1.{number}", number + 1))
    wait_until(lambda: sum(a.counts(range(1, 401)).values()) == 400, "all to be there", 2)
    before = calls(redis_server, "hmget")
    a.counts(range(1, 401))
    assert calls(redis_server, "hmget") - before == 2


def test_without_redis_nobody_is_told_anything(redis_server, redis_roster):
    a = redis_roster("a")
    redis_server.stop()
    begun = time.monotonic()
    for asked in (lambda: a.counts([7]), lambda: a.answer("q", []), lambda: a.answers("q")):
        with pytest.raises(BrokerUnavailable):
            asked()
    assert time.monotonic() - begun < 5
