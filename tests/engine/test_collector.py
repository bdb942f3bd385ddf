"""Garbage collection of a worker: what survives is looked at once, and what leaks is found again."""

import gc
import time

import pytest

from mechamap.engine import collector as module
from mechamap.engine.collector import Collector


@pytest.fixture
def collector():
    made = Collector()
    made.start()
    yield made
    made.stop()


class Node:
    """Something that can be part of a cycle."""

    def __init__(self) -> None:
        self.self = self


def test_what_a_full_collection_leaves_is_not_looked_at_again(collector):
    kept = [[n] for n in range(50_000)]
    gc.collect()
    before = time.process_time()
    gc.collect()
    assert time.process_time() - before < 0.005
    assert len(kept) == 50_000


def whole() -> float:
    """Seconds in which everything there is is looked at: the measure, for a machine may be slow or busy."""
    gc.unfreeze()
    before = time.thread_time()
    gc.collect()
    return time.thread_time() - before


def test_growing_by_many_objects_never_takes_a_long_pause(collector):
    pauses, began = [], 0.0

    def measure(phase, info):
        nonlocal began
        if phase == "start":
            began = time.thread_time()
        else:
            pauses.append(time.thread_time() - began)

    gc.callbacks.insert(0, measure)
    try:
        kept = [{"n": [n]} for n in range(200_000)]
    finally:
        gc.callbacks.remove(measure)
    assert len(kept) == 200_000
    assert len(pauses) > 100
    assert max(pauses) < whole() / 3


def test_young_cycles_are_freed_as_ever(collector):
    found = []
    gc.callbacks.append(lambda phase, info: found.append(info["collected"]))
    try:
        for _ in range(5_000):
            Node()
    finally:
        gc.callbacks.pop()
    assert sum(found) > 3_000


def test_frozen_cycles_are_found_when_far_more_is_frozen_than_clients_explain(collector, monkeypatch):
    monkeypatch.setattr(module, "_TOLERANCE", 1_000)
    nodes = [Node() for _ in range(5_000)]
    gc.collect()
    frozen = gc.get_freeze_count()
    assert collector.look(connections=1_000) is False, "a thousand clients explain it"
    nodes.clear()
    assert collector.look(connections=0) is True
    assert gc.get_freeze_count() < frozen - 4_000


def test_stopping_restores_what_was_before():
    before = gc.get_threshold()
    collector = Collector()
    collector.start()
    collector.stop()
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
