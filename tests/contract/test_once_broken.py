"""A publication under a name while Redis breaks off or cannot tell: nothing is lost, doubled or guessed."""

import gevent
import pytest

from mechamap.broker import dispatch
from mechamap.broker.redis import RedisBroker
from mechamap.domain.errors import BrokerUnavailable, Conflict
from tests.contract.conftest import Hire, Worker
from tests.contract.recorder import event
from tests.services.redis import RedisServer

from .test_once import NEWS, names


class Cut:
    """Redis's end of a connection breaks: after the command was carried out, or before."""

    def __init__(self, worker: Worker, *, carried_out: bool, times: int = 1) -> None:
        self.times = times
        run = worker.broker._dispatch._run

        def cut(*arguments):
            if not self.times:
                return run(*arguments)
            self.times -= 1
            if carried_out:
                run(*arguments)
            raise dispatch.redis.ConnectionError("Connection closed by server.")

        worker.broker._dispatch._run = cut


@pytest.mark.parametrize("called", [None, "k"])
@pytest.mark.parametrize("carried_out", [True, False])
def test_a_connection_that_breaks_before_the_answer_loses_and_doubles_nothing(
    redis_worker: Hire, called: str | None, carried_out: bool
):
    worker = redis_worker()
    worker.broker.subscribe(NEWS)
    before = worker.broker.publish(event("before"))
    Cut(worker, carried_out=carried_out)
    receipt = worker.broker.publish(event("x", called=called))
    assert (receipt.offset, receipt.epoch) == (before.offset + 1, before.epoch)
    assert (receipt.duplicate, receipt.total) == (False, 1)
    worker.broker.publish(event("end"))
    worker.heard("before", "x", "end")
    assert names(worker) == ["before", "x", "end"]


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_series_whose_connection_breaks_is_published_once(redis_worker: Hire, carried_out: bool):
    worker = redis_worker()
    worker.broker.subscribe(NEWS)
    before = worker.broker.publish(event("before"))
    Cut(worker, carried_out=carried_out)
    sent = [event(f"e{n}", called=f"e{n}" if n % 3 == 0 else None) for n in range(30)]
    published = worker.broker.publish_many(sent)
    assert published.failure is None
    assert [receipt.offset for receipt in published.receipts] == [before.offset + 1 + n for n in range(30)]
    assert [receipt.id for receipt in published.receipts] == [each.id for each in sent]
    assert not any(receipt.duplicate for receipt in published.receipts)
    worker.heard("before", *(each.event for each in sent))


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_shared_round_trip_whose_connection_breaks_is_made_up_for_each(
    redis_worker: Hire, carried_out: bool
):
    worker = redis_worker()
    worker.broker.subscribe(NEWS)
    worker.broker.publish(event("taken", called="taken"))
    run = worker.broker._dispatch._run
    shared = []

    def cut(messages, deadline, channels, series, search):
        if search is not None:
            return run(messages, deadline, channels, series, search)
        shared.append(len(messages))
        if carried_out:
            run(messages, deadline, channels, series, search)
        raise dispatch.redis.ConnectionError("Connection closed by server.")

    worker.broker._dispatch._run = cut
    sent = [event(f"e{n}", called=(None, f"k{n}", "taken")[n % 3]) for n in range(60)]
    jobs = [gevent.spawn(worker.broker.publish, each) for each in sent]
    gevent.joinall(jobs)
    assert max(shared) > 10
    accepted = [n for n, job in enumerate(jobs) if job.successful()]
    assert all(isinstance(jobs[n].exception, Conflict) for n in range(60) if n % 3 == 2)
    assert accepted == [n for n in range(60) if n % 3 < 2]
    assert [jobs[n].get().id for n in accepted] == [sent[n].id for n in accepted]
    assert not any(jobs[n].get().duplicate for n in accepted)
    assert sorted(names(worker)) == sorted(["taken", *(f"e{n}" for n in accepted)])


def test_what_cannot_be_told_is_said_and_the_name_tells_later(redis_worker: Hire):
    worker = redis_worker()
    worker.broker.publish(event("before"))
    Cut(worker, carried_out=True, times=2)
    with pytest.raises(BrokerUnavailable) as refused:
        worker.broker.publish(event("x", called="k"))
    assert refused.value.unknown
    assert refused.value.details() == {"retry": True, "retryAfter": 2, "outcome": "unknown"}
    again = worker.broker.publish(event("x", called="k"))
    assert again.duplicate
    assert names(worker) == ["before", "x"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda client, log: client.ltrim(log, 0, 0),
        lambda client, log: client.delete(log),
        # as when Redis is short of memory: the number is kept, the body is not
        lambda client, log: client.delete(log) and client.rpush(log, "2:1:"),
    ],
    ids=["without its newest", "gone", "without bodies"],
)
def test_a_log_that_cannot_tell_is_not_taken_for_a_no(redis_worker: Hire, redis_server: RedisServer, spoil):
    worker = redis_worker()
    worker.broker.publish(event("before"))
    client = redis_server.client()
    run = worker.broker._dispatch._run
    calls = []

    def cut(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            return run(*arguments)
        run(*arguments)
        [log] = client.keys("*:log:*:public:news")
        spoil(client, log)
        raise dispatch.redis.ConnectionError("Connection closed by server.")

    worker.broker._dispatch._run = cut
    with pytest.raises(BrokerUnavailable) as refused:
        worker.broker.publish(event("x"))
    assert refused.value.unknown
    assert len(calls) == 2


def test_a_refusal_by_redis_is_no_unknown(redis_worker: Hire, redis_server: RedisServer):
    worker = redis_worker()
    client = redis_server.client()
    client.config_set("min-replicas-to-write", 1)
    try:
        with pytest.raises(BrokerUnavailable) as refused:
            worker.broker.publish(event("x", called="k"))
        assert not refused.value.unknown
    finally:
        client.config_set("min-replicas-to-write", 0)
    assert not worker.broker.publish(event("x", called="k")).duplicate


def test_a_redis_that_is_away_is_no_unknown_and_one_that_hangs_is(
    redis_server: RedisServer, outsider: RedisBroker
):
    outsider.publish(event("before"))
    redis_server.pause()
    with pytest.raises(BrokerUnavailable) as refused:
        outsider.publish(event("x", called="k"))
    assert refused.value.unknown
    redis_server.resume()
    redis_server.stop()
    with pytest.raises(BrokerUnavailable) as refused:
        outsider.publish(event("x", called="k"))
    assert not refused.value.unknown
