"""Publishers of one moment share a round trip, and each is told its own truth."""

from collections.abc import Callable

import gevent
import pytest
from gevent.event import Event

from mechamap.broker.gathering import FLIGHTS, MOST, Gathering
from mechamap.broker.redis import RedisBroker
from mechamap.domain.errors import BrokerUnavailable
from tests.contract.conftest import Hire, calls
from tests.contract.recorder import event
from tests.services.processes import wait_until
from tests.services.redis import RedisServer


class Sender:
    """Holds every round trip until ``gate`` opens. ``fail`` maps a message to the error it meets."""

    def __init__(self) -> None:
        self.gate = Event()
        self.trips: list[list[bytes]] = []
        self.fail: dict[bytes, Exception] = {}

    def send(self, messages: list[bytes], told: Callable[[int, int], None]) -> None:
        self.trips.append(messages)
        self.gate.wait()
        for place, message in enumerate(messages):
            if message in self.fail:
                raise self.fail[message]
            told(place, len(message))


@pytest.fixture
def sender() -> Sender:
    return Sender()


@pytest.fixture
def gathering(sender: Sender) -> Gathering:
    return Gathering(sender.send)


def publish(gathering: Gathering, *messages: bytes) -> list[gevent.Greenlet]:
    jobs = [gevent.spawn(gathering.publish, message) for message in messages]
    gevent.sleep(0)
    return jobs


def numbered(first: int, last: int) -> list[bytes]:
    return [b"%03d" % n for n in range(first, last)]


def test_alone_nobody_waits(gathering, sender):
    sender.gate.set()
    assert gathering.publish(b"abc") == 3
    assert gathering.publish(b"abcd") == 4
    assert sender.trips == [[b"abc"], [b"abcd"]]


def test_who_comes_meanwhile_joins_the_next_round_trip_in_order(gathering, sender):
    jobs = publish(gathering, *numbered(0, 10))
    assert sender.trips == [[each] for each in numbered(0, FLIGHTS)]
    sender.gate.set()
    gevent.joinall(jobs, timeout=1)
    assert sender.trips[FLIGHTS:] == [numbered(FLIGHTS, 10)]
    assert [job.value for job in jobs] == [3] * 10


def test_a_round_trip_has_its_limit(gathering, sender):
    jobs = publish(gathering, *numbered(0, 200))
    sender.gate.set()
    gevent.joinall(jobs, timeout=1)
    assert [len(trip) for trip in sender.trips] == [1, 1, MOST, MOST, MOST, 200 - 2 - 3 * MOST]
    assert [message for trip in sender.trips for message in trip] == numbered(0, 200)


def test_after_a_failure_in_the_middle_each_is_told_its_own_truth(gathering, sender):
    jobs = publish(gathering, *numbered(0, 10))
    sender.fail[b"005"] = BrokerUnavailable("Redis went away.")
    sender.gate.set()
    gevent.joinall(jobs, timeout=1)
    assert [job.successful() for job in jobs] == [True] * 5 + [False] * 5
    assert all(isinstance(job.exception, BrokerUnavailable) for job in jobs[5:])
    sender.fail.clear()
    assert gathering.publish(b"next") == 4


def test_who_waits_for_a_round_trip_that_fails_is_refused_with_it_and_nothing_is_sent(gathering, sender):
    jobs = publish(gathering, *numbered(0, 30))
    for message in numbered(0, FLIGHTS):
        sender.fail[message] = BrokerUnavailable("Redis is away.")
    sender.gate.set()
    gevent.joinall(jobs, timeout=1)
    assert [type(job.exception) for job in jobs] == [BrokerUnavailable] * 30
    assert len(sender.trips) == FLIGHTS
    sender.fail.clear()
    assert gathering.publish(b"next") == 4


def test_what_is_not_known_is_told_to_those_whom_it_concerns(gathering, sender):
    second = FLIGHTS + MOST
    third = second + MOST
    jobs = publish(gathering, *numbered(0, third + 10))
    sender.fail[b"005"] = BrokerUnavailable("Redis hangs.", unknown=True)
    sender.gate.set()
    gevent.joinall(jobs, timeout=1)
    assert all(job.successful() for job in (*jobs[:5], *jobs[second:third]))
    assert [job.exception.unknown for job in jobs[5:second]] == [True] * (second - 5)
    assert [job.exception.unknown for job in jobs[third:]] == [False] * 10


def test_who_shares_a_round_trip_with_a_publisher_that_is_killed_is_not_told_a_no(gathering, sender):
    jobs = publish(gathering, *numbered(0, 10))
    sender.gate.set()
    sender.gate.clear()
    gevent.sleep(0.01)
    assert len(sender.trips) == FLIGHTS + 1
    jobs[FLIGHTS].kill(block=True, timeout=1)
    gevent.joinall(jobs, timeout=1)
    assert [job.exception.unknown for job in jobs[FLIGHTS + 1 :]] == [True] * (9 - FLIGHTS)


def test_a_defect_is_raised_as_it_is_where_it_happened(gathering, sender):
    sender.gate.set()
    sender.fail[b"x"] = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        gathering.publish(b"x")
    assert gathering.publish(b"next") == 4


@pytest.mark.parametrize("victim", [0, 1, 2, 5])
def test_a_publisher_whose_greenlet_is_killed_holds_up_nobody(gathering, sender, victim):
    jobs = publish(gathering, *numbered(0, 10))
    jobs[victim].kill(block=True, timeout=1)
    sender.gate.set()
    gevent.joinall(jobs, timeout=1)
    assert all(job.ready() for job in jobs)
    for job in jobs:
        assert job.successful() or isinstance(job.exception, BrokerUnavailable)
    for message in numbered(0, 2 * FLIGHTS):
        assert gathering.publish(message) == 3


def test_a_publisher_killed_just_when_it_was_to_send_for_others_holds_up_nobody(gathering, sender):
    jobs = publish(gathering, *numbered(0, 10))
    leader = jobs[FLIGHTS]
    sender.gate.set()
    leader.kill(block=False)  # runs before the leader does
    gevent.joinall(jobs, timeout=1)
    assert all(job.ready() for job in jobs)
    for message in numbered(0, 2 * FLIGHTS):
        assert gathering.publish(message) == 3


def test_a_hundred_publishers_at_once_cost_redis_a_few_round_trips(
    redis_server: RedisServer, redis_worker: Hire, outsider: RedisBroker
):
    worker = redis_worker()
    worker.broker.subscribe("public:news")
    outsider.publish_many([event("warm")])
    before = calls(redis_server, "exec")
    jobs = [gevent.spawn(outsider.publish, event(f"e{n}")) for n in range(100)]
    gevent.joinall(jobs, raise_error=True)
    assert [job.value.total for job in jobs] == [1] * 100
    wait_until(lambda: len(worker.got.events) == 101, "all of them", 3)
    assert set(worker.got.events) == {"warm", *(f"e{n}" for n in range(100))}
    assert calls(redis_server, "exec") - before <= 10
