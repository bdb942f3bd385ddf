"""One leader at a time, and none that believes longer than the lease lasts."""

import time

import pytest

from mechamap.broker.connection import command_client
from mechamap.broker.leadership import Alone, LeasedLeadership
from tests.services.redis import RedisServer


class Clock:
    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def candidate(redis_server: RedisServer):
    def make(
        worker_id: str, lease: float = 1.0, margin: float = 0.25, clock=time.monotonic
    ) -> LeasedLeadership:
        return LeasedLeadership(command_client(redis_server.url), "lease", worker_id, lease, margin, clock)

    return make


def test_the_first_leads_and_the_others_do_not(candidate):
    first, second = candidate("a"), candidate("b")
    assert not first.held
    assert first.take() and first.held
    assert not second.take() and not second.held
    assert first.take()
    assert first.known and second.known


def test_whoever_releases_is_followed_at_once(candidate):
    first, second = candidate("a"), candidate("b")
    first.take()
    first.release()
    assert not first.held
    assert second.take()
    first.release()  # not its own any more
    assert candidate("c").take() is False


def test_a_vanished_leader_is_followed_when_its_lease_ends(candidate):
    first, second = candidate("a"), candidate("b")
    first.take()
    begun = time.monotonic()
    while not second.take():
        time.sleep(0.02)
    assert time.monotonic() - begun <= 1.2
    assert not first.held


def test_a_leader_stops_before_another_can_begin(candidate):
    clock = Clock()
    leader = candidate("a", clock=clock)
    leader.take()
    clock.ahead = 0.7
    assert leader.held
    clock.ahead = 0.8
    assert not leader.held
    assert not candidate("b").take()  # by the clock of Redis it still lasts


def test_a_leader_that_cannot_ask_keeps_what_it_was_promised_and_no_more(redis_server, candidate):
    clock = Clock()
    leader = candidate("a", clock=clock)
    leader.take()
    redis_server.kill()
    assert leader.take() and leader.held
    assert not leader.known
    clock.ahead = 1.0
    assert not leader.take()
    leader.release()


def test_a_worker_that_joins_no_others_leads():
    alone = Alone()
    assert alone.take() and alone.held and alone.known
    alone.release()
    assert alone.held
