"""What was read and not yet published: in order, bounded, the oldest given up first."""

import threading
import time

from mechamap.ingest.backlog import TOGETHER, Backlog


class Time:
    """A clock that sleeping moves; ``meanwhile`` happens during the next sleep."""

    def __init__(self) -> None:
        self.now = 100.0
        self.meanwhile = lambda: None

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()


def settled(backlog: Backlog) -> Backlog:
    """Nothing more is waited for."""
    time.sleep(2 * TOGETHER)
    return backlog


def texts(taken) -> list[bytes]:
    return [each.text for each in taken]


def test_the_oldest_comes_first_and_not_more_than_asked_for():
    backlog = Backlog()
    for text in (b"a", b"b", b"c"):
        backlog.add(b"x", text)
    assert texts(settled(backlog).take(2, 0)) == [b"a", b"b"]
    assert texts(settled(backlog).take(2, 0)) == [b"c"]
    assert backlog.take(2, 0) == []


def test_taking_waits_for_the_first_only_so_long():
    backlog = Backlog()
    begun = time.monotonic()
    assert backlog.take(1, 0.05) == []
    assert time.monotonic() - begun >= 0.04
    threading.Timer(0.05, backlog.add, (b"x", b"a")).start()
    assert texts(settled(backlog).take(10, 5)) == [b"a"]


def test_the_oldest_is_dropped_when_there_are_too_many():
    backlog = Backlog(max_messages=3)
    assert [backlog.add(b"x", b"%d" % n) for n in range(5)] == [0, 0, 0, 1, 1]
    assert texts(settled(backlog).take(10, 0)) == [b"2", b"3", b"4"]


def test_the_oldest_are_dropped_when_they_are_too_large():
    backlog = Backlog(max_bytes=10)
    assert [backlog.add(b"x", b"....") for _ in range(3)] == [0, 0, 1]
    assert backlog.add(b"x", b"." * 100) == 2  # one alone may be larger: it has a limit of its own
    assert texts(settled(backlog).take(10, 0)) == [b"." * 100]
    assert [backlog.add(b"x", b"....") for _ in range(3)] == [0, 0, 1]


def test_the_age_is_that_of_the_oldest():
    now = [100.0]
    backlog = Backlog(clock=lambda: now[0])
    assert backlog.age == 0.0
    backlog.add(b"x", b"a")
    now[0] += 2
    backlog.add(b"x", b"b")
    assert backlog.age == 2.0
    backlog.take(1, 0)
    assert backlog.age == 0.0


def test_everything_can_be_given_up():
    backlog = Backlog(max_bytes=10)
    backlog.add(b"x", b"12345678")
    assert backlog.clear() == 1
    assert len(backlog) == 0
    assert backlog.add(b"x", b"12345678") == 0


def test_the_parts_of_one_event_are_waited_for():
    clock = Time()
    backlog = Backlog(clock=clock, sleep=clock.sleep)
    backlog.add(b"one", b"a")
    clock.meanwhile = lambda: backlog.add(b"two", b"a")
    assert [each.channel for each in backlog.take(10, 0)] == [b"one", b"two"]


def test_what_another_event_follows_is_not_waited_for():
    clock = Time()
    backlog = Backlog(clock=clock, sleep=clock.sleep)
    for text in (b"a", b"b", b"b"):
        backlog.add(b"x", text)
    assert texts(backlog.take(10, 0)) == [b"a"]
    assert clock.now == 100.0
    assert texts(backlog.take(10, 0)) == [b"b", b"b"]


def test_the_parts_of_one_event_stay_together_beyond_the_number_asked_for():
    clock = Time()
    backlog = Backlog(clock=clock, sleep=clock.sleep)
    for text in (b"a", b"b", b"b", b"b", b"c"):
        backlog.add(b"x", text)
    clock.now += 1
    assert texts(backlog.take(2, 0)) == [b"a", b"b", b"b", b"b"]
    for _ in range(30):
        backlog.add(b"x", b"same")
    clock.now += 1
    assert [texts(backlog.take(1, 0)), len(backlog.take(10, 0))] == [[b"c"], 20]  # not for ever


def test_equal_events_without_end_are_taken_all_the_same():
    clock = Time()
    backlog = Backlog(clock=clock, sleep=clock.sleep)

    def another() -> None:
        backlog.add(b"x", b"same")
        clock.meanwhile = another

    another()
    assert len(backlog.take(10, 0)) >= 1
