"""When history in Redis can no longer be trusted there is a new epoch, and what is kept stays bounded."""

import shutil
import time
from collections.abc import Callable

import gevent
import pytest

from mechamap.broker.redis import RedisBroker
from mechamap.broker.sequence import Logs, Witness
from mechamap.domain.history import Bounds, Gap, Position
from tests.contract.conftest import Hire, Worker
from tests.contract.recorder import event
from tests.services.processes import wait_until
from tests.services.redis import RedisServer

NEWS = "public:news"
PREFIX = "mechamap:{rt}"


def place(broker: RedisBroker, name: str = "x", *channels: str) -> Position:
    receipt = broker.publish(event(name, *channels))
    return Position(receipt.epoch, receipt.offset)


def green(worker: Worker) -> None:
    wait_until(lambda: worker.broker.state().ok, "the broker to be well again", 4)


@pytest.fixture
def logs(redis_server: RedisServer) -> Logs:
    return Logs(redis_server.client(decode_responses=False), PREFIX)


def test_workers_and_command_line_share_one_sequence(redis_worker: Hire, outsider: RedisBroker):
    a, b = redis_worker(), redis_worker()
    places = [place(broker) for broker in (a.broker, outsider, b.broker, outsider)]
    assert [each.offset for each in places] == [1, 2, 3, 4]
    assert len({each.epoch for each in places}) == 1
    assert [each.offset for each in outsider.history(NEWS, None, 9).events] == [1, 2, 3, 4]


def test_a_restart_with_its_data_keeps_epoch_and_history(
    redis_server: RedisServer, redis_worker: Hire, outsider: RedisBroker
):
    worker = redis_worker()
    worker.broker.subscribe(NEWS)
    before = place(outsider, "before")
    place(outsider, "missed")
    redis_server.kill()
    redis_server.start()
    green(worker)
    after = place(outsider, "after")
    assert after == Position(before.epoch, before.offset + 2)
    history = outsider.history(NEWS, before, 9)
    assert ([each.event for each in history.events], history.gap) == (["missed", "after"], None)
    worker.heard("before", "missed", "after")
    assert worker.got.gaps == []


def test_flushall_begins_a_new_epoch_while_delivery_goes_on(
    redis_server: RedisServer, redis_worker: Hire, outsider: RedisBroker
):
    worker = redis_worker()
    worker.broker.subscribe(NEWS)
    before = place(outsider, "before")
    redis_server.client().flushall()
    after = place(outsider, "after")
    assert after.epoch != before.epoch
    assert after.offset == 1
    worker.heard("before", "after")
    assert outsider.history(NEWS, before, 9).gap is Gap.EPOCH
    assert outsider.history(NEWS, Position(after.epoch, 0), 9).complete


@pytest.fixture
def set_back(redis_server: RedisServer) -> Callable[[], None]:
    """Note the data as they are now; called, Redis is killed and comes back with them."""
    data, copy = redis_server.directory / "appendonlydir", redis_server.directory / "copy"
    shutil.rmtree(copy, ignore_errors=True)

    def back() -> None:
        redis_server.kill()
        shutil.rmtree(data)
        copy.rename(data)
        redis_server.start()

    back.note = lambda: shutil.copytree(data, copy)
    return back


def test_older_data_begin_a_new_epoch_as_soon_as_a_worker_returns(
    redis_worker: Hire, outsider: RedisBroker, set_back: Callable[[], None]
):
    worker = redis_worker()
    worker.broker.subscribe(NEWS)
    place(outsider, "kept")
    set_back.note()
    lost = place(outsider, "lost")
    worker.heard("kept", "lost")
    set_back()
    green(worker)
    assert worker.got.gaps == [([NEWS], Gap.EPOCH)]
    after = place(outsider, "after")
    assert after.epoch != lost.epoch
    worker.heard("kept", "lost", "after")


def test_older_data_begin_a_new_epoch_when_a_publisher_knows_better(
    outsider: RedisBroker, set_back: Callable[[], None]
):
    first = place(outsider)
    set_back.note()
    lost = place(outsider)
    set_back()
    after = place(outsider)
    assert lost.epoch == first.epoch != after.epoch
    assert after.offset == 1


def test_a_worker_that_only_published_also_notices_older_data(
    redis_worker: Hire, outsider: RedisBroker, set_back: Callable[[], None]
):
    worker = redis_worker()
    place(outsider)
    set_back.note()
    lost = place(worker.broker)
    set_back()
    green(worker)
    assert place(outsider).epoch != lost.epoch


def test_a_log_that_holds_another_event_under_the_number_is_a_fork(logs: Logs, outsider: RedisBroker):
    place(outsider)
    sent = event("mine")
    receipt = outsider.publish(sent)
    heard = Position(receipt.epoch, receipt.offset)
    place(outsider, "later")
    same = logs.sync(heard, Witness(heard.offset, NEWS, sent.id), 0)
    assert same.position == Position(heard.epoch, heard.offset + 1)
    assert same.news == {NEWS}
    forked = logs.sync(heard, Witness(heard.offset, NEWS, "another id"), 0)
    assert forked.position.epoch != heard.epoch


def test_a_log_that_lacks_the_number_between_others_is_a_fork(logs: Logs, outsider: RedisBroker):
    place(outsider)
    elsewhere = place(outsider, "x", "forum.3")
    forked = logs.sync(elsewhere, Witness(elsewhere.offset, NEWS, "lost"), 0)
    assert forked.position.epoch != elsewhere.epoch


def test_a_log_that_expired_is_no_fork(logs: Logs, redis_server: RedisServer, outsider: RedisBroker):
    heard = place(outsider)
    redis_server.client().delete(f"{PREFIX}:log:{heard.epoch}:{NEWS}")
    assert logs.sync(heard, Witness(heard.offset, NEWS, "expired"), 0).position == heard


def test_a_torn_head_begins_a_new_epoch(redis_server: RedisServer, outsider: RedisBroker):
    before = place(outsider)
    redis_server.client().hdel(f"{PREFIX}:head", "seq")
    assert place(outsider).epoch != before.epoch


def test_a_busy_channel_loses_its_old_events_too(redis_server: RedisServer):
    """Its log never expires as a whole, as it never rests; still its first events go, and its last stay."""
    broker = RedisBroker(
        redis_server.url, "cli", bounds=Bounds(seconds=1, user_seconds=1, events=1000, channel_bytes=1 << 24)
    )
    data, sent = "x" * 5_000, 0

    def lost_its_first() -> bool:
        nonlocal sent
        for _ in range(10):
            broker.publish(event(f"e{sent}", data=data))
            sent += 1
            gevent.sleep(0.01)
        kept = broker.history(NEWS, None, 1000).events
        assert kept[-1].event == f"e{sent - 1}"
        return kept[0].event != "e0"

    wait_until(lost_its_first, "the first event to be gone", 10)
    broker.stop()


def test_a_redis_short_of_memory_delivers_and_keeps_only_numbers(
    redis_server: RedisServer, redis_worker: Hire, outsider: RedisBroker
):
    worker = redis_worker()
    worker.broker.subscribe(NEWS)
    start = place(outsider, "before")
    client = redis_server.client()
    client.config_set("maxmemory", int(client.info("memory")["used_memory"] * 1.2))
    try:
        time.sleep(1.05)  # it looks once a second
        place(outsider, "a")
        worker.heard("before", "a")
        history = outsider.history(NEWS, start, 9)
        assert (history.events, history.gap) == ((), Gap.TRIMMED)
    finally:
        client.config_set("maxmemory", 0)
    time.sleep(1.05)
    middle = outsider.history(NEWS, start, 9).position
    place(outsider, "b")
    assert [each.event for each in outsider.history(NEWS, middle, 9).events] == ["b"]


def test_a_log_that_a_stranger_broke_stops_no_event(
    redis_server: RedisServer, redis_worker: Hire, outsider: RedisBroker
):
    worker = redis_worker()
    worker.broker.subscribe(NEWS)
    start = place(outsider, "before")
    log = f"{PREFIX}:log:{start.epoch}:{NEWS}"
    redis_server.client().set(log, "mine")
    place(outsider, "a")
    worker.heard("before", "a")
    for since in (start, None):
        history = outsider.history(NEWS, since, 9)
        assert (history.events, history.gap) == ((), Gap.TRIMMED)
    redis_server.client().client_kill_filter(_type="pubsub")
    wait_until(lambda: worker.broker.stats()["reconnects"] == 1, "the reconnection", 3)
    assert worker.broker.state().ok
    redis_server.client().delete(log)
    place(outsider, "b")
    for rubbish in ("rubbish", "9:rubbish", "9:8:rubbish", "9:8:", "9:8:{}", ""):
        redis_server.client().rpush(log, rubbish)
    for since in (start, None):
        history = outsider.history(NEWS, since, 99)
        assert ([each.event for each in history.events], history.gap) == (["b"], Gap.TRIMMED)
    worker.heard("before", "a", "b")


def test_publishing_is_one_round_trip(redis_server: RedisServer, outsider: RedisBroker):
    place(outsider)
    client = redis_server.client()
    client.config_resetstat()
    for _ in range(10):
        place(outsider, "x", "public.news", "forum.3")
    calls = {name: each["calls"] for name, each in client.info("commandstats").items()}
    assert calls["cmdstat_evalsha"] == 10
    # What scripts call is counted as well; nothing else came over a connection.
    assert not calls.keys() & {"cmdstat_eval", "cmdstat_script|load", "cmdstat_multi", "cmdstat_exec"}
