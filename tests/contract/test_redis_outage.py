"""The broker while Redis is stopped, paused, emptied or cut off, and afterwards."""

import logging
import time
from collections.abc import Callable, Iterator

import gevent
import pytest

from mechamap.broker.redis import RedisBroker
from mechamap.domain.commands import Action, Command
from mechamap.domain.errors import BrokerUnavailable
from tests.contract.conftest import LEASE, Hire, Worker
from tests.contract.recorder import Recorder, event
from tests.services.processes import wait_until
from tests.services.redis import RedisServer


def refused_after(act: Callable[[], object]) -> float:
    """Seconds until ``act`` was refused."""
    begun = time.monotonic()
    with pytest.raises(BrokerUnavailable) as refused:
        act()
    assert "127.0.0.1" not in str(refused.value)
    return time.monotonic() - begun


def green(worker: Worker) -> None:
    wait_until(lambda: worker.broker.state().ok, "the broker to be well again", 4)


def red(worker: Worker, timeout: float = 1.0) -> None:
    wait_until(lambda: not worker.broker.state().ok, "the state to turn red", timeout)


def test_a_stopped_redis_refuses_publishers_in_milliseconds_and_turns_the_state_red(
    redis_server: RedisServer, redis_worker: Hire, outsider: RedisBroker
):
    worker = redis_worker()
    outsider.publish(event("warm"))
    redis_server.stop()
    red(worker)
    for broker in (worker.broker, outsider):
        assert refused_after(lambda broker=broker: broker.publish(event("x"))) < 0.2
        assert refused_after(lambda broker=broker: broker.command(Command(Action.KICK, user_id=7))) < 0.2
        assert refused_after(broker.channels) < 0.2
        assert not broker.state().ok


def test_after_a_restart_delivery_and_counts_are_as_before_without_anybody_subscribing_again(
    redis_server: RedisServer, redis_worker: Hire, outsider: RedisBroker
):
    # Leases renewed every 18 s: it is the reconnection that restores.
    a, b = redis_worker(lease=60.0), redis_worker(lease=60.0)
    for worker in (a, b):
        worker.broker.subscribe("public:news")
    a.broker.subscribe("thread:7")
    redis_server.kill()
    red(a)
    redis_server.start()
    green(a)
    green(b)
    wait_until(lambda: outsider.channels() == {"public:news": 2, "thread:7": 1}, "the counts", 2)
    assert outsider.publish(event("back")).total == 2
    a.heard("back")
    b.heard("back")
    assert a.broker.stats()["reconnects"] == 1


def test_a_redis_that_comes_back_empty_is_told_everything_again(
    redis_server: RedisServer, redis_worker: Hire, outsider: RedisBroker
):
    worker = redis_worker(lease=60.0)
    gevent.joinall(
        [gevent.spawn(worker.broker.subscribe, f"thread:{n}") for n in range(2500)], raise_error=True
    )
    redis_server.stop()
    for name in redis_server.directory.glob("appendonlydir/*"):
        name.unlink()
    redis_server.start()
    green(worker)
    wait_until(lambda: len(outsider.channels()) == 2500, "all channels", 3)
    outsider.publish(event("x", "presence-thread.2499"))
    worker.heard("x")


def test_counts_and_lease_return_after_flushall_while_delivery_never_stops(
    redis_server: RedisServer, redis_worker: Hire, outsider: RedisBroker
):
    worker = redis_worker()
    for channel in ("public:news", "thread:7", "thread:7"):
        worker.broker.subscribe(channel)
    redis_server.client().flushall()
    outsider.publish(event("uncounted"))
    worker.heard("uncounted")
    wait_until(lambda: outsider.channels() == {"public:news": 1, "thread:7": 2}, "the counts", LEASE)
    assert worker.broker.state().ok


def test_a_subscription_right_after_flushall_restores_the_other_counts_too(
    redis_server: RedisServer, redis_worker: Hire, outsider: RedisBroker
):
    worker = redis_worker(lease=60.0)  # renewed every 18 s: not what restores here
    worker.broker.subscribe("thread:7")
    worker.broker.subscribe("thread:8")
    redis_server.client().flushall()
    worker.broker.subscribe("public:news")
    assert outsider.channels() == {"thread:7": 1, "thread:8": 1, "public:news": 1}


def test_a_paused_redis_refuses_publishers_in_time_and_turns_the_state_red(
    redis_server: RedisServer, redis_worker: Hire, outsider: RedisBroker
):
    worker = redis_worker(lease=10.0)  # so that silence, not the lease, turns the state red
    outsider.publish(event("warm"))
    redis_server.pause()
    assert refused_after(lambda: worker.broker.publish(event("x"))) < 1.7
    assert refused_after(lambda: outsider.publish(event("x"))) < 1.7
    begun = time.monotonic()
    assert not outsider.state().ok
    assert time.monotonic() - begun < 1.0
    red(worker, 3.5)
    assert refused_after(lambda: worker.broker.publish(event("x"))) < 0.1


def test_many_publishers_at_once_are_all_refused_in_time_by_a_paused_redis(
    redis_server: RedisServer, redis_worker: Hire
):
    worker = redis_worker()
    redis_server.pause()
    jobs = [gevent.spawn(refused_after, lambda: worker.broker.publish(event("x"))) for _ in range(60)]
    gevent.joinall(jobs, raise_error=True)
    assert max(job.value for job in jobs) < 1.9


def test_what_was_refused_is_not_delivered_when_a_paused_redis_wakes_up(
    redis_server: RedisServer, redis_worker: Hire, outsider: RedisBroker
):
    worker = redis_worker()
    worker.broker.subscribe("public:news")
    outsider.publish(event("before"))
    redis_server.pause()
    refused_after(lambda: outsider.publish(event("refused")))
    refused_after(lambda: outsider.command(Command(Action.KICK, user_id=7)))
    redis_server.resume()
    green(worker)
    outsider.publish(event("after"))
    worker.heard("before", "after")
    assert worker.got.commands == []


def test_a_short_stall_costs_no_reconnection(redis_server: RedisServer, redis_worker: Hire):
    worker = redis_worker()
    worker.broker.subscribe("public:news")
    redis_server.pause()
    red(worker, 4.5)
    redis_server.resume()
    green(worker)
    assert worker.broker.stats()["reconnects"] == 0
    worker.broker.publish(event("x"))
    worker.heard("x")


def test_a_publisher_waits_for_a_worker_that_has_only_just_started(redis_server: RedisServer):
    broker, got = RedisBroker(redis_server.url, "w"), Recorder()
    broker.start(got)
    try:
        assert broker.publish(event("first")).total == 0
    finally:
        broker.stop()


def test_a_worker_started_without_redis_connects_when_it_comes(redis_server: RedisServer):
    redis_server.stop()
    broker, got = RedisBroker(redis_server.url, "w"), Recorder()
    begun = time.monotonic()
    broker.start(got)
    assert time.monotonic() - begun < 0.1
    worker = Worker(broker, got)
    try:
        assert refused_after(lambda: broker.publish(event("x"))) < 1.1
        redis_server.start()
        green(worker)
        broker.subscribe("public:news")
        broker.publish(event("y"))
        worker.heard("y")
    finally:
        broker.stop()


def test_a_subscription_is_refused_after_two_seconds_without_redis_and_not_counted(
    redis_server: RedisServer, redis_worker: Hire, outsider: RedisBroker
):
    worker = redis_worker()
    worker.broker.subscribe("thread:7")
    redis_server.stop()
    red(worker)
    assert 1.9 < refused_after(lambda: worker.broker.subscribe("public:news")) < 2.3
    redis_server.start()
    green(worker)
    wait_until(lambda: outsider.channels() == {"thread:7": 1}, "the old count alone", 3)
    outsider.publish(event("unheard"))
    outsider.publish(event("reply", "presence-thread.7"))
    worker.heard("reply")


def test_a_subscription_outlasts_a_short_interruption(redis_server: RedisServer, redis_worker: Hire):
    worker = redis_worker()
    redis_server.kill()
    red(worker)
    waiting = gevent.spawn(worker.broker.subscribe, "public:news")
    redis_server.start()
    waiting.get(timeout=3)
    assert worker.broker.channels() == {"public:news": 1}


def test_leaving_while_redis_is_away_is_remembered(
    redis_server: RedisServer, redis_worker: Hire, outsider: RedisBroker
):
    worker = redis_worker()
    worker.broker.subscribe("public:news")
    worker.broker.subscribe("thread:7")
    redis_server.stop()
    begun = time.monotonic()
    worker.broker.unsubscribe("public:news")
    assert time.monotonic() - begun < 0.05
    redis_server.start()
    green(worker)
    wait_until(lambda: outsider.channels() == {"thread:7": 1}, "one channel", 3)


def test_a_listener_whose_connection_was_cut_is_back_within_a_fraction_of_a_second(
    redis_server: RedisServer, redis_worker: Hire, outsider: RedisBroker
):
    worker = redis_worker()
    worker.broker.subscribe("public:news")
    redis_server.client().client_kill_filter(_type="pubsub")
    begun = time.monotonic()
    wait_until(lambda: worker.broker.stats()["reconnects"] == 1, "the reconnection", 1)
    assert time.monotonic() - begun < 0.5
    outsider.publish(event("x"))
    worker.heard("x")


@pytest.fixture
def deafened(redis_server: RedisServer, redis_worker: Hire) -> Iterator[Worker]:
    """A worker that Redis lets do everything except listen."""
    worker = redis_worker()
    client = redis_server.client()
    client.execute_command("ACL", "SETUSER", "default", "-subscribe")
    try:
        client.client_kill_filter(_type="pubsub")
        red(worker)
        yield worker
    finally:
        client.execute_command("ACL", "SETUSER", "default", "+subscribe")


def test_a_worker_that_hears_nothing_refuses_to_publish_although_redis_would_take_it(
    deafened: Worker, outsider: RedisBroker
):
    assert outsider.publish(event("x")).total == 0
    refused_after(lambda: deafened.broker.publish(event("x")))


def test_a_worker_that_hears_nothing_refuses_to_subscribe_although_redis_would_count_it(
    deafened: Worker, outsider: RedisBroker
):
    refused_after(lambda: deafened.broker.subscribe("public:news"))
    assert outsider.channels() == {}


def test_a_redis_that_takes_no_writes_turns_the_state_red_when_the_lease_ends(
    redis_server: RedisServer, redis_worker: Hire
):
    worker = redis_worker()
    client = redis_server.client()
    client.config_set("min-replicas-to-write", 1)
    try:
        red(worker, LEASE + 1)
    finally:
        client.config_set("min-replicas-to-write", 0)
    green(worker)


def test_a_clock_of_redis_that_jumps_costs_a_publisher_nothing(
    redis_server: RedisServer, outsider: RedisBroker
):
    outsider.publish(event("warm"))
    for wrong in (-3600.0, 3600.0, -3600.0):
        outsider._dispatch._ahead += wrong  # as good as setting the clock of Redis, which a test may not
        outsider.publish(event("x"))


def test_stopping_is_quick_while_redis_is_away(redis_server: RedisServer, redis_worker: Hire):
    for away in (redis_server.pause, redis_server.kill):
        worker = redis_worker()
        away()
        begun = time.monotonic()
        worker.broker.stop()
        assert time.monotonic() - begun < 4.0
        redis_server.make_fresh()


def test_an_outage_is_logged_without_addresses_and_not_once_per_attempt(
    redis_server: RedisServer, redis_worker: Hire, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    worker = redis_worker()
    redis_server.stop()
    red(worker)
    gevent.sleep(1.5)
    lines = [record for record in caplog.records if record.name.startswith("mechamap.broker")]
    warnings = [record.getMessage() for record in lines if record.levelno >= logging.WARNING]
    assert warnings.count("broker_listener_down") == 1
    assert not any(str(redis_server.port) in str(vars(record)) for record in lines)
