"""The broker behind Sentinels and in a cluster: real ones, with a real failover."""

import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import gevent
import pytest
import redis

from mechamap.broker.connection import command_pool
from mechamap.broker.redis import RedisBroker
from mechamap.broker.topology import SLOT, following
from mechamap.domain.errors import BrokerUnavailable, RateLimited
from mechamap.domain.history import Gap, Position
from mechamap.domain.publication import Receipt
from mechamap.domain.redis_url import parse_redis_url
from mechamap.edge.limits import FAILED_KEYS, RateLimits
from mechamap.presence.redis import RedisRoster
from tests.contract.conftest import Worker, describe
from tests.contract.recorder import Recorder, event
from tests.services.processes import free_port, wait_until
from tests.services.redis import RedisServer
from tests.services.redis_topologies import RedisCluster, Replicated

NEWS = "public:news"


@pytest.fixture(scope="module")
def replicated() -> Iterator[Replicated]:
    servers = Replicated()
    try:
        servers.start()
        yield servers
    finally:
        servers.remove()


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    servers = RedisCluster(SLOT)
    try:
        servers.start()
        yield servers
    finally:
        servers.remove()


@pytest.fixture
def hired() -> Iterator[Callable[[str], Worker]]:
    """Start a worker at that URL, subscribed to the news."""
    brokers = []

    def hire(url: str) -> Worker:
        broker = RedisBroker(url, f"w{len(brokers)}", lease=2.0)
        brokers.append(broker)
        worker = Worker(broker, Recorder())
        broker.start(worker.got)
        wait_until(lambda: broker.state().ok, "the broker to connect", 5)
        broker.subscribe(NEWS)
        return worker

    yield hire
    for broker in brokers:
        broker.stop()


class Publishing:
    """Publishes to the news until it is told to stop; keeps the receipts of what was accepted."""

    def __init__(self, worker: Worker) -> None:
        self._broker = worker.broker
        self._on = True
        self.accepted: list[tuple[str, Receipt]] = []
        self.refused = 0
        self._greenlet = gevent.spawn(self._run)

    def _run(self) -> None:
        number = 0
        while self._on:
            number += 1
            try:
                self.accepted.append((f"e{number}", self._broker.publish(event(f"e{number}"))))
            except BrokerUnavailable:
                self.refused += 1
            gevent.sleep(0.005)

    def stop(self) -> None:
        self._on = False
        self._greenlet.get(timeout=5)


def works_everywhere(url: str) -> None:
    """Roster and limits at that URL too."""
    roster = RedisRoster(url, "a", lease=2.0)
    roster.start(lambda: describe("a"))
    try:
        wait_until(roster.workers, "the worker to be listed", 3)
    finally:
        roster.stop()
    failures = []
    pools = [command_pool(url) for _ in range(2)]
    one, two = (RateLimits(on=True, redis=pool, seen_failure=lambda: failures.append(1)) for pool in pools)
    address = str(time.monotonic())
    with pytest.raises(RateLimited):
        for _ in range(FAILED_KEYS.amount):
            one.note_failed_key(address)
            two.note_failed_key(address)
    assert failures == []


def in_order_and_once(worker: Worker, publishing: Publishing) -> set[str]:
    """Accepted events that the worker did not get. What it got stands in one order, each once."""
    wait_until(lambda: publishing.accepted[-1][0] in worker.got.events, "the last accepted event", 5)
    got = worker.got.events
    assert len(set(got)) == len(got)
    numbers = [int(name.removeprefix("e")) for name in got]
    assert all(one < other for one, other in pairwise(numbers))
    return {name for name, _ in publishing.accepted} - set(got)


def test_sentinels_name_the_primary(replicated: Replicated, hired):
    worker = hired(replicated.url)
    receipt = worker.broker.publish(event("x"))
    assert receipt.total == 1
    worker.heard("x")
    history = worker.broker.history(NEWS, Position(receipt.epoch, receipt.offset - 1), 9)
    assert [each.event for each in history.events] == ["x"]
    works_everywhere(replicated.url)


def test_no_sentinel_that_knows_is_an_outage_not_a_crash(replicated: Replicated):
    for url in (
        f"redis+sentinel://127.0.0.1:{free_port()}/{'x'}",
        f"redis+sentinel://127.0.0.1:{replicated.sentinel.port}/unknown",
        f"redis+cluster://127.0.0.1:{free_port()}",
    ):
        broker = RedisBroker(url, "w")
        with pytest.raises(BrokerUnavailable):
            broker.publish(event("x"))
        assert not broker.state().ok
        broker.stop()


def test_a_failover_by_sentinel_is_followed_and_said(replicated: Replicated, hired):
    workers = [hired(replicated.url) for _ in range(2)]
    publishing = Publishing(workers[0])
    gevent.sleep(0.3)
    before = publishing.accepted[-1][1]
    replicated.fail_over()
    for worker in workers:
        wait_until(lambda worker=worker: worker.broker.stats()["reconnects"] >= 1, "the listener to move", 10)
        wait_until(lambda worker=worker: worker.broker.state().ok, "the broker to be well again", 10)
    resumed = len(publishing.accepted)
    wait_until(lambda: len(publishing.accepted) > resumed + 20, "publishing to go on", 10)
    publishing.stop()
    # Replication is asynchronous: nobody can know that nothing was lost, so everybody is told.
    assert publishing.accepted[-1][1].epoch != before.epoch
    for worker in workers:
        in_order_and_once(worker, publishing)
        assert worker.got.gaps == [([NEWS], Gap.EPOCH)]
    history = workers[0].broker.history(NEWS, Position(before.epoch, before.offset), 9)
    assert history.gap is Gap.EPOCH
    works_everywhere(replicated.url)


def test_a_cluster_serves_although_only_other_nodes_are_named(cluster: RedisCluster, hired):
    a, b = hired(cluster.url), hired(cluster.url)
    receipt = a.broker.publish(event("x", "public.news", "forum.3"))
    assert receipt.subscribers == {NEWS: 2, "forum:3": 0}
    for worker in (a, b):
        worker.heard("x")
    history = b.broker.history("forum:3", Position(receipt.epoch, receipt.offset - 1), 9)
    assert [each.event for each in history.events] == ["x"]
    works_everywhere(cluster.url)


def test_the_slots_owner_may_restart_with_its_data(cluster: RedisCluster, hired):
    worker = hired(cluster.url)
    publishing = Publishing(worker)
    gevent.sleep(0.2)
    owner = cluster.owner
    owner.stop()
    owner.start()
    resumed = len(publishing.accepted)
    wait_until(lambda: len(publishing.accepted) > resumed + 20, "publishing to go on", 15)
    wait_until(lambda: worker.broker.state().ok, "the broker to be well again", 10)
    publishing.stop()
    assert publishing.refused
    lost = in_order_and_once(worker, publishing)
    assert not lost or worker.got.gaps


def test_a_failover_in_a_cluster_is_followed(cluster: RedisCluster, hired):
    worker = hired(cluster.url)
    publishing = Publishing(worker)
    gevent.sleep(0.2)
    old = cluster.owner
    cluster.fail_over()
    assert cluster.owner is not old
    resumed = len(publishing.accepted)
    wait_until(lambda: len(publishing.accepted) > resumed + 20, "publishing to go on", 10)
    wait_until(lambda: worker.broker.stats()["reconnects"] >= 1, "the listener to move", 10)
    wait_until(lambda: worker.broker.state().ok, "the broker to be well again", 10)
    publishing.stop()
    in_order_and_once(worker, publishing)
    assert worker.got.gaps == [([NEWS], Gap.EPOCH)]
    assert cluster.owner.client().pubsub_numsub(f"mechamap:{{rt}}:channel:{NEWS}")[0][1] == 1


class Known:
    """Stands for a ``Primary`` that knows one server; counts the doubts of it."""

    generation = doubts = 0

    def __init__(self, server: RedisServer) -> None:
        self.url = parse_redis_url(server.url)
        self.locate = lambda: ("127.0.0.1", server.port)

    def doubt(self) -> None:
        self.doubts += 1


def test_a_refusal_inside_a_transaction_is_a_doubt_too(redis_server: RedisServer):
    primary, operator = Known(redis_server), redis_server.client()
    client = redis.Redis.from_pool(redis.ConnectionPool(**following(primary)))

    def write() -> list:
        with client.pipeline(transaction=True) as together:
            together.eval("return 1", 0)
            together.eval("return redis.call('INCR', KEYS[1])", 1, "k")
            return together.execute(raise_on_error=False)

    assert (write(), primary.doubts) == ([1, 1], 0)
    operator.replicaof("127.0.0.1", free_port())
    try:
        answers = write()
    finally:
        operator.replicaof("NO", "ONE")
        client.close()
    assert (answers[0], type(answers[1]), primary.doubts) == (1, redis.exceptions.ReadOnlyError, 1)
