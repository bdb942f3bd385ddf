"""A publication that its publisher named is accepted once, and every answer about it is the same."""

import time
from dataclasses import replace

import gevent
import pytest

from mechamap.broker import acceptance, dispatch
from mechamap.broker.redis import RedisBroker
from mechamap.broker.remembered import Remembered
from mechamap.domain.errors import BrokerUnavailable, Conflict
from mechamap.domain.idempotency import Once
from mechamap.domain.publication import Receipt
from tests.contract.conftest import Hire, Worker
from tests.contract.recorder import event
from tests.services.processes import wait_until
from tests.services.redis import RedisServer

NEWS = "public:news"


def names(worker: Worker, channel: str = NEWS) -> list[str]:
    return [publication.event for publication in worker.broker.history(channel, None, 500).events]


def test_the_same_publication_is_accepted_once_and_answered_alike(worker: Worker):
    worker.broker.subscribe(NEWS)
    worker.broker.subscribe("forum:3")
    first = worker.broker.publish(event("x", "public.news", "forum.3", called="k"))
    worker.broker.unsubscribe("forum:3")
    worker.broker.publish(event("between"))
    again = worker.broker.publish(event("x", "public.news", "forum.3", called="k"))
    assert not first.duplicate
    assert again == replace(first, duplicate=True)
    assert again.subscribers == {NEWS: 1, "forum:3": 1}
    worker.broker.publish(event("end"))
    worker.heard("x", "between", "end")
    assert names(worker) == ["x", "between", "end"]


def test_without_a_name_the_same_content_is_another_publication(worker: Worker):
    first, second = (worker.broker.publish(event("x")) for _ in range(2))
    assert second.offset == first.offset + 1
    assert not second.duplicate


def test_names_of_another_publisher_are_others(worker: Worker):
    for origin in ("key:a", "key:b"):
        assert not worker.broker.publish(event("x", called="k", origin=origin)).duplicate
    assert names(worker) == ["x", "x"]


@pytest.mark.parametrize(
    "other",
    [
        event("y", data={"n": 1}, called="k"),
        event("x", data={"n": 2}, called="k"),
        event("x", "forum.3", data={"n": 1}, called="k"),
        event("x", "public.news", "forum.3", data={"n": 1}, called="k"),
    ],
    ids=["event", "data", "channel", "channels"],
)
def test_a_name_stands_for_one_content(worker: Worker, other):
    first = worker.broker.publish(event("x", data={"n": 1}, called="k"))
    with pytest.raises(Conflict) as refused:
        worker.broker.publish(other)
    assert refused.value.code == "idempotency_conflict"
    assert worker.broker.publish(event("x", data={"n": 1}, called="k")) == replace(first, duplicate=True)
    assert names(worker) == ["x"]


def test_a_name_is_free_again_after_its_window(bounded: Hire):
    worker = bounded(remember=0.3)
    worker.broker.subscribe(NEWS)
    first = worker.broker.publish(event("x", called="k"))
    assert worker.broker.publish(event("x", called="k")).duplicate
    gevent.sleep(0.35)
    later = worker.broker.publish(event("x", data="other", called="k"))
    assert not later.duplicate
    assert later.offset == first.offset + 1
    worker.heard("x", "x")


def test_a_window_counts_from_the_first_acceptance_and_covers_every_name(bounded: Hire):
    """However the names lie in what is kept together: 0.6 s hold two windows."""
    worker = bounded(remember=0.3)
    begun, at = time.monotonic(), {}
    while time.monotonic() - begun < 0.6:
        name = f"k{len(at)}"
        at[name] = time.monotonic()
        assert not worker.broker.publish(event("x", called=name)).duplicate
        gevent.sleep(0.02)
        for earlier, when in at.items():
            asked = time.monotonic()
            if asked - when < 0.25:
                assert worker.broker.publish(event("x", called=earlier)).duplicate, earlier


def test_a_series_has_new_and_repeated_ones_and_names_twice_in_it(worker: Worker):
    worker.broker.publish(event("b", called="b"))
    sent = [event("a", called="a"), event("b", called="b"), event("c"), event("a", called="a")]
    published = worker.broker.publish_many(sent)
    assert published.failure is None
    assert [receipt.duplicate for receipt in published.receipts] == [False, True, False, True]
    assert published.receipts[3].offset == published.receipts[0].offset
    assert names(worker) == ["b", "a", "c"]
    repeated = worker.broker.publish_many([each for each in sent if each.once])
    assert all(receipt.duplicate for receipt in repeated.receipts)


def test_a_series_ends_at_a_contradiction(worker: Worker):
    worker.broker.publish(event("b", called="b"))
    series = [event("a", called="a"), event("b", data=2, called="b"), event("c"), event("d", called="d")]
    published = worker.broker.publish_many(series)
    assert (len(published.receipts), type(published.failure)) == (1, Conflict)
    assert names(worker) == ["b", "a"]
    assert len(worker.broker.publish_many(series[2:]).receipts) == 2
    assert names(worker) == ["b", "a", "c", "d"]


def test_of_many_at_once_one_is_accepted(worker: Worker):
    worker.broker.subscribe(NEWS)
    jobs = [gevent.spawn(worker.broker.publish, event("x", called="k")) for _ in range(40)]
    receipts = [job.get() for job in jobs]
    assert sorted(receipt.duplicate for receipt in receipts) == [False] + [True] * 39
    assert len({(receipt.id, receipt.epoch, receipt.offset) for receipt in receipts}) == 1
    worker.broker.publish(event("end"))
    worker.heard("x", "end")


def test_a_contradiction_among_publishers_of_one_moment_concerns_nobody_else(worker: Worker):
    old = worker.broker.publish(event("old", called="k"))
    sent = [event(f"e{n}", called=(None, f"k{n}", "k")[n % 3]) for n in range(90)]
    jobs = [gevent.spawn(worker.broker.publish, each) for each in sent]
    gevent.joinall(jobs)
    for n, job in enumerate(jobs):
        if n % 3 == 2:
            assert isinstance(job.exception, Conflict), n
        else:
            assert (job.get().id, job.get().duplicate) == (sent[n].id, False)
    assert worker.broker.publish(event("old", called="k")) == replace(old, duplicate=True)
    assert sorted(names(worker)) == sorted(["old", *(f"e{n}" for n in range(90) if n % 3 < 2)])


def test_of_many_on_several_workers_at_once_one_is_accepted(redis_worker: Hire):
    workers = [redis_worker() for _ in range(3)]
    for worker in workers:
        worker.broker.subscribe(NEWS)
    for name in "abcde":
        jobs = [gevent.spawn(workers[n % 3].broker.publish, event(name, called=name)) for n in range(30)]
        receipts = [job.get() for job in jobs]
        assert sum(not receipt.duplicate for receipt in receipts) == 1
        assert len({(receipt.id, receipt.offset) for receipt in receipts}) == 1
    for worker in workers:
        worker.heard(*"abcde")


def test_ids_with_odd_characters_come_back(worker: Worker):
    odd = replace(event("x", called="k"), id='a:b,c"d é')
    worker.broker.publish(odd)
    assert worker.broker.publish(event("x", called="k")).id == odd.id


def test_a_process_remembers_so_many_names_and_forgets_the_oldest():
    kept = Remembered(seconds=10, most=3, clock=lambda: 0.0)
    onces = [event("x", called=f"k{n}").once for n in range(5)]
    for n, once in enumerate(onces):
        assert kept.find(once) is None
        kept.keep(once, Receipt(str(n), {}))
    assert [kept.find(once) is not None for once in onces] == [False, False, True, True, True]


def test_redis_remembers_so_many_names_and_forgets_the_oldest(
    redis_worker: Hire, redis_server: RedisServer, monkeypatch
):
    monkeypatch.setattr(dispatch, "MOST_REMEMBERED", 20)
    worker = redis_worker()
    for n in range(100):
        worker.broker.publish(event("x", called=f"k{n}"))
        assert worker.broker.publish(event("x", called=f"k{n}")).duplicate
    client = redis_server.client()
    sizes = [client.hlen(key) for key in client.keys("*:once:?")]
    assert len(sizes) == 2
    assert sum(sizes) <= 20 + 4
    assert worker.broker.publish(event("x", called="k90")).duplicate
    assert not worker.broker.publish(event("x", called="k9")).duplicate


def test_redis_drops_names_by_itself(redis_worker: Hire, redis_server: RedisServer):
    redis_worker(remember=0.2).broker.publish(event("x", called="k"))
    client = redis_server.client()
    assert client.keys("*:once:?")
    wait_until(lambda: not client.keys("*:once:?"), "the names to expire", 3)


def test_a_name_stands_although_an_epoch_ended(redis_worker: Hire, redis_server: RedisServer):
    worker = redis_worker()
    first = worker.broker.publish(event("x", called="k"))
    client = redis_server.client()
    client.delete(*client.keys("*:head"))
    later = worker.broker.publish(event("y"))
    assert later.epoch != first.epoch
    assert worker.broker.publish(event("x", called="k")) == replace(first, duplicate=True)
    assert worker.broker.publish(event("z")).offset == later.offset + 1  # of the new epoch, still


def test_redis_that_lost_everything_accepts_anew_and_says_so(redis_worker: Hire, redis_server: RedisServer):
    worker = redis_worker()
    worker.broker.subscribe(NEWS)
    first = worker.broker.publish(event("x", called="k"))
    redis_server.client().flushall()
    again = worker.broker.publish(event("x", called="k"))
    assert (again.duplicate, again.epoch == first.epoch) == (False, False)
    assert names(worker) == ["x"]
    worker.heard("x", "x")


def test_a_publication_without_a_name_costs_redis_what_it_did(redis_worker: Hire, redis_server: RedisServer):
    worker = redis_worker()
    for called in (None, "warm"):
        worker.broker.publish(event("warm", called=called))
    client = redis_server.client()

    def commands(publish) -> dict[str, int]:
        client.config_resetstat()
        publish()
        told = client.info("commandstats")
        return {name.removeprefix("cmdstat_"): row["calls"] for name, row in told.items()}

    plain = commands(lambda: worker.broker.publish(event("x")))
    assert plain["evalsha"] == 1
    assert not {"hlen", "get", "llen"} & plain.keys()
    named = commands(lambda: worker.broker.publish(event("x", called="k")))
    assert named["evalsha"] == 1


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


def test_the_scripts_have_no_place_left_open():
    for script in (acceptance.PUBLISH, acceptance.PUBLISH_ONCE):
        for place in ("FIRST", "LOOKUP", "SEARCH", "REMEMBER"):
            assert place not in script._text


def twin(name: str, *channels: str, id: str = "5", seconds: float = 30.0):
    """One of the two announcements of a row to user 7."""
    made = event(name, *(channels or ("private-user.7",)), data={"name": name})
    return replace(made, once=Once.of_name("notification", "7", id, seconds=seconds))


def test_the_first_of_two_twins_is_accepted_whatever_the_other_holds(worker: Worker):
    worker.broker.subscribe("user:7")
    first = worker.broker.publish(twin("notification"))
    again = worker.broker.publish(twin("notification.received", "private-user.7", "public.news"))
    assert again == replace(first, duplicate=True, subscribers={})
    assert not worker.broker.publish(twin("other", id="6")).duplicate
    worker.broker.publish(event("end", "private-user.7"))
    worker.heard("notification", "other", "end")


def test_a_twins_name_ends_before_other_names_do(worker: Worker):
    kept = worker.broker.publish(event("x", called="k"))
    worker.broker.publish(twin("first", seconds=0.1))
    again = twin("second", seconds=0.1)
    wait_until(lambda: not worker.broker.publish(again).duplicate, "the twin's name to end", 3)
    assert worker.broker.publish(event("x", called="k")) == replace(kept, duplicate=True)
    assert names(worker, "user:7") == ["first", "second"]


def test_twins_on_two_workers_at_once_are_one(redis_worker: Hire):
    workers = [redis_worker(), redis_worker()]
    sent = [
        gevent.spawn(worker.broker.publish, twin(name, id=str(row)))
        for row in range(20)
        for worker, name in zip(workers, ("notification", "notification.received"), strict=True)
    ]
    receipts = [each.get() for each in sent]
    assert all(a.duplicate != b.duplicate for a, b in zip(receipts[::2], receipts[1::2], strict=True))
