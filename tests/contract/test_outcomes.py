"""Each publication is told what became of itself, also by a Redis that refuses some of those it got."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gevent
import pytest
import redis
from gevent.event import Event

from mechamap.broker import acceptance, connection
from mechamap.broker.redis import RedisBroker
from mechamap.broker.topology import PREFIX
from mechamap.domain.commands import Action, Command
from mechamap.domain.errors import BrokerUnavailable
from mechamap.domain.publication import Publication
from tests.contract.conftest import Hire
from tests.contract.recorder import event
from tests.services.processes import free_port, wait_until
from tests.services.redis import RedisServer

NEWS = "public:news"


@pytest.fixture
def barred(redis_server: RedisServer) -> Iterator[RedisBroker]:
    """A broker whose user may not publish to ``forum:3``: that script ends by an error after it wrote."""
    client = redis_server.client()
    channels = [f"&{PREFIX}:channel:public:*", f"&{PREFIX}:commands"]
    client.execute_command(
        "ACL", "SETUSER", "barred", "on", ">secret", "+@all", "~*", "resetchannels", *channels
    )
    broker = RedisBroker(f"redis://barred:secret@127.0.0.1:{redis_server.port}/0", "barred")
    yield broker
    broker.stop()
    client.acl_deluser("barred")


@contextmanager
def without_memory(server: RedisServer) -> Iterator[None]:
    client = server.client()
    client.config_set("maxmemory", 1)
    try:
        yield
    finally:
        client.config_set("maxmemory", 0)


@contextmanager
def demoted(server: RedisServer) -> Iterator[None]:
    client = server.client()
    client.replicaof("127.0.0.1", free_port())
    try:
        yield
    finally:
        client.replicaof("NO", "ONE")


@contextmanager
def busy(server: RedisServer) -> Iterator[None]:
    client, other = server.client(), server.client()
    client.config_set("busy-reply-threshold", 10)
    job = gevent.spawn(other.eval, "while true do end", 0)

    def refuses() -> bool:
        try:
            client.ping()
        except redis.ResponseError:
            return True
        return False

    wait_until(refuses, "Redis to be busy", 3)
    try:
        yield
    finally:
        client.script_kill()
        job.join()
        client.config_set("busy-reply-threshold", 5000)


def names(broker: RedisBroker) -> list[str]:
    return [publication.event for publication in broker.history(NEWS, None, 500).events]


def at_once(broker: RedisBroker, sent: list[Publication]) -> list[gevent.Greenlet]:
    """Publish them in the same moment: the first two alone, the others in one round trip."""
    gate, send = Event(), broker._dispatch.send_each

    def when_all_are_there(*arguments) -> None:
        gate.wait()
        send(*arguments)

    broker._dispatch.send_each = when_all_are_there
    jobs = [gevent.spawn(broker.publish, each) for each in sent]
    gevent.sleep(0)
    gate.set()
    gevent.joinall(jobs, timeout=5)
    broker._dispatch.send_each = send
    return jobs


@pytest.mark.parametrize("called", [False, True], ids=["unnamed", "named"])
def test_an_error_of_one_concerns_nobody_else_of_that_moment(barred: RedisBroker, called: bool):
    barred.publish(event("warm"))
    failing = {n for n in range(30) if n < 2 or n % 3 == 1}
    sent = [
        event(
            f"e{n}",
            "forum.3" if n in failing else "public.news",
            called=f"k{n}" if called and n % 2 else None,
        )
        for n in range(30)
    ]
    for n, job in enumerate(at_once(barred, sent)):
        if n in failing:  # it stands in the log of the forum, and was heard by nobody
            assert job.exception.unknown, n
        else:
            assert job.get().id == sent[n].id
    assert names(barred) == ["warm", *(f"e{n}" for n in range(30) if n not in failing)]


def test_a_refusal_of_some_is_no_word_about_those_accepted_before(
    redis_server: RedisServer, outsider: RedisBroker
):
    kept = [event(f"k{n}", called=f"k{n}") for n in range(30)]
    outsider.publish_many(kept)
    sent = [kept[n] if n % 3 == 0 else event(f"e{n}", called=(None, f"e{n}")[n % 2]) for n in range(30)]
    with demoted(redis_server):
        jobs = at_once(outsider, sent)
    for n, job in enumerate(jobs):
        if n % 3 == 0:
            assert (job.get().id, job.get().duplicate) == (sent[n].id, True)
        else:
            assert not job.exception.unknown
    assert names(outsider) == [f"k{n}" for n in range(30)]
    assert all(not job.get().duplicate for job in at_once(outsider, [sent[n] for n in range(30) if n % 3]))


@pytest.mark.parametrize("trouble", [without_memory, demoted, busy])
def test_what_redis_refuses_is_surely_not_accepted(redis_server: RedisServer, outsider: RedisBroker, trouble):
    for n in range(2):
        outsider.publish(event("before", called=(None, "k")[n]))
    with trouble(redis_server):
        for sent in (event("x"), event("x", called="x")):
            with pytest.raises(BrokerUnavailable) as refused:
                outsider.publish(sent)
            assert not refused.value.unknown
            assert "redis" in refused.value.message.lower()
        for called in (None, "y"):
            published = outsider.publish_many([event("x"), event("y", called=called), event("z")])
            assert (published.receipts, published.failure.unknown) == ((), False)
        with pytest.raises(BrokerUnavailable):
            outsider.command(Command(Action.KICK, user_id=7))
    assert names(outsider) == ["before", "before"]


@pytest.mark.parametrize("called", [None, "k"])
def test_a_series_whose_rest_went_on_after_an_error_says_so(barred: RedisBroker, called: str | None):
    series = [event("a", called=called), event("b", "forum.3"), event("c"), event("d")]
    published = barred.publish_many(series)
    assert [receipt.id for receipt in published.receipts] == [series[0].id]
    assert published.failure.unknown
    assert names(barred) == ["a", "c", "d"]


def test_an_error_that_came_late_is_not_taken_for_a_no(barred: RedisBroker):
    with pytest.raises(BrokerUnavailable) as refused:
        barred.publish(event("x", "public.news", "forum.3"))
    assert refused.value.unknown
    assert refused.value.details()["outcome"] == "unknown"
    assert names(barred) == ["x"]


def test_redis_that_forgot_one_of_two_scripts_takes_each_once(
    redis_server: RedisServer, outsider: RedisBroker
):
    outsider.publish(event("warm"))
    client = redis_server.client()
    client.script_flush()
    client.script_load(acceptance.PUBLISH._text)
    sent = [event(f"e{n}", called=f"k{n}" if n > 1 and n % 2 else None) for n in range(20)]
    jobs = at_once(outsider, sent)
    assert [job.get().id for job in jobs] == [each.id for each in sent]
    assert sorted(names(outsider)) == sorted(["warm", *(each.event for each in sent)])


@pytest.mark.parametrize("first", [0, 1], ids=["unnamed", "named"])
def test_publishers_who_share_a_round_trip_keep_their_order_whatever_script_they_need(
    redis_server: RedisServer, outsider: RedisBroker, first: int
):
    outsider.publish(event("warm"))
    redis_server.client().script_flush()
    sent = [event(f"e{n}", called=f"k{n}" if n % 2 else None) for n in range(20)]
    offsets = [job.get().offset for job in at_once(outsider, [sent[first], sent[first + 2], *sent[4:]])]
    assert offsets[2:] == sorted(offsets[2:])


@pytest.mark.parametrize(
    "error", [redis.InvalidResponse("rubbish"), redis.ResponseError("ERR upstream failed")]
)
def test_an_answer_that_nobody_understands_is_no_no(outsider: RedisBroker, monkeypatch, error):
    outsider.publish(event("warm"))

    def answer(*_):
        raise error

    monkeypatch.setattr(outsider._dispatch, "_run", answer)
    for job in at_once(outsider, [event(f"e{n}") for n in range(2)]):
        assert job.exception.unknown
    assert outsider.publish_many([event("x")]).failure.unknown


def test_who_was_accepted_before_redis_went_away_is_told_so(
    redis_server: RedisServer, outsider: RedisBroker, monkeypatch
):
    outsider.publish(event("warm"))
    client = redis_server.client()
    client.script_flush()
    client.script_load(acceptance.PUBLISH._text)
    transaction, sizes = connection._transaction, []

    def away(client, calls, *texts):
        sizes.append(len(calls))
        if len(sizes) > 1:
            raise redis.ConnectionError("refused") from ConnectionRefusedError()
        return transaction(client, calls, *texts)

    monkeypatch.setattr(connection, "_transaction", away)
    sent = [event(f"e{n}", called=f"k{n}" if n > 1 and n % 2 else None) for n in range(10)]
    jobs = at_once(outsider, sent)
    assert sizes == [8, 4]
    for n, job in enumerate(jobs):
        if sent[n].once:
            assert not job.exception.unknown
        else:
            assert job.get().id == sent[n].id
    assert sorted(names(outsider)) == sorted(["warm", *(each.event for each in sent if not each.once)])


def late_in_the_middle(broker: RedisBroker) -> list[list[str]]:
    """As if the clock of Redis were set back within a round trip: the second of it is late, the others are
    not. The ids of each round trip."""
    run, trips = broker._dispatch._run, []

    def late(messages, *arguments):
        trips.append([message.id for message in messages])
        if len(messages) < 3:
            return run(messages, *arguments)
        answers = list(run([messages[0], *messages[2:]], *arguments))
        return [answers[0], [answers[0][0], acceptance.Status.LATE], *answers[1:]]

    broker._dispatch._run = late
    return trips


def test_one_that_was_late_is_sent_again_without_the_others(outsider: RedisBroker):
    outsider.publish(event("warm"))
    trips = late_in_the_middle(outsider)
    sent = [event(f"e{n}") for n in range(8)]
    jobs = at_once(outsider, sent)
    assert [job.get().id for job in jobs] == [each.id for each in sent]
    assert trips[2:] == [[each.id for each in sent[2:]], [sent[3].id]]
    assert sorted(names(outsider)) == sorted(["warm", *(each.event for each in sent)])


def test_a_series_of_which_one_was_late_and_the_next_was_not_is_not_put_in_another_order(
    outsider: RedisBroker,
):
    outsider.publish(event("warm"))
    late_in_the_middle(outsider)
    published = outsider.publish_many([event(f"e{n}") for n in range(4)])
    assert len(published.receipts) == 1
    assert published.failure.unknown
    assert names(outsider) == ["warm", "e0", "e2", "e3"]


class Interrupted:
    """The connection breaks after the message was carried out, or before, and then ``meanwhile`` happens."""

    def __init__(self, broker: RedisBroker, meanwhile: Callable[[], object], *, carried_out: bool) -> None:
        self.trips = 0
        run = broker._dispatch._run

        def cut(*arguments):
            self.trips += 1
            if self.trips > 1:
                return run(*arguments)
            if carried_out:
                run(*arguments)
            meanwhile()
            raise redis.ConnectionError("Connection closed by server.")

        broker._dispatch._run = cut


@pytest.mark.parametrize("called", [None, "k"])
@pytest.mark.parametrize("carried_out", [True, False], ids=["carried out", "not carried out"])
@pytest.mark.parametrize("begun", [True, False], ids=["begun by another", "begun by the second attempt"])
def test_what_an_epoch_that_ended_may_have_accepted_is_not_accepted_again(
    redis_server: RedisServer, redis_worker: Hire, outsider: RedisBroker, called, carried_out, begun
):
    worker = redis_worker()
    worker.broker.subscribe(NEWS)
    before = outsider.publish(event("before"))

    def another_epoch() -> None:
        redis_server.client().flushall()
        if begun:
            assert worker.broker.publish(event("other")).epoch != before.epoch

    interrupted = Interrupted(outsider, another_epoch, carried_out=carried_out)
    for sent in ([event("x", called=called)], [event("x", called=called), event("y")]):
        interrupted.trips = 0
        published = outsider.publish_many(sent)
        assert (published.receipts, published.failure.unknown, interrupted.trips) == ((), True, 2)
        assert not {"x", "y"} & set(names(outsider))
        outsider.publish(event("before"))  # of the new epoch
    assert worker.got.events.count("x") == (2 if carried_out else 0)


def test_a_transaction_of_which_only_the_beginning_met_a_redis_that_loads_is_accepted_once(
    outsider: RedisBroker,
):
    outsider.publish(event("before"))
    run = outsider._dispatch._run

    def loading(*arguments):
        outsider._dispatch._run = run
        run(*arguments)  # without MULTI, which was refused
        raise redis.BusyLoadingError("Redis is loading the dataset in memory")

    outsider._dispatch._run = loading
    published = outsider.publish_many([event(f"e{n}") for n in range(3)])
    assert (len(published.receipts), published.failure) == (3, None)
    assert names(outsider) == ["before", "e0", "e1", "e2"]


def test_a_name_tells_although_an_epoch_ended_before_the_second_attempt(
    redis_server: RedisServer, outsider: RedisBroker
):
    before = outsider.publish(event("before"))
    client = redis_server.client()
    Interrupted(outsider, lambda: client.delete(f"{PREFIX}:head"), carried_out=True)
    receipt = outsider.publish(event("x", called="k"))
    assert (receipt.epoch, receipt.offset, receipt.duplicate) == (before.epoch, before.offset + 1, False)


@pytest.mark.parametrize("called", [None, "k"])
def test_a_replica_that_was_promoted_does_not_know_what_the_primary_accepted(
    redis_server: RedisServer, outsider: RedisBroker, called: str | None
):
    outsider.publish(event("before"))

    def failover() -> None:
        with demoted(redis_server):
            pass

    Interrupted(outsider, failover, carried_out=False)
    with pytest.raises(BrokerUnavailable) as refused:
        outsider.publish(event("x", called=called))
    assert refused.value.unknown


@pytest.mark.parametrize("called", [None, "k"])
@pytest.mark.parametrize("trouble", [without_memory, demoted])
def test_a_refusal_of_the_second_attempt_says_nothing_of_the_first(
    redis_server: RedisServer, outsider: RedisBroker, trouble, called: str | None
):
    outsider.publish(event("before"))
    context = trouble(redis_server)
    Interrupted(outsider, context.__enter__, carried_out=False)
    try:
        with pytest.raises(BrokerUnavailable) as refused:
            outsider.publish(event("x", called=called))
    finally:
        context.__exit__(None, None, None)
    assert refused.value.unknown
