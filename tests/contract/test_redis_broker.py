"""What the broker through Redis promises beyond the protocol, while Redis is well."""

import random
import subprocess
import time

import gevent
import pytest

from mechamap.broker.connection import listening_connection
from mechamap.broker.listener import Listener
from mechamap.broker.redis import RedisBroker
from mechamap.broker.supervision import supervised
from mechamap.domain.commands import Action, Command
from mechamap.domain.errors import BrokerUnavailable
from tests.contract.conftest import LEASE, Hire
from tests.contract.recorder import event
from tests.services.processes import wait_until
from tests.services.redis import RedisServer


def test_two_workers_see_the_events_of_two_publishers_in_one_order(redis_worker: Hire):
    a, b = redis_worker(), redis_worker()
    for worker in (a, b):
        worker.broker.subscribe("public:news")
        worker.broker.subscribe("thread:7")
    channels = ("public.news", "presence-thread.7")
    jobs = [
        gevent.spawn(worker.broker.publish, event(f"{name}{n}", channels[n % 2]))
        for n in range(100)
        for name, worker in (("a", a), ("b", b))
    ]
    gevent.joinall(jobs, raise_error=True)
    wait_until(lambda: len(a.got.events) >= 200 and len(b.got.events) >= 200, "200 events at both", 5)
    assert a.got.events == b.got.events
    assert sorted(a.got.events) == sorted(f"{name}{n}" for name in "ab" for n in range(100))


def test_subscribers_are_counted_over_all_workers(redis_worker: Hire, outsider: RedisBroker):
    a, b = redis_worker(), redis_worker()
    for worker in (a, a, b):
        worker.broker.subscribe("public:news")
    b.broker.subscribe("thread:7")
    assert outsider.channels() == {"public:news": 3, "thread:7": 1}
    receipt = outsider.publish(event("x", "public.news", "presence-thread.7"))
    assert receipt.subscribers == {"public:news": 3, "thread:7": 1}


def test_an_event_to_several_channels_reaches_each_worker_once(redis_worker: Hire, outsider: RedisBroker):
    a, b = redis_worker(), redis_worker()
    names = [f"public.c{n}" for n in range(100)]
    for name in names[:60]:
        a.broker.subscribe(name.replace(".", ":"))
    for name in names[40:]:
        b.broker.subscribe(name.replace(".", ":"))
    outsider.publish(event("wide", *names))
    outsider.publish(event("end", "public.c50"))
    for worker in (a, b):
        worker.heard("wide", "end")
        assert worker.broker.stats()["duplicates"] == 59


def test_a_process_that_was_never_started_publishes_and_commands(redis_worker: Hire, outsider: RedisBroker):
    worker = redis_worker()
    worker.broker.subscribe("public:news")
    assert outsider.state().ok
    assert outsider.publish(event("x")).total == 1
    outsider.command(Command(Action.KICK, user_id=7))
    worker.heard("x")
    wait_until(lambda: worker.got.commands, "the command", 2)


def test_a_process_that_was_never_started_cannot_subscribe(outsider: RedisBroker):
    with pytest.raises(BrokerUnavailable):
        outsider.subscribe("public:news")


def test_commands_reach_every_worker_subscribed_or_not(redis_worker: Hire):
    workers = [redis_worker() for _ in range(3)]
    workers[0].broker.command(Command(Action.RECHECK, everyone=True))
    wait_until(lambda: all(worker.got.commands for worker in workers), "the command everywhere", 2)
    assert [len(worker.got.commands) for worker in workers] == [1, 1, 1]


def test_once_subscribed_the_very_next_event_arrives(redis_worker: Hire, outsider: RedisBroker):
    worker = redis_worker()
    for n in range(100):
        worker.broker.subscribe(f"public:c{n}")
        assert outsider.publish(event(f"e{n}", f"public.c{n}")).total == 1
    worker.heard(*(f"e{n}" for n in range(100)))


def test_a_thousand_simultaneous_subscriptions_take_less_than_a_second(redis_worker: Hire):
    worker = redis_worker()
    begun = time.monotonic()
    jobs = [gevent.spawn(worker.broker.subscribe, f"thread:{n}") for n in range(1000)]
    gevent.joinall(jobs, raise_error=True)
    assert time.monotonic() - begun < 1.0
    assert worker.broker.channels() == {f"thread:{n}": 1 for n in range(1000)}


def test_racing_subscriptions_of_one_channel_end_right(redis_worker: Hire, outsider: RedisBroker):
    worker = redis_worker()
    stay = random.Random(7)
    staying = [stay.random() < 0.1 for _ in range(300)]

    def visit(stays: bool) -> None:
        time.sleep(random.uniform(0, 0.2))
        worker.broker.subscribe("public:news")
        if stays:  # asking is not what races, and three hundred at once are more than a busy Redis answers
            assert "public:news" in worker.broker.channels()
        else:
            worker.broker.unsubscribe("public:news")

    gevent.joinall([gevent.spawn(visit, stays) for stays in staying], raise_error=True)
    wait_until(lambda: outsider.channels() == {"public:news": sum(staying)}, f"{sum(staying)} subscribers", 3)
    outsider.publish(event("after"))
    worker.heard("after")
    for _ in range(sum(staying)):
        worker.broker.unsubscribe("public:news")
    wait_until(lambda: outsider.channels() == {}, "no subscriber", 3)


def test_joining_and_leaving_in_turn_never_loses_an_event_meant_for_the_joined(
    redis_worker: Hire, outsider: RedisBroker
):
    worker = redis_worker()
    for n in range(50):
        worker.broker.subscribe("public:news")
        outsider.publish(event(f"e{n}"))
        wait_until(lambda n=n: f"e{n}" in worker.got.events, f"event {n}", 2)
        worker.broker.unsubscribe("public:news")


def test_a_subscriber_whose_greenlet_is_killed_while_waiting_is_not_counted(
    redis_server: RedisServer, redis_worker: Hire
):
    worker = redis_worker()
    redis_server.pause()
    waiting = gevent.spawn(worker.broker.subscribe, "public:news")
    gevent.sleep(0.1)
    waiting.kill()
    redis_server.resume()
    worker.broker.subscribe("thread:7")
    wait_until(lambda: worker.broker.channels() == {"thread:7": 1}, "only the other subscriber", 3)


def test_a_clean_stop_leaves_nothing_but_the_number_reached_behind(
    redis_server: RedisServer, redis_worker: Hire, outsider: RedisBroker
):
    worker = redis_worker()
    worker.broker.subscribe("public:news")
    worker.broker.stop()
    assert redis_server.client().keys() == ["mechamap:{rt}:head"]
    assert outsider.publish(event("x")).total == 0


def test_a_killed_worker_is_not_counted_once_its_lease_ended(
    redis_server: RedisServer, redis_worker: Hire, outsider: RedisBroker, process: subprocess.Popen
):
    worker = redis_worker()
    worker.broker.subscribe("public:news")
    assert outsider.channels() == {"public:news": 3}
    process.kill()
    wait_until(lambda: outsider.channels() == {"public:news": 1}, "the lease to end", LEASE + 0.5)
    assert outsider.publish(event("x")).total == 1
    wait_until(lambda: not redis_server.client().keys("*apart*"), "its keys to expire", 1)


def test_a_worker_keeps_its_lease_for_as_long_as_it_lives(outsider: RedisBroker, process: subprocess.Popen):
    end = time.monotonic() + LEASE * 1.1
    while time.monotonic() < end:
        assert outsider.channels() == {"public:news": 2}
        time.sleep(0.05)


def test_a_worker_in_an_unpatched_process_hears_events_and_commands(
    outsider: RedisBroker, process: subprocess.Popen
):
    outsider.publish(event("hello"))
    outsider.command(Command(Action.KICK, user_id=7))
    assert [process.stdout.readline() for _ in range(2)] == ["hello\n", "kick\n"]


def test_what_a_predecessor_with_the_same_id_left_behind_is_not_counted(
    redis_worker: Hire, outsider: RedisBroker, process: subprocess.Popen
):
    process.kill()
    successor = redis_worker("apart")
    successor.broker.subscribe("thread:7")
    assert outsider.channels() == {"thread:7": 1}


def test_brokers_with_different_prefixes_do_not_hear_each_other(redis_worker: Hire):
    a, b = redis_worker(prefix="one:{rt}"), redis_worker(prefix="two:{rt}")
    for worker in (a, b):
        worker.broker.subscribe("public:news")
    assert a.broker.publish(event("for a")).total == 1
    b.broker.publish(event("for b"))
    a.heard("for a")
    b.heard("for b")


def test_a_redis_on_a_unix_socket_with_another_database_serves_as_well(redis_server: RedisServer):
    url = redis_server.unix_url.replace("db=0", "db=3")
    broker = RedisBroker(url, "w")
    try:
        assert broker.publish(event("x")).total == 0
        assert broker.state().ok
    finally:
        broker.stop()


def test_a_flood_does_not_stay_in_the_listening_buffer(redis_server: RedisServer):
    connection = listening_connection(redis_server.url, timeout=1.0)
    connection.connect()
    connection.send_command("SUBSCRIBE", "flood")
    connection.read_response()
    sender = redis_server.client()
    for _ in range(6):  # 6 MB, below the 8 MB for which Redis cuts a slow subscriber off
        with sender.pipeline(transaction=False) as together:
            for _ in range(100):
                together.publish("flood", b"x" * 10_001)
            together.execute()
    largest = 0
    for _ in range(600):
        assert connection.read_response()[2] == b"x" * 10_001
        largest = max(largest, connection._parser._buffer._buffer.getbuffer().nbytes)
    connection.disconnect()
    assert largest < 2_000_000


def test_a_thread_that_ends_by_an_error_is_reported_and_turns_the_state_red(redis_worker: Hire):
    lost = []
    worker = redis_worker(on_lost=lost.append)
    # Half a surrogate pair cannot be sent to Redis. The grammar of channels is ASCII, so only a bug gets
    # here.
    impossible = gevent.spawn(worker.broker.subscribe, "public:\ud800")
    wait_until(lambda: lost == ["broker-subscriptions"], "the loss to be reported", 2)
    assert not worker.broker.state().ok
    impossible.kill()


def test_a_delivery_function_that_raises_ends_the_listener_and_is_reported(redis_server: RedisServer):
    lost = []

    def deliver(channel: bytes, message: bytes) -> None:
        raise ZeroDivisionError

    listener = Listener(
        lambda: listening_connection(redis_server.url, timeout=1.0), "c", deliver, lambda: None
    )
    supervised("the-listener", listener.run, lost.append)
    wait_until(lambda: listener.hearing, "the connection", 2)
    redis_server.client().publish("c", "x")
    wait_until(lambda: lost == ["the-listener"], "the loss to be reported", 2)
    assert not listener.hearing
