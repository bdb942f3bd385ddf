"""Turns: one at a time for a name, in one process and over Redis."""

import threading
import time

import pytest

from mechamap.broker.connection import command_client
from mechamap.broker.turns import LocalTurns, RedisTurns


@pytest.fixture
def over_redis(redis_server):
    def make(worker: str, **options) -> RedisTurns:
        return RedisTurns(command_client(redis_server.url), "turns", worker, **options)

    return make


@pytest.fixture(params=["local", "redis", "two workers"])
def pair(request, over_redis):
    """Two that take turns with each other: the same object where they are in one process."""
    if request.param == "two workers":
        return over_redis("a", wait=0.3), over_redis("b", wait=0.3)
    turns = LocalTurns(wait=0.3) if request.param == "local" else over_redis("a", wait=0.3)
    return turns, turns


def test_one_at_a_time_for_a_name(pair):
    inside, most, done = [], [], []

    def work(turns):
        for _ in range(5):
            turn = turns.take("user:7")
            assert turn.held
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.002)
            inside.pop()
            turn.release()
        done.append(1)

    workers = [threading.Thread(target=work, args=(turns,)) for turns in pair * 2]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (len(done), max(most)) == (4, 1)


def test_other_names_do_not_wait(pair):
    first, second = pair
    turns = [first.take("user:7"), second.take("user:8")]
    assert all(turns)
    for turn in turns:
        turn.release()


def test_who_waits_too_long_goes_without_and_spoils_nothing(pair):
    first, second = pair
    turn = first.take("user:7")
    assert second.take("user:7") is None
    turn.release()
    again = second.take("user:7")
    assert again.held
    again.release()


def test_the_turn_of_a_worker_that_vanished_ends(over_redis):
    left = over_redis("a", lease=0.4, margin=0.2).take("user:7")
    assert left.held
    next_one = over_redis("b").take("user:7")
    assert next_one.held
    assert not left.held
    left.release()  # not its own any more
    assert over_redis("c", wait=0.1).take("user:7") is None


def test_without_redis_nobody_has_a_turn_and_nobody_waits(over_redis, redis_server):
    turns = over_redis("a", wait=60)
    redis_server.stop()
    assert turns.take("user:7") is None
    redis_server.start()
    turn = turns.take("user:7")
    assert turn.held
    turn.release()
