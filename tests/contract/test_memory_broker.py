"""What the broker inside one process promises beyond the protocol."""

import time

import gevent
import pytest

from mechamap.broker import memory
from mechamap.broker.memory import MemoryBroker
from mechamap.domain.commands import Action, Command
from mechamap.domain.errors import BrokerUnavailable
from mechamap.domain.history import Gap, Position
from tests.contract.recorder import Recorder, event


def test_an_event_is_delivered_before_publishing_returns():
    broker, got = MemoryBroker(), Recorder()
    broker.start(got)
    broker.subscribe("public:news")
    broker.publish(event("now"))
    assert got.events == ["now"]


def test_an_event_published_during_a_delivery_follows_it_and_is_not_nested():
    broker, steps = MemoryBroker(), []

    def deliver(publication):
        steps.append(f"begin {publication.event}")
        if publication.event == "outer":
            broker.publish(event("inner"))
        steps.append(f"end {publication.event}")

    broker.start(Recorder(deliver))
    broker.subscribe("public:news")
    broker.publish(event("outer"))
    assert steps == ["begin outer", "end outer", "begin inner", "end inner"]


def test_others_get_a_turn_within_a_long_series(monkeypatch):
    monkeypatch.setattr(memory, "BURST", 0.001)
    broker, order = MemoryBroker(), []

    def deliver(publication):
        order.append(publication.event)
        end = time.monotonic() + 0.002
        while time.monotonic() < end:
            pass

    broker.start(Recorder(deliver))
    broker.subscribe("public:news")
    gevent.spawn(order.append, "other")
    broker.publish_many([event(f"e{n}") for n in range(5)])
    assert [each for each in order if each != "other"] == [f"e{n}" for n in range(5)]
    assert 0 < order.index("other") < 5


@pytest.mark.parametrize("send", ["publish", "command", "subscribe"])
def test_a_process_without_a_worker_is_told_that_nobody_would_receive_it(send: str):
    broker = MemoryBroker()
    argument = {
        "publish": event("x"),
        "command": Command(Action.KICK, user_id=7),
        "subscribe": "public:news",
    }[send]
    with pytest.raises(BrokerUnavailable):
        getattr(broker, send)(argument)
    assert not broker.state().ok


def test_all_logs_together_stay_within_their_bytes():
    broker = MemoryBroker(most_bytes=100_000)
    broker.start(Recorder())
    first = broker.publish(event("first", "forum.1"))
    for n in range(300):
        broker.publish(event("x", f"forum.{n + 2}", data="x" * 1_000))
    kept = [broker.history(f"forum:{n + 2}", None, 10).events for n in range(300)]
    assert 70 < sum(map(len, kept)) <= 100
    assert kept[0] == () and len(kept[-1]) == 1  # the oldest went
    assert broker.history("forum:1", Position(first.epoch, 0), 10).gap is Gap.TRIMMED
