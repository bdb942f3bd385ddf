"""Closing connections and watching them go, with a cluster made by hand."""

from dataclasses import dataclass, field

import pytest

from mechamap.cli.closing import Closing, named_by
from mechamap.domain.commands import Action, Command
from mechamap.hub.operations import ChannelRow, Totals
from mechamap.presence.protocol import ConnectionRecord, WorkerRecord


def record(sid: str, user_id: int = 2, *channels: str) -> ConnectionRecord:
    return ConnectionRecord(
        sid, user_id, None, None, "w", "websocket", None, None, "jwt", 0.0, None, channels
    )


def kick(**whom) -> Command:
    return Command(Action.KICK, **whom)


@dataclass
class ClusterByHand:
    """Operations over a list; what an order names is gone ``seconds`` later, by a clock of its own."""

    records: list[ConnectionRecord]
    seconds: float = 0.5
    now: float = 0.0
    ordered: list[Command] = field(default_factory=list)

    def clients(self, *, user_id=None, sid=None, limit=1000):
        if self.ordered and self.now >= self.seconds:
            self.records = [each for each in self.records if not named_by(self.ordered[0], each)]
        return [each for each in self.records if user_id in (None, each.user_id) and sid in (None, each.sid)][
            :limit
        ]

    def channels(self) -> list[ChannelRow]:
        return []

    def workers(self) -> list[WorkerRecord]:
        return []

    def totals(self) -> Totals:
        return Totals(len(self.records), 0, 0, 0, 0)

    def kick(self, command):
        self.ordered.append(command)
        return len(self.records)

    def publish(self, body, origin):
        raise AssertionError("closing publishes nothing")

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def closing(cluster: ClusterByHand, order: Command) -> Closing:
    return Closing(cluster, order, sleep=cluster.sleep, clock=lambda: cluster.now)


@pytest.mark.parametrize(
    ("whom", "named"),
    [
        ({"everyone": True}, {"a", "b", "c"}),
        ({"user_id": 2}, {"a", "b"}),
        ({"sid": "b"}, {"b"}),
        ({"channel": "thread:7"}, {"b", "c"}),
        ({"channel": "thread:8"}, set()),
    ],
)
def test_an_order_names_connections_by_what_it_says(whom: dict, named: set[str]):
    records = [
        record("a"),
        record("b", 2, "presence-thread.7"),
        record("c", 3, "public.x", "presence-thread.7"),
    ]
    assert {each.sid for each in records if named_by(kick(**whom), each)} == named


def test_a_name_that_this_version_does_not_know_is_nobodys_channel():
    assert not named_by(kick(channel="thread:7"), record("a", 2, "galaxy.7"))


def test_nothing_is_ordered_by_counting():
    cluster = ClusterByHand([record("a"), record("b")])
    assert closing(cluster, kick(everyone=True)).named == 2
    assert cluster.ordered == []


def test_waiting_ends_as_soon_as_all_are_gone():
    cluster = ClusterByHand([record("a")], seconds=0.5)
    order = closing(cluster, kick(user_id=2))
    order.order()
    assert order.wait() == 0
    assert cluster.now < 1.0


def test_what_is_still_open_when_patience_ends_is_counted():
    cluster = ClusterByHand([record("a"), record("b")], seconds=60)
    order = closing(cluster, kick(user_id=2))
    order.order()
    assert order.wait() == 2
    assert cluster.now == pytest.approx(order.patience, abs=0.3)


def test_a_page_that_connected_again_meanwhile_is_not_counted_as_left():
    cluster = ClusterByHand([record("a")])
    order = closing(cluster, kick(user_id=2))
    cluster.records = [record("reloaded")]
    assert order.wait() == 0
