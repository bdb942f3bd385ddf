"""Queues of webhooks: ordered, bounded, each batch kept until it is done with; in memory and in Redis."""

from collections.abc import Callable

import pytest

from mechamap.broker.connection import command_client
from mechamap.domain.errors import BrokerUnavailable
from mechamap.domain.webhooks import MAX_BYTES, MAX_EVENTS, Mark, Notice, occupied, vacated
from mechamap.webhooks.memory_queues import MemoryQueues
from mechamap.webhooks.protocol import Queues
from mechamap.webhooks.redis_queues import RedisQueues

Make = Callable[..., Queues]


@pytest.fixture(params=["memory", "redis"])
def make(request, redis_server) -> Make:
    """Queues of receivers; over Redis each call is another worker's."""
    if request.param == "memory":
        return lambda *receivers, **most: MemoryQueues(receivers or ("a",), **most)
    client = command_client(redis_server.url)
    return lambda *receivers, **most: RedisQueues(client, "test", receivers or ("a",), **most)


def say(number: int) -> Notice:
    return Notice(b'{"n":%d}' % number)


def said(*numbers: int) -> tuple[bytes, ...]:
    return tuple(say(number).text for number in numbers)


def test_events_come_out_in_their_order_and_stay_until_they_are_done_with(make: Make):
    queues = make()
    assert queues.take("a") is None
    assert queues.add([say(1), say(2)]) == 0
    batch = queues.take("a")
    assert batch.events == said(1, 2) and (batch.attempts, batch.failing) == (0, 0.0)
    assert 0 <= batch.age < 5
    queues.add([say(3)])
    assert queues.take("a").id == batch.id and queues.take("a").events == said(1, 2)
    queues.done("a", batch.id, delivered=True)
    after = queues.take("a")
    assert after.events == said(3) and after.id != batch.id
    queues.done("a", after.id, delivered=True)
    assert queues.take("a") is None


def test_a_batch_is_bounded_in_events_and_in_bytes(make: Make):
    queues = make()
    queues.add([say(number) for number in range(MAX_EVENTS + 1)])
    first = queues.take("a")
    assert len(first.events) == MAX_EVENTS
    queues.done("a", first.id, delivered=True)
    big = b'{"x":"%s"}' % (b"x" * (MAX_BYTES // 2 - 8))
    queues.add([Notice(big), Notice(big), Notice(b'{"y":"%s"}' % (b"y" * (2 * MAX_BYTES - 8)))])
    sizes = []
    while (batch := queues.take("a")) is not None:
        sizes.append([len(event) for event in batch.events])
        queues.done("a", batch.id, delivered=True)
    assert sizes[-1] == [2 * MAX_BYTES]  # alone, rather than never
    assert all(sum(each) <= MAX_BYTES for each in sizes[:-1])
    assert sum(map(len, sizes)) == 4


def test_every_receiver_has_everything_at_its_own_pace(make: Make):
    queues = make("a", "b")
    queues.add([say(1)])
    mine = queues.take("a")
    queues.done("a", mine.id, delivered=True)
    queues.add([say(2)])
    assert queues.take("a").events == said(2)
    assert queues.take("b").events == said(1, 2)


def test_vain_attempts_are_counted_and_said_until_something_is_taken(make: Make):
    queues = make()
    queues.add([say(1)])
    assert queues.waiting("a").failure is None
    batch = queues.take("a")
    queues.failed("a", batch.id, "webhook_timeout")
    queues.failed("a", batch.id, "webhook_status_5xx")
    again = queues.take("a")
    assert again.attempts == 2 and again.failing >= 0
    assert queues.waiting("a").failure == "webhook_status_5xx" and queues.waiting("a").events == 1
    queues.done("a", batch.id, delivered=False)
    queues.add([say(2)])
    assert queues.waiting("a").failure == "webhook_status_5xx"  # given up is not taken
    after = queues.take("a")
    assert after.attempts == 0
    queues.done("a", after.id, delivered=True)
    assert queues.waiting("a") == type(queues.waiting("a"))(0, 0.0, None)


def test_who_led_before_can_no_longer_say_anything_of_a_batch_that_is_done(make: Make):
    queues = make()
    queues.add([say(1)])
    old = queues.take("a")
    queues.done("a", old.id, delivered=True)
    queues.add([say(2)])
    queues.take("a")
    queues.failed("a", old.id, "webhook_timeout")
    queues.done("a", old.id, delivered=True)
    assert queues.take("a").events == said(2) and queues.take("a").attempts == 0


def test_too_many_events_cost_the_oldest_but_never_the_batch_under_way(make: Make):
    queues = make(most_events=3)
    queues.add([say(1)])
    batch = queues.take("a")
    assert queues.add([say(number) for number in range(2, 8)]) == 3
    assert queues.take("a").events == said(1)
    queues.done("a", batch.id, delivered=True)
    assert queues.take("a").events == said(5, 6, 7)


def test_too_many_bytes_cost_the_oldest(make: Make):
    queues = make(most_bytes=100)
    dropped = sum(queues.add([say(10**20 + n)]) for n in range(9))
    assert dropped > 0
    left = queues.take("a").events
    assert left == said(*(10**20 + n for n in range(dropped, 9))) and left


def test_what_was_announced_before_is_not_told_again(make: Make):
    queues = make()
    one, two, three, four = said(1, 2, 3, 4)
    queues.add([Notice(one, Mark.ID, "x"), Notice(two, Mark.ID, "x"), Notice(three, Mark.ID, "y")])
    queues.add([Notice(four, Mark.ID, "x")])
    assert queues.take("a").events == (one, three)


def test_a_channel_is_told_when_its_state_changes_and_not_otherwise(make: Make):
    queues = make()
    queues.add([occupied("public:x"), occupied("public:x"), vacated("public:y")])
    assert queues.occupied() == {"public:x"} and queues.count_occupied() == 1
    queues.add([occupied("public:x"), vacated("public:x"), vacated("public:x")])
    assert queues.occupied() == set()
    assert queues.take("a").events == (occupied("public:x").text, vacated("public:x").text)


def test_a_state_that_is_not_told_or_restored_queues_nothing(make: Make):
    queues = make()
    queues.add([occupied("public:x", told=False)])
    queues.restore_occupied(["public:y"])
    assert queues.occupied() == {"public:x", "public:y"}
    assert queues.take("a") is None and queues.waiting("a").events == 0


class TestRedis:
    def test_another_worker_goes_on_with_the_batch_under_way(self, redis_server):
        client = command_client(redis_server.url)
        here, there = (RedisQueues(client, "test", ("a",)) for _ in range(2))
        here.add([say(1)])
        batch = here.take("a")
        here.failed("a", batch.id, "webhook_timeout")
        there.add([say(2)])
        taken = there.take("a")
        assert (taken.id, taken.events, taken.attempts) == (batch.id, said(1), 1)

    def test_a_restart_of_redis_with_its_data_loses_nothing(self, redis_server):
        queues = RedisQueues(command_client(redis_server.url), "test", ("a",))
        queues.add([say(1)])
        redis_server.stop()
        with pytest.raises(BrokerUnavailable):
            queues.add([say(2)])
        redis_server.start()
        assert queues.take("a").events == said(1)

    def test_what_others_wrote_there_is_passed_over(self, redis_server):
        queues = RedisQueues(command_client(redis_server.url), "test", ("a",))
        client = redis_server.client()
        for nonsense in ("", "x", "17", "17 {", "17 [1]", "now {}", b'17 {"a":"\xff"}'):
            client.rpush("test:webhooks:a:queue", nonsense)
        assert queues.waiting("a").age == 0.0
        assert queues.take("a") is None
        queues.add([say(1)])
        client.lpush("test:webhooks:a:queue", "nonsense")
        assert queues.take("a").events == said(1)

    def test_queues_of_receivers_that_are_no_longer_there_go_by_themselves(self, redis_server):
        queues = RedisQueues(command_client(redis_server.url), "test", ("a",))
        queues.add([say(1)])
        queues.take("a")
        queues.add([say(2)])
        client = redis_server.client()
        of_it = list(client.scan_iter("test:webhooks:a:*"))
        assert len(of_it) == 3 and all(client.ttl(key) > 0 for key in of_it)
