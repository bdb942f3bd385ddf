"""A publication that its publisher named is accepted once, and every answer about it is the same."""

import time
from dataclasses import replace

import gevent
import pytest

from mechamap.broker import acceptance, dispatch
from mechamap.broker.remembered import Remembered
from mechamap.domain.errors import Conflict
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


def test_the_scripts_have_no_place_left_open():
    for script in (acceptance.PUBLISH, acceptance.PUBLISH_ONCE):
        for place in ("FIRST", "LOOKUP", "SEARCH", "REMEMBER"):
            assert place not in script._text
