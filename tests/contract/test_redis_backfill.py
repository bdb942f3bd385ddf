"""What is published while a worker's link is down reaches it afterwards: in order, once, or with a word."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import gevent
import pytest

from mechamap.broker import backfill
from mechamap.broker.redis import RedisBroker
from mechamap.domain.commands import Action, Command
from mechamap.domain.history import Bounds, Gap
from tests.contract.conftest import Hire, Worker
from tests.contract.recorder import event
from tests.services.processes import wait_until
from tests.services.redis import RedisServer

NEWS = "public:news"
Deaf = Callable[..., AbstractContextManager[None]]


@pytest.fixture
def deaf(redis_server: RedisServer, redis_worker: Hire) -> Deaf:
    """Within it no worker can listen, though all may publish; after it all that were hired hear again."""
    client = redis_server.client()

    @contextmanager
    def within(*workers: Worker) -> Iterator[None]:
        client.execute_command("ACL", "SETUSER", "default", "-subscribe")
        client.client_kill_filter(_type="pubsub")
        try:
            for worker in workers:
                wait_until(lambda worker=worker: not worker.broker.state().ok, "the state to turn red", 1)
            yield
        finally:
            client.execute_command("ACL", "SETUSER", "default", "+subscribe")
        for worker in workers:
            wait_until(lambda worker=worker: worker.broker.state().ok, "the broker to be well again", 4)

    return within


@pytest.fixture
def worker(redis_worker: Hire) -> Worker:
    worker = redis_worker()
    worker.broker.subscribe(NEWS)
    worker.broker.subscribe("thread:7")
    return worker


def stats(worker: Worker) -> dict[str, int]:
    return {name: worker.broker.stats()[name] for name in ("backfilled", "gaps", "malformed")}


def test_missed_events_come_in_order_and_once_before_newer_ones(
    worker: Worker, deaf: Deaf, outsider: RedisBroker
):
    outsider.publish(event("before"))
    worker.heard("before")
    with deaf(worker):
        outsider.publish(event("a"))
        outsider.publish(event("b", "presence-thread.7"))
        outsider.publish(event("c", "public.news", "presence-thread.7"))
        outsider.publish(event("not ours", "forum.3"))
        outsider.publish(event("d"))
    outsider.publish(event("after"))
    worker.heard("before", "a", "b", "c", "d", "after")
    assert [each.offset for each in worker.got.publications] == [1, 2, 3, 4, 6, 7]
    assert stats(worker) == {"backfilled": 4, "gaps": 0, "malformed": 0}
    assert worker.got.gaps == []


def test_a_worker_that_never_heard_anything_misses_nothing_either(
    worker: Worker, deaf: Deaf, outsider: RedisBroker
):
    with deaf(worker):
        outsider.publish(event("first"))
    worker.heard("first")


def test_commands_are_missed_as_little_as_events(worker: Worker, deaf: Deaf, outsider: RedisBroker):
    order = []
    worker.got.then = lambda publication: order.append(publication.event)
    worker.got.on_command = lambda command: order.append(command.code)
    with deaf(worker):
        outsider.publish(event("first"))
        outsider.command(Command(Action.KICK, user_id=7, code="second"))
        outsider.publish(event("third"))
    assert order == ["first", "second", "third"]


def test_what_was_before_a_subscription_stays_before_it(
    redis_worker: Hire, deaf: Deaf, outsider: RedisBroker
):
    worker = redis_worker()
    outsider.publish(event("early"))
    worker.broker.subscribe(NEWS)
    with deaf(worker):
        outsider.publish(event("missed"))
    worker.heard("missed")


def test_a_channel_that_was_left_is_not_asked_for(worker: Worker, deaf: Deaf, outsider: RedisBroker):
    worker.broker.unsubscribe(NEWS)
    wait_until(lambda: worker.broker.channels() == {"thread:7": 1}, "the unsubscription", 2)
    with deaf(worker):
        outsider.publish(event("unwanted"))
        outsider.publish(event("wanted", "presence-thread.7"))
    worker.heard("wanted")


def test_a_subscriber_who_came_while_the_link_was_down_hears_from_then_on(
    worker: Worker, deaf: Deaf, outsider: RedisBroker
):
    with deaf(worker):
        waiting = gevent.spawn(worker.broker.subscribe, "forum:3")
        gevent.sleep(0.05)
        outsider.publish(event("too early", "forum.3"))
        outsider.publish(event("missed"))
    waiting.get(timeout=3)
    outsider.publish(event("after", "forum.3"))
    worker.heard("missed", "after")


def test_only_logs_with_news_for_this_worker_are_read(
    redis_server: RedisServer, worker: Worker, deaf: Deaf, outsider: RedisBroker
):
    for n in range(100):
        worker.broker.subscribe(f"forum:{n + 1}")
    client = redis_server.client()
    client.config_resetstat()
    with deaf(worker):
        for n in range(200):
            outsider.publish(event("x", f"presence-thread.{n + 100}"))
        outsider.publish(event("mine", "forum.50"))
    worker.heard("mine")
    # One for the log, and one for the proof that the sequence is still the same.
    assert client.info("commandstats")["cmdstat_lrange"]["calls"] <= 2


def test_links_cut_again_and_again_under_fire_cost_nothing(
    redis_server: RedisServer, redis_worker: Hire, outsider: RedisBroker
):
    workers = [redis_worker(), redis_worker()]
    for each in workers:
        each.broker.subscribe(NEWS)
        each.broker.subscribe("thread:7")
    channels = (("public.news",), ("presence-thread.7",), ("public.news", "presence-thread.7"))
    publishing = True

    def publish() -> list[str]:
        sent = []
        while publishing:
            sent.append(f"e{len(sent)}")
            outsider.publish(event(sent[-1], *channels[len(sent) % 3]))
            gevent.sleep(0.001)
        return sent

    publisher = gevent.spawn(publish)
    client = redis_server.client()
    for number in range(1, 13):
        gevent.sleep(0.03)
        client.client_kill_filter(_type="pubsub")
        for each in workers:
            wait_until(
                lambda each=each, number=number: each.broker.stats()["reconnects"] >= number,
                "the reconnection",
                5,
            )
    publishing = False
    sent = publisher.get(timeout=5)
    for each in workers:
        wait_until(lambda each=each: len(each.got.events) >= len(sent), f"{len(sent)} events", 5)
        assert each.got.events == sent
        assert stats(each)["backfilled"] > 0
        assert each.got.gaps == []


def test_what_is_no_longer_in_the_log_is_told_and_the_rest_delivered(
    redis_server: RedisServer, worker: Worker, deaf: Deaf, caplog: pytest.LogCaptureFixture
):
    publisher = RedisBroker(redis_server.url, "cli", bounds=Bounds(events=5))
    with deaf(worker):
        for n in range(50):
            publisher.publish(event(f"e{n}", data="x" * 5_000))
        publisher.publish(event("whole", "presence-thread.7"))
    publisher.stop()
    assert worker.got.gaps == [([NEWS], Gap.TRIMMED)]
    assert worker.got.events[-2:] == ["e49", "whole"]
    assert len(worker.got.events) < 25
    assert stats(worker)["gaps"] == 1
    [record] = [record for record in caplog.records if record.getMessage() == "broker_gap"]
    assert (record.reason, record.channels) == ("trimmed", [NEWS])


def test_a_gap_that_cannot_be_handed_on_ends_nothing(
    redis_server: RedisServer, worker: Worker, deaf: Deaf, outsider: RedisBroker
):
    def fail(channels: object, reason: Gap) -> None:
        raise RuntimeError("gap bug")

    worker.got.on_gap = fail
    with deaf(worker):
        redis_server.client().flushall()
        outsider.publish(event("found"))
    worker.heard("found")
    assert worker.broker.stats()["failures"] == 1


def test_emptied_meanwhile_is_told_and_the_new_epoch_delivered(
    redis_server: RedisServer, worker: Worker, deaf: Deaf, outsider: RedisBroker
):
    with deaf(worker):
        outsider.publish(event("lost"))
        redis_server.client().flushall()
        outsider.publish(event("found"))
    worker.heard("found")
    assert worker.got.gaps == [([NEWS, "thread:7"], Gap.EPOCH)]


def test_more_than_fits_into_memory_is_told(
    worker: Worker, deaf: Deaf, outsider: RedisBroker, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(backfill, "MOST_BYTES", 1_000)
    monkeypatch.setattr(backfill, "READ", 1)
    with deaf(worker):
        for channel in ("public.news", "presence-thread.7"):
            outsider.publish(event("big", channel, data="x" * 2_000))
    worker.heard("big")
    assert [reason for _, reason in worker.got.gaps] == [Gap.TOO_MUCH]


def test_a_worker_is_not_well_until_it_has_caught_up(
    redis_server: RedisServer, worker: Worker, deaf: Deaf, outsider: RedisBroker
):
    client = redis_server.client()
    with deaf(worker):
        outsider.publish(event("missed"))
        client.execute_command("ACL", "SETUSER", "default", "-lrange")
        client.execute_command("ACL", "SETUSER", "default", "+subscribe")
        gevent.sleep(0.3)
        assert not worker.broker.state().ok
        assert worker.got.events == []
        client.execute_command("ACL", "SETUSER", "default", "+lrange")
    worker.heard("missed")


def test_numbers_forged_by_a_stranger_silence_nobody(
    redis_server: RedisServer, worker: Worker, deaf: Deaf, outsider: RedisBroker
):
    receipt = outsider.publish(event("before"))
    worker.heard("before")
    client = redis_server.client(decode_responses=False)
    [entry] = client.lrange(f"mechamap:{{rt}}:log:{receipt.epoch}:{NEWS}", 0, -1)
    text = entry.split(b":", 2)[2]
    for stamp in (b"%b:999999999999:" % receipt.epoch.encode(), b"forgedXX:7:"):
        client.publish(f"mechamap:{{rt}}:channel:{NEWS}", stamp + text)
        outsider.publish(event("still heard"))
    worker.heard("before", "still heard", "still heard")
    with deaf(worker):
        outsider.publish(event("missed"))
    worker.heard("before", "still heard", "still heard", "missed")
