"""What publishers sent in the last minute: in one process and through Redis, one contract."""

import pytest

from mechamap.broker.connection import command_client
from mechamap.broker.rates import BUCKET, BUCKETS, KEPT, MAX_ORIGINS, LocalRates, RedisRates
from mechamap.domain.errors import BrokerUnavailable
from tests.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock(1_000_000_000.0)


@pytest.fixture
def prefix(request) -> str:
    return f"mechamap:{{rates}}:{abs(hash(request.node.nodeid))}"


@pytest.fixture(params=["memory", "redis"])
def rates(request, clock, prefix) -> LocalRates:
    if request.param == "memory":
        return LocalRates(clock)
    url = request.getfixturevalue("redis_server").url
    return RedisRates(command_client(url), prefix, clock)


def test_events_are_counted_for_a_minute(rates, clock):
    rates.count("key:blog")
    rates.count("key:blog", 10)
    rates.count("app:7", 2)
    rates.tell()
    clock.now += BUCKET
    rates.count("key:blog", 100)
    rates.tell()
    assert rates.last_minute() == {"key:blog": 111, "app:7": 2}
    clock.now += BUCKET * (BUCKETS - 1)
    assert rates.last_minute() == {"key:blog": 100}
    clock.now += BUCKET
    assert rates.last_minute() == {}


def test_names_are_bounded(rates):
    for number in range(MAX_ORIGINS + 10):
        rates.count(f"key:{number}")
    rates.count("key:0")
    rates.tell()
    found = rates.last_minute()
    assert len(found) == MAX_ORIGINS
    assert found["key:0"] == 2


def test_workers_are_counted_together_and_redis_forgets(redis_server, clock, prefix):
    workers = [RedisRates(command_client(redis_server.url), prefix, clock) for _ in range(2)]
    for worker in workers:
        worker.count("key:blog", 5)
        worker.tell()
    assert workers[0].last_minute() == workers[1].last_minute() == {"key:blog": 10}
    client = command_client(redis_server.url)
    [key] = client.keys(f"{prefix}:*")
    assert 0 < client.ttl(key) <= KEPT


def test_nothing_is_told_when_nothing_was_counted(redis_server, clock, prefix):
    RedisRates(command_client(redis_server.url), prefix, clock).tell()
    assert command_client(redis_server.url).keys(f"{prefix}:*") == []


def test_without_redis_counting_goes_on_and_reading_says_so(redis_server, clock, prefix):
    rates = RedisRates(command_client(redis_server.url, timeout=0.2), prefix, clock)
    redis_server.stop()
    rates.count("key:blog")
    rates.tell()
    with pytest.raises(BrokerUnavailable):
        rates.last_minute()
