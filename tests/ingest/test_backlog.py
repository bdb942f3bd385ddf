"""What was read and not yet published: in order, bounded, the oldest given up first."""

import threading
import time

from mechamap.ingest.backlog import Backlog


def texts(taken) -> list[bytes]:
    return [each.text for each in taken]


def test_the_oldest_comes_first_and_not_more_than_asked_for():
    backlog = Backlog()
    for text in (b"a", b"b", b"c"):
        backlog.add(b"x", text)
    assert texts(backlog.take(2, 0)) == [b"a", b"b"]
    assert texts(backlog.take(2, 0)) == [b"c"]
    assert backlog.take(2, 0) == []


def test_taking_waits_for_the_first_only_so_long():
    backlog = Backlog()
    begun = time.monotonic()
    assert backlog.take(1, 0.05) == []
    assert time.monotonic() - begun >= 0.04
    threading.Timer(0.05, backlog.add, (b"x", b"a")).start()
    assert texts(backlog.take(10, 5)) == [b"a"]


def test_the_oldest_is_dropped_when_there_are_too_many():
    backlog = Backlog(max_messages=3)
    assert [backlog.add(b"x", b"%d" % n) for n in range(5)] == [0, 0, 0, 1, 1]
    assert texts(backlog.take(10, 0)) == [b"2", b"3", b"4"]


def test_the_oldest_are_dropped_when_they_are_too_large():
    backlog = Backlog(max_bytes=10)
    assert [backlog.add(b"x", b"....") for _ in range(3)] == [0, 0, 1]
    assert backlog.add(b"x", b"." * 100) == 2  # one alone may be larger: it has a limit of its own
    assert texts(backlog.take(10, 0)) == [b"." * 100]
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
