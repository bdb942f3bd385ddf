"""Several workers on one outbox: one publishes at a time, and whoever follows goes on where it was."""

import gevent
import pytest

from mechamap.outbox import backlog
from tests.services.processes import wait_until

pytestmark = pytest.mark.parametrize("site", ["sqlite"], indirect=True)


def test_one_of_several_publishes_and_is_followed_at_once_when_it_stops(laravel, hire):
    first = hire(leased=True)
    first.leads()
    second = hire(leased=True)
    laravel.write("a")
    first.sent("a")
    gevent.sleep(0.3)
    assert second.published == [] and second.relay.state().ok and not second.relay.state().leader
    first.relay.stop()
    laravel.write("b")
    second.sent("b")
    assert first.events == ["a"]
    assert not first.relay.state().ok  # it does not run


def test_a_leader_that_lost_its_lease_stops_before_the_next_one_begins(laravel, hire, redis_server):
    first = hire(leased=True)
    first.leads()
    redis_server.client().set("lease", "another", px=60_000)
    wait_until(lambda: not first.relay.state().leader, "it to notice", 3)
    laravel.write("a")
    gevent.sleep(0.5)
    assert first.published == []
    redis_server.client().delete("lease")
    first.sent("a")


def test_while_redis_is_away_the_lag_is_told_and_nothing_is_lost(laravel, hire, redis_server, monkeypatch):
    monkeypatch.setattr(backlog, "MEASURE_EVERY", 0.1)
    worker = hire(leased=True)
    worker.leads()
    redis_server.kill()
    wait_until(lambda: not worker.relay.state().leader, "the lead to end", 5)
    laravel.write("a")
    laravel.write("b")
    wait_until(lambda: worker.relay.state().lag > 0.5, "the lag to grow", 5)
    assert worker.relay.state().detail == "Redis cannot say who publishes the outbox."
    assert worker.published == []
    redis_server.start()
    worker.sent("a", "b")
    wait_until(lambda: worker.relay.state().ok and worker.relay.state().lag == 0, "it to be well", 3)
