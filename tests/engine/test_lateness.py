"""The loop's lateness: stalls are seen, and an idle loop has none to speak of."""

import time

import gevent

from mechamap.engine.lateness import Lateness


def test_a_handler_that_computes_is_seen_by_its_length():
    seen: list[float] = []
    lateness = Lateness(seen.append)
    lateness.start()
    try:
        gevent.sleep(0.11)
        until = time.perf_counter() + 0.3
        while time.perf_counter() < until:
            pass
        gevent.sleep(0.11)
    finally:
        lateness.stop()
    assert max(seen) >= 0.24
    count = len(seen)
    assert min(seen) >= 0
    gevent.sleep(0.11)
    assert len(seen) == count
