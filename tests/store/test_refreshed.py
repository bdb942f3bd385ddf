"""A value that many callers share and nobody waits for too long."""

import time

import gevent
import pytest
from gevent.event import Event

from mechamap.domain.errors import Unavailable
from mechamap.store.refreshed import Refreshed
from tests.clock import Clock


class Origin:
    """Where the value comes from."""

    def __init__(self) -> None:
        self.value = "first"
        self.fetched = 0
        self.away = False
        self.gate = Event()
        self.gate.set()

    def load(self) -> str:
        self.fetched += 1
        value = self.value
        self.gate.wait()
        if self.away:
            raise Unavailable("away")
        return value


@pytest.fixture
def origin() -> Origin:
    return Origin()


def test_a_value_is_fetched_once_while_it_is_fresh(origin: Origin) -> None:
    shared = Refreshed(origin.load, 60.0, 1.0)
    assert [shared.read().value for _ in range(3)] == ["first"] * 3
    assert origin.fetched == 1


def test_an_old_value_is_fetched_again(origin: Origin) -> None:
    clock = Clock()
    shared = Refreshed(origin.load, 2.0, 1.0, clock)
    shared.read()
    origin.value, clock.now = "second", clock.now + 2
    reading = shared.read()
    assert (reading.value, reading.fresh) == ("second", True)


def test_the_last_value_remains_while_the_origin_is_away(origin: Origin) -> None:
    clock = Clock()
    shared = Refreshed(origin.load, 2.0, 1.0, clock)
    shared.read()
    origin.away, clock.now = True, clock.now + 2
    reading = shared.read()
    assert (reading.value, reading.fresh) == ("first", False)
    origin.away, clock.now = False, clock.now + 1
    assert shared.read().fresh


def test_an_origin_that_never_answered_gives_no_value(origin: Origin) -> None:
    origin.away = True
    reading = Refreshed(origin.load, 2.0, 1.0).read()
    assert (reading.value, reading.fresh) == (None, False)


def test_an_origin_that_is_away_is_not_asked_by_every_caller(origin: Origin) -> None:
    origin.away = True
    shared = Refreshed(origin.load, 2.0, 1.0, Clock())
    for _ in range(100):
        shared.read()
    assert origin.fetched == 1


def test_nobody_waits_longer_than_agreed(origin: Origin) -> None:
    origin.gate.clear()
    shared = Refreshed(origin.load, 2.0, 0.05)
    started = time.monotonic()
    assert not shared.read().fresh
    assert time.monotonic() - started < 1.0
    origin.gate.set()


def test_many_callers_cause_one_fetch(origin: Origin) -> None:
    origin.gate.clear()
    shared = Refreshed(origin.load, 60.0, 5.0)
    jobs = [gevent.spawn(shared.read) for _ in range(20)]
    gevent.sleep(0.01)
    origin.gate.set()
    assert {job.get().value for job in jobs} == {"first"}
    assert origin.fetched == 1


def test_after_expiry_an_older_fetch_under_way_does_not_count(origin: Origin) -> None:
    origin.gate.clear()
    shared = Refreshed(origin.load, 60.0, 5.0)
    early = gevent.spawn(shared.read)
    gevent.sleep(0.01)
    origin.value = "second"
    shared.expire()
    origin.gate.set()
    early.get()
    assert shared.read().value == "second"
