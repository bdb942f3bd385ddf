"""What every broker promises."""

import logging
from dataclasses import replace

import gevent
import pytest

from mechamap.broker.envelope import MAX_PUBLICATION_BYTES
from mechamap.domain.commands import Action, Command
from mechamap.domain.errors import BrokerUnavailable, PayloadTooLarge
from mechamap.domain.payloads import payload_of
from mechamap.domain.publication import Publication
from mechamap.domain.wire import MOST_CHANNELS
from tests.contract.conftest import Worker
from tests.contract.recorder import event
from tests.services.processes import wait_until


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


def test_a_subscribed_worker_receives_what_is_published(worker: Worker):
    worker.broker.subscribe("public:news")
    worker.broker.publish(event("hello"))
    worker.heard("hello")


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        [],
        "text",
        {"đai ốc": ["🔩", None, True, 1.5, -0.25, 2**70, {"x": []}]},
        "</script>\u2028\x00\n",
        nested(32),
    ],
    ids=["null", "object", "list", "text", "mixed", "odd characters", "deep"],
)
def test_a_publication_arrives_exactly_as_it_was_published(worker: Worker, data: object):
    worker.broker.subscribe("thread:7")
    channels = event("reply", "presence-thread.7", "public.news").channels
    sent = Publication(channels, "reply", payload_of(data), "12.34", "key:laravel")
    worker.broker.publish(sent)
    worker.heard("reply")
    assert worker.got.publications == [sent]


@pytest.mark.parametrize(
    "payload",
    [b'{"b":1,"a":2,"b":3}', b"1.50", b"1e2", b"123456789012345678901234567890", b'"\\u00e9"', b"[1, 2]"],
    ids=["equal names", "spelling of a fraction", "exponent", "large", "escape", "space"],
)
def test_the_bytes_of_the_payload_are_not_touched(worker: Worker, payload: bytes):
    worker.broker.subscribe("public:news")
    worker.broker.publish(Publication(event("x").channels, "x", payload))
    worker.heard("x")
    assert worker.got.publications[0].payload == payload


def test_a_worker_without_subscribers_of_a_channel_is_left_alone(worker: Worker):
    worker.broker.subscribe("public:news")
    worker.broker.publish(event("elsewhere", "public.other"))
    worker.broker.publish(event("here"))
    worker.heard("here")


def test_a_publication_to_several_channels_reaches_a_worker_once(worker: Worker):
    for channel in ("public:news", "thread:7", "forum:3"):
        worker.broker.subscribe(channel)
    worker.broker.publish(event("all", "public.news", "presence-thread.7", "forum.3", "public.unheard"))
    worker.broker.publish(event("next"))
    worker.heard("all", "next")


def test_a_publication_repeated_with_its_id_is_delivered_once(worker: Worker):
    worker.broker.subscribe("public:news")
    sent = event("once")
    for _ in range(2):
        worker.broker.publish(sent)
        worker.broker.publish(event("between"))
    worker.heard("once", "between", "between")


def test_the_receipt_counts_the_subscribers_of_each_channel(worker: Worker):
    for channel in ("public:news", "public:news", "thread:7"):
        worker.broker.subscribe(channel)
    sent = event("x", "public.news", "presence-thread.7", "forum.3")
    receipt = worker.broker.publish(sent)
    assert receipt.id == sent.id
    assert receipt.subscribers == {"public:news": 2, "thread:7": 1, "forum:3": 0}
    assert receipt.total == 3


def test_an_event_of_a_thousand_channels_is_one_event(worker: Worker):
    for user in (1, 500, 1000):
        worker.broker.subscribe(f"user:{user}")
    sent = event("x", *[f"private-user.{user}" for user in range(1, MOST_CHANNELS + 1)], called="k")
    receipt = worker.broker.publish(sent)
    assert (receipt.total, len(receipt.subscribers)) == (3, MOST_CHANNELS)
    assert worker.broker.publish(sent) == replace(receipt, duplicate=True)
    worker.broker.publish(event("end", "private-user.500"))
    worker.heard("x", "end")


def test_channels_lists_what_has_subscribers(worker: Worker):
    assert worker.broker.channels() == {}
    for channel in ("public:news", "public:news", "thread:7"):
        worker.broker.subscribe(channel)
    assert worker.broker.channels() == {"public:news": 2, "thread:7": 1}


def test_a_subscriber_who_leaves_is_no_longer_counted(worker: Worker):
    worker.broker.subscribe("public:news")
    worker.broker.subscribe("public:news")
    worker.broker.unsubscribe("public:news")
    wait_until(lambda: worker.broker.channels() == {"public:news": 1}, "one subscriber", 2)
    worker.broker.unsubscribe("public:news")
    wait_until(lambda: worker.broker.channels() == {}, "no subscriber", 2)


def test_after_the_last_subscriber_left_nothing_is_delivered(worker: Worker):
    worker.broker.subscribe("public:news")
    worker.broker.subscribe("thread:7")
    worker.broker.unsubscribe("public:news")
    wait_until(lambda: worker.broker.channels() == {"thread:7": 1}, "the unsubscription", 2)
    worker.broker.publish(event("late"))
    worker.broker.publish(event("reply", "presence-thread.7"))
    worker.heard("reply")


def test_leaving_a_channel_nobody_joined_changes_nothing(worker: Worker):
    worker.broker.unsubscribe("public:news")
    worker.broker.subscribe("public:news")
    assert worker.broker.channels() == {"public:news": 1}


@pytest.mark.parametrize(
    "command",
    [
        Command(Action.KICK, sid="12.34", code="banned", reason="Bạn đã bị khóa."),
        Command(Action.RECHECK, user_id=7),
        Command(Action.KICK, channel="thread:7"),
        Command(Action.RECHECK, everyone=True),
        Command(Action.JOIN, user_id=7, subject="private-group.5"),
    ],
    ids=["sid", "user", "channel", "everyone", "join"],
)
def test_a_command_arrives_exactly_as_it_was_given(worker: Worker, command: Command):
    worker.broker.command(command)
    wait_until(lambda: worker.got.commands, "the command", 2)
    assert worker.got.commands == [command]


def test_commands_and_publications_keep_the_order_they_were_sent_in(worker: Worker):
    order: list[str] = []
    worker.got.then = lambda publication: order.append(publication.event)
    worker.got.on_command = lambda command: order.append(command.code)
    worker.broker.subscribe("public:news")
    worker.broker.publish(event("first"))
    worker.broker.command(Command(Action.KICK, user_id=7, code="second"))
    worker.broker.publish(event("third"))
    wait_until(lambda: len(order) == 3, "three deliveries", 2)
    assert order == ["first", "second", "third"]


def test_concurrent_publications_all_arrive_once_and_one_at_a_time(worker: Worker):
    inside = []

    def deliver(publication: Publication) -> None:
        inside.append(1)
        assert len(inside) == 1
        inside.pop()

    worker.got.then = deliver
    worker.broker.subscribe("public:news")
    names = [f"e{n}" for n in range(100)]
    gevent.joinall([gevent.spawn(worker.broker.publish, event(name)) for name in names], raise_error=True)
    wait_until(lambda: len(worker.got.events) >= 100, "all events", 3)
    assert sorted(worker.got.events) == sorted(names)
    assert worker.broker.stats()["failures"] == 0


def test_a_delivery_that_fails_stops_neither_the_publisher_nor_the_next_event(
    worker: Worker, caplog: pytest.LogCaptureFixture
):
    def fail(publication: Publication) -> None:
        if publication.event == "bad":
            raise RuntimeError("delivery bug")

    worker.got.then = fail
    worker.broker.subscribe("public:news")
    bad = event("bad")
    assert worker.broker.publish(bad).total == 1
    worker.broker.publish(event("good"))
    worker.heard("bad", "good")
    assert worker.broker.stats()["failures"] == 1
    (record,) = [record for record in caplog.records if record.getMessage() == "delivery_failed"]
    assert record.publication == bad.id


def test_a_command_that_fails_does_not_stop_the_next_event(worker: Worker):
    def fail(command: Command) -> None:
        raise RuntimeError("command bug")

    worker.got.on_command = fail
    worker.broker.subscribe("public:news")
    worker.broker.command(Command(Action.KICK, user_id=7))
    worker.broker.publish(event("good"))
    worker.heard("good")
    assert worker.broker.stats()["failures"] == 1


def test_a_publication_over_the_limit_is_refused_and_names_the_limit(worker: Worker):
    worker.broker.subscribe("public:news")
    with pytest.raises(PayloadTooLarge) as refused:
        worker.broker.publish(event("big", data="x" * MAX_PUBLICATION_BYTES))
    assert refused.value.limit == MAX_PUBLICATION_BYTES
    worker.broker.publish(event("small", data="x" * (MAX_PUBLICATION_BYTES - 1000)))
    worker.heard("small")


def test_a_command_of_absurd_length_is_refused(worker: Worker):
    with pytest.raises(PayloadTooLarge):
        worker.broker.command(Command(Action.KICK, user_id=7, reason="x" * 10_000))


def test_a_started_broker_says_that_it_works(worker: Worker):
    assert worker.broker.state().ok


def test_statistics_count_what_was_delivered(worker: Worker, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    worker.broker.subscribe("public:news")
    for name in ("a", "b", "c"):
        worker.broker.publish(event(name))
    worker.heard("a", "b", "c")
    assert worker.broker.stats() == {
        "received": 3,
        "duplicates": 0,
        "failures": 0,
        "malformed": 0,
        "reconnects": 0,
        "backfilled": 0,
        "gaps": 0,
    }


def test_a_stopped_broker_has_no_subscribers_and_takes_none(worker: Worker):
    worker.broker.subscribe("public:news")
    worker.broker.stop()
    assert worker.broker.channels() == {}
    with pytest.raises(BrokerUnavailable):
        worker.broker.subscribe("public:news")
    worker.broker.unsubscribe("public:news")
