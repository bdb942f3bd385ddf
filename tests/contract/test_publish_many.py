"""A series of publications: in order, up to the first that is not accepted, and told truthfully."""

import time

import gevent

from mechamap.broker.envelope import MAX_PUBLICATION_BYTES
from mechamap.broker.memory import MemoryBroker
from mechamap.broker.redis import RedisBroker
from mechamap.domain.errors import BrokerUnavailable, PayloadTooLarge
from tests.contract.conftest import Hire, Worker, calls
from tests.contract.recorder import event
from tests.services.redis import RedisServer


def series(count: int, *channels: str) -> list:
    return [event(f"e{n}", *channels) for n in range(count)]


def test_a_series_arrives_in_its_order_and_each_has_its_receipt(worker: Worker):
    for channel in ("public:news", "public:news", "thread:7"):
        worker.broker.subscribe(channel)
    sent = series(99) + [event("last", "public.news", "presence-thread.7")]
    published = worker.broker.publish_many(sent)
    assert published.failure is None
    assert [receipt.id for receipt in published.receipts] == [each.id for each in sent]
    assert [receipt.total for receipt in published.receipts] == [2] * 99 + [3]
    worker.heard(*(f"e{n}" for n in range(99)), "last")
    assert worker.got.publications == sent


def test_an_empty_series_is_nothing(worker: Worker):
    published = worker.broker.publish_many([])
    assert (published.receipts, published.failure) == ((), None)


def test_a_series_ends_at_the_first_that_cannot_be_carried(worker: Worker):
    worker.broker.subscribe("public:news")
    huge = event("huge", data="x" * MAX_PUBLICATION_BYTES)
    published = worker.broker.publish_many([event("a"), event("b"), huge, event("c")])
    assert len(published.receipts) == 2
    assert isinstance(published.failure, PayloadTooLarge)
    worker.broker.publish(event("end"))
    worker.heard("a", "b", "end")


def test_a_series_repeated_after_a_lost_answer_is_delivered_once(worker: Worker):
    worker.broker.subscribe("public:news")
    sent = series(3)
    worker.broker.publish_many(sent)
    worker.broker.publish_many(sent)
    worker.broker.publish(event("end"))
    worker.heard("e0", "e1", "e2", "end")


def test_two_series_at_once_keep_each_its_order(worker: Worker):
    worker.broker.subscribe("public:news")
    both = [[event(f"{name}{n}") for n in range(50)] for name in "ab"]
    gevent.joinall([gevent.spawn(worker.broker.publish_many, sent) for sent in both], raise_error=True)
    worker.broker.publish(event("end"))
    gevent.sleep(0.1)
    for name in "ab":
        assert [each for each in worker.got.events if each[0] == name] == [f"{name}{n}" for n in range(50)]


def test_a_process_without_a_worker_is_told_so():
    published = MemoryBroker().publish_many(series(2))
    assert published.receipts == ()
    assert isinstance(published.failure, BrokerUnavailable)


def test_a_series_costs_redis_one_transaction(redis_server: RedisServer, outsider: RedisBroker):
    outsider.publish(event("warm"))  # the clock of Redis is known from now on
    outsider.publish_many(series(1))
    before = {name: calls(redis_server, name) for name in ("exec", "evalsha")}
    outsider.publish_many(series(50))
    assert {name: calls(redis_server, name) - before[name] for name in before} == {"exec": 1, "evalsha": 50}


def test_a_redis_that_forgot_the_script_takes_a_series_whole(
    redis_server: RedisServer, redis_worker: Hire, outsider: RedisBroker
):
    worker = redis_worker()
    worker.broker.subscribe("public:news")
    for _ in range(2):
        redis_server.client().script_flush()
        assert len(outsider.publish_many(series(3)).receipts) == 3
    worker.heard("e0", "e1", "e2", "e0", "e1", "e2")


def test_without_redis_nothing_of_a_series_is_accepted_and_the_failure_comes_in_time(
    redis_server: RedisServer, redis_worker: Hire, outsider: RedisBroker
):
    worker = redis_worker()
    worker.broker.subscribe("public:news")
    outsider.publish(event("warm"))
    redis_server.pause()
    begun = time.monotonic()
    published = outsider.publish_many(series(5))
    assert time.monotonic() - begun < 1.6
    assert published.receipts == ()
    assert isinstance(published.failure, BrokerUnavailable)
    gevent.sleep(0.3)  # the deadline of the series passes while Redis still sleeps
    redis_server.resume()
    gevent.sleep(0.5)
    assert "e0" not in worker.got.events
    redis_server.kill()
    published = outsider.publish_many(series(5))
    assert (published.receipts, type(published.failure)) == ((), BrokerUnavailable)


def test_a_clock_of_redis_that_was_misjudged_costs_a_series_nothing(redis_worker: Hire):
    worker = redis_worker()
    worker.broker.subscribe("public:news")
    for ahead in (-3600.0, 0.0, None):
        worker.broker._dispatch._ahead = ahead
        published = worker.broker.publish_many([event("x")])
        assert (len(published.receipts), published.failure) == (1, None)
    worker.heard("x", "x", "x")
