"""Farewells: everybody is told once, in turn, and nobody else has to wait for it."""

import gevent
import pytest
from gevent.event import Event

from mechamap.engine.farewells import Farewells


class Ended:
    """A session that is over; `handler` is the application's."""

    def __init__(self, told, number=0, handler=lambda: None, lingers=False):
        self.told = told
        self.number = number
        self.handler = handler
        self.lingers = lingers

    def farewell(self):
        self.handler()
        self.told.append(self.number)


@pytest.fixture
def farewells():
    return Farewells()


def test_each_is_told_once_the_earliest_first(farewells):
    told = []
    for number in range(1_000):
        farewells.add(Ended(told, number))
    assert told == []  # never in the caller, which may be the event loop
    farewells.join(5)
    assert told == list(range(1_000))
    assert len(farewells) == 0


def test_thousands_at_once_leave_the_others_their_turn(farewells):
    told, seen = [], []
    for number in range(2_000):
        farewells.add(Ended(told, number, lambda: sum(range(5_000))))
    gevent.spawn(lambda: [(gevent.sleep(0.001), seen.append(len(told))) for _ in range(3)])
    farewells.join(10)
    assert len(told) == 2_000
    assert 0 < seen[0] < seen[1] < seen[2] < 2_000


def test_quick_handlers_need_a_handful_of_greenlets(farewells):
    told, greenlets = [], set()
    for number in range(3_000):
        farewells.add(Ended(told, number, lambda: greenlets.add(gevent.getcurrent())))
    farewells.join(10)
    assert len(told) == 3_000
    assert len(greenlets) <= 8


def test_handlers_that_wait_wait_side_by_side(farewells):
    told, entered, gate = [], [], Event()

    def wait():
        entered.append(1)
        gate.wait()

    for number in range(300):
        farewells.add(Ended(told, number, wait))
    with gevent.Timeout(5):
        while len(entered) < 300:
            gevent.sleep(0.01)
    assert told == []
    gate.set()
    farewells.join(5)
    assert sorted(told) == list(range(300))


def test_there_is_an_end_to_how_many_wait_side_by_side(farewells):
    told, entered, gate = [], [], Event()

    def wait():
        entered.append(1)
        gate.wait()

    for number in range(1_200):
        farewells.add(Ended(told, number, wait))
    with gevent.Timeout(10):
        while len(entered) < 1_000:
            gevent.sleep(0.01)
    gevent.sleep(0.1)
    assert (len(entered), len(farewells)) == (1_000, 200)
    gate.set()
    farewells.join(5)
    assert sorted(told) == list(range(1_200))


def test_one_that_lingers_keeps_nobody_waiting(farewells):
    told, gate = [], Event()
    farewells.add(Ended(told, "slow", gate.wait, lingers=True))
    farewells.add(Ended(told, "quick"))
    with gevent.Timeout(5):
        while not told:
            gevent.sleep(0)
    assert told == ["quick"]
    gate.set()
    farewells.join(5)
    assert told == ["quick", "slow"]


def test_joining_waits_no_longer_than_it_is_told(farewells):
    gate = Event()
    farewells.add(Ended([], 0, gate.wait))
    with gevent.Timeout(5):
        farewells.join(0.05)
    gate.set()
    farewells.join(5)


def test_a_greenlet_that_is_killed_leaves_its_work_to_another(farewells):
    told = []
    farewells.add(Ended(told, 1, lambda: gevent.getcurrent().throw(gevent.GreenletExit)))
    farewells.add(Ended(told, 2))
    farewells.join(5)
    assert told == [2]
