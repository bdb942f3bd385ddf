"""What the site's observer is told of what people do: after the browsers, everything, and nothing else."""

import pytest

from mechamap.domain.errors import BrokerUnavailable, Forbidden
from mechamap.domain.members import Announcement, Change, Member
from mechamap.domain.webhooks import WebhookEvent
from mechamap.domain.whispers import read_whisper
from mechamap.webhooks.memory_queues import MemoryQueues
from mechamap.webhooks.observer import WebhookObserver
from tests.services.processes import wait_until

THREAD = "presence-thread.10"


class Meter:
    def __init__(self) -> None:
        self.dropped = 0

    def webhook_events(self, outcome: str, count: int = 1) -> None:
        assert outcome == "dropped"
        self.dropped += count

    def webhook_attempt(self, code: str) -> None:
        raise AssertionError("nothing is sent here")


class Queues(MemoryQueues):
    """They may be out of reach."""

    away = False

    def add(self, notices):
        if self.away:
            raise BrokerUnavailable("Redis did not answer.")
        return super().add(notices)


@pytest.fixture
def queues() -> Queues:
    return Queues(["a"], most_events=3)


@pytest.fixture
def meter() -> Meter:
    return Meter()


@pytest.fixture
def observer(queues, meter) -> WebhookObserver:
    return WebhookObserver(queues, tuple(WebhookEvent), meter)


@pytest.fixture
def world(build, observer):
    return build(observer=observer)


def told(queues: Queues) -> list[bytes]:
    batch = queues.take("a")
    return [] if batch is None else list(batch.events)


def whisper(world, sid: str, channel: str = THREAD) -> None:
    world.hub.whisper(sid, read_whisper({"channel": channel, "event": "client-typing", "data": [1]}))


def joining(user_id: int) -> Announcement:
    return Announcement(Change.JOINING, "thread:10", Member(user_id, None))


def test_members_and_whispers_are_told_once_the_browsers_know(world, queues):
    for sid in ("1.1", "1.2"):  # two pages of one user
        world.connect(sid, 7)
        world.hub.subscribe(sid, THREAD)
    whisper(world, "1.1")
    wait_until(lambda: queues.waiting("a").events == 2, "both")
    member, said = told(queues)
    assert member == b'{"name":"member_added","channel":"presence-thread.10","user_id":"7"}'
    assert b'"event":"client-typing","data":"[1]","socket_id":"1.1","user_id":"7"' in said


def test_a_whisper_that_is_refused_is_not_told(world, queues):
    world.connect("1.1", 7)
    with pytest.raises(Forbidden):
        whisper(world, "1.1")
    assert told(queues) == []


def test_while_the_queues_are_away_members_wait_and_whispers_still_reach_browsers(
    world, queues, meter, observer
):
    for sid, user_id in (("1.1", 7), ("2.2", 8)):
        world.connect(sid, user_id)
        world.hub.subscribe(sid, THREAD)
    wait_until(lambda: queues.waiting("a").events == 2, "the members")
    queues.away = True
    whisper(world, "1.1")
    assert [args for name, args in world.transport.sent["2.2"] if name == "client-typing"] == [([1],)]
    assert meter.dropped == 1
    assert world.hub._presence.announce([joining(1)]) == 0
    queues.away = False
    assert world.hub._presence.announce([joining(1)]) == 1


def test_what_had_to_go_is_counted(observer, meter):
    assert observer.announced([joining(number) for number in range(1, 6)]) == 5
    assert meter.dropped == 2


def test_only_the_events_that_were_chosen_are_told(build, queues, meter):
    world = build(observer=WebhookObserver(queues, (WebhookEvent.MEMBER_REMOVED,), meter))
    world.connect("1.1", 7)
    world.hub.subscribe("1.1", THREAD)
    whisper(world, "1.1")
    world.hub.unsubscribe("1.1", THREAD)
    wait_until(lambda: queues.waiting("a").events, "the end")
    assert told(queues) == [b'{"name":"member_removed","channel":"presence-thread.10","user_id":"7"}']
