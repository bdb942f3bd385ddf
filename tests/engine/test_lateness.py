"""The loop's lateness: stalls are seen, and an idle loop has none to speak of."""

import time
from collections.abc import Iterator

import gevent
import pytest

from mechamap.engine.lateness import Lateness


@pytest.fixture
def seen() -> Iterator[list[float]]:
    found: list[float] = []
    lateness = Lateness(found.append)
    lateness.start()
    yield found
    lateness.stop()


def turn_for(seconds: float) -> None:
    """A loop with work to do."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        gevent.sleep(0.002)


def compute_for(seconds: float) -> None:
    """A handler that lets nobody else do anything."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def test_a_handler_that_computes_is_seen_by_its_length(seen):
    turn_for(0.4)
    compute_for(0.3)
    gevent.sleep(0.01)
    assert max(seen) >= 0.24
    assert min(seen) >= 0


def test_at_rest_it_looks_less_often_and_sees_a_long_stall_all_the_same(seen):
    gevent.sleep(1.0)
    assert 2 <= len(seen) <= 8
    compute_for(0.5)
    gevent.sleep(0.01)
    assert max(seen) >= 0.29
    at_rest = len(seen)
    turn_for(1.0)
    assert len(seen) - at_rest > 8


def test_what_has_ended_sees_nothing_more():
    found: list[float] = []
    lateness = Lateness(found.append)
    lateness.start()
    gevent.sleep(0.1)
    lateness.stop()
    count = len(found)
    gevent.sleep(0.3)
    assert count >= 1
    assert len(found) == count
