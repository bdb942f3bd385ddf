"""From Laravel's Redis to the broker: exactly once, in order, whatever goes wrong around it."""

import logging
import time

import gevent
import pytest

from mechamap.broker.protocol import Published
from mechamap.domain.errors import BrokerUnavailable, PayloadTooLarge
from mechamap.domain.publication import Receipt
from mechamap.ingest import ingester, laravel_redis
from mechamap.ingest.subscription import pattern_of
from tests.ingest.conftest import LEASE, Hire
from tests.services.processes import wait_until
from tests.services.redis import RedisServer


@pytest.fixture(params=[False, True], ids=["alone", "leased"])
def worker(request, hire: Hire):
    worker = hire(leased=request.param)
    worker.hears()
    return worker


def test_what_laravel_publishes_is_published_in_its_order(worker, laravel):
    names = [f"e{n}" for n in range(500)]
    assert [laravel(name) for name in names] == [1] * 500
    worker.heard(*names)
    assert worker.codes == ["accepted"] * 500
    assert [publication.payload for publication in worker.published] == [b"1"] * 500


def test_what_is_waiting_is_published_in_series(worker, laravel):
    worker.answer = lambda series: (
        gevent.sleep(0.2) or Published(tuple(Receipt(each.id, {}) for each in series))
    )
    for n in range(251):
        laravel(f"e{n}")
    worker.heard(*(f"e{n}" for n in range(251)))
    assert max(worker.series) == ingester.SERIES
    assert len(worker.series) <= 6


def test_of_several_workers_exactly_one_ingests(hire, laravel):
    workers = [hire() for _ in range(4)]
    wait_until(
        lambda: any(w.ingester.state().leader and w.ingester.state().ok for w in workers), "a leader", 3
    )
    assert [laravel(f"e{n}") for n in range(50)] == [1] * 50
    wait_until(lambda: sum(len(w.published) for w in workers) >= 50, "all events", 3)
    gevent.sleep(0.2)
    assert sorted(len(w.published) for w in workers) == [0, 0, 0, 50]
    assert [w.ingester.state().ok for w in workers] == [True] * 4


def test_when_the_leader_stops_another_follows_at_once_and_what_was_heard_is_published(hire, laravel):
    first = hire()
    first.hears()
    second = hire()
    first.answer = lambda series: (
        gevent.sleep(0.1) or Published(tuple(Receipt(each.id, {}) for each in series))
    )
    for n in range(300):
        laravel(f"e{n}")
    gevent.sleep(0.05)
    begun = time.monotonic()
    first.ingester.stop()
    assert first.events == [f"e{n}" for n in range(300)]
    second.hears()
    assert time.monotonic() - begun < LEASE + 1.0
    assert laravel("next") == 1
    second.heard("next")


def test_when_the_connection_ends_what_was_heard_before_is_published(
    redis_server: RedisServer, worker, laravel
):
    worker.answer = lambda series: (
        gevent.sleep(0.1) or Published(tuple(Receipt(each.id, {}) for each in series))
    )
    for n in range(450):
        laravel(f"e{n}")
    wait_until(lambda: worker.series, "the first series", 2)
    redis_server.client().client_kill_filter(_type="pubsub")
    worker.heard(*(f"e{n}" for n in range(450)))
    worker.hears()
    laravel("next")
    worker.heard(*(f"e{n}" for n in range(450)), "next")
    assert set(worker.codes) == {"accepted"}


def test_a_leader_whose_lease_was_lost_stops_before_another_begins(redis_server: RedisServer, hire, laravel):
    worker = hire()
    worker.hears()
    client = redis_server.client()
    client.set("lease", "somebody else")  # as after a pause longer than the lease
    wait_until(lambda: not worker.ingester.state().leader, "it to resign", 3)
    assert laravel("unheard") == 0
    assert client.get("lease") == "somebody else"
    client.delete("lease")
    worker.hears()
    laravel("heard")
    worker.heard("heard")


def test_without_the_lease_nothing_read_is_published(redis_server: RedisServer, hire, laravel):
    worker = hire()
    worker.hears()

    def refuse(series):
        redis_server.client().set("lease", "somebody else")
        return Published((), BrokerUnavailable("Redis is away."))

    worker.answer = refuse
    for n in range(150):
        laravel(f"e{n}")
    wait_until(lambda: not worker.ingester.state().leader, "it to resign", 3)
    assert worker.published == []
    wait_until(lambda: worker.codes.count("ingest_given_up") == 150, f"all of them; {len(worker.codes)}", 2)


def test_what_the_broker_did_not_take_is_tried_again_under_the_same_ids(worker, laravel):
    tried: list[list[str]] = []

    def half(series):
        tried.append([each.id for each in series])
        if len(tried) < 4:
            return Published(tuple(Receipt(each.id, {}) for each in series[:1]), BrokerUnavailable("away"))
        return Published(tuple(Receipt(each.id, {}) for each in series))

    worker.answer = half
    names = ["a", "b", "c", "d", "e", "f"]
    for name in names:
        laravel(name)
    worker.heard(*names)
    ids = [each.id for each in worker.published]
    for attempt in tried:
        assert attempt == ids[ids.index(attempt[0]) : ids.index(attempt[0]) + len(attempt)]


def test_an_event_the_broker_cannot_carry_is_counted_and_the_next_ones_follow(worker, laravel):
    def answer(series):
        receipts = []
        for each in series:
            if each.event == "bad":
                return Published(tuple(receipts), PayloadTooLarge("data", 2, 1))
            receipts.append(Receipt(each.id, {}))
        return Published(tuple(receipts))

    worker.answer = answer
    for name in ("a", "bad", "b"):
        laravel(name)
    worker.heard("a", "b")
    assert sorted(worker.codes) == ["accepted", "accepted", "payload_too_large"]


def test_malformed_messages_are_counted_told_at_a_bounded_rate_and_stop_nothing(
    redis_server: RedisServer, worker, laravel, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    client = redis_server.client(decode_responses=False)
    for _ in range(100):
        client.publish("laravel_database_public.news", b"s3cret rubbish")
        client.publish("laravel_database_nope", b'{"event":"e","data":1}')
    laravel("disconnect")
    laravel("good")
    worker.heard("good")
    counted = {code: worker.codes.count(code) for code in set(worker.codes)}
    assert counted == {"invalid_request": 100, "channel_unknown": 100, "event_reserved": 1, "accepted": 1}
    lines = [record for record in caplog.records if record.getMessage() == "ingest_refused"]
    assert 1 <= len(lines) <= 3
    assert "s3cret" not in str([vars(line) for line in lines])


def test_a_defect_in_reading_costs_its_series_and_not_the_worker(worker, laravel, monkeypatch, caplog):
    read = laravel_redis.read_event

    def broken(message, max_bytes):
        if b"defect" in message:
            raise ZeroDivisionError
        return read(message, max_bytes)

    monkeypatch.setattr(laravel_redis, "read_event", broken)
    laravel("defect")
    wait_until(lambda: worker.codes == ["internal_error"], "the defect to be counted", 2)
    laravel("good")
    worker.heard("good")
    assert "ingest_failed" in caplog.text


def test_a_message_too_large_is_passed_over(redis_server: RedisServer, hire, laravel):
    worker = hire(max_bytes=1000)
    worker.hears()
    laravel("huge", data='"' + "x" * 3_000_000 + '"')
    laravel("large", data='"' + "x" * 2_000 + '"')
    laravel("good", data='"' + "x" * 900 + '"')
    worker.heard("good")
    assert sorted(worker.codes) == ["accepted", "payload_too_large", "payload_too_large"]


def test_a_broker_that_is_slower_than_laravel_costs_the_oldest(hire, laravel, monkeypatch):
    monkeypatch.setattr(ingester, "Backlog", lambda: ingester_backlog(10))
    worker = hire(leased=False)
    worker.hears()
    gate = gevent.event.Event()
    worker.answer = lambda series: gate.wait() and Published(tuple(Receipt(each.id, {}) for each in series))
    laravel("first")
    wait_until(lambda: worker.series, "the broker to be busy", 2)
    for n in range(30):
        laravel(f"e{n}")
    wait_until(lambda: worker.codes.count("ingest_backlog_full") == 20, "the oldest to be dropped", 2)
    assert worker.ingester.state().waiting == 10
    assert worker.ingester.state().lag > 0
    gate.set()
    worker.heard("first", *(f"e{n}" for n in range(20, 30)))


def ingester_backlog(size: int):
    from mechamap.ingest.backlog import Backlog

    return Backlog(max_messages=size)


def test_only_the_prefix_is_heard_whatever_characters_it_has(redis_server: RedisServer, hire, laravel):
    worker = hire(prefix="app*[1]?_")
    worker.hears()
    for prefix in ("app_", "appX1Y_", "app*[1]?", "other_"):
        assert laravel("no", prefix=prefix) == 0
    laravel("yes", prefix="app*[1]?_")
    worker.heard("yes")


def test_without_a_prefix_our_own_messages_are_passed_over(redis_server: RedisServer, hire, laravel):
    worker = hire(prefix="")
    worker.hears()
    for name in ("mechamap:{rt}:channel:public:news", "mechamap:{rt}:commands"):
        assert redis_server.client().publish(name, b"whatever") == 1
    laravel("yes", prefix="")
    worker.heard("yes")
    assert worker.codes == ["accepted"]


def test_a_pattern_takes_the_prefix_literally():
    assert pattern_of("a*b?c[d]e\\f") == rb"a\*b\?c\[d\]e\\f*"
    assert pattern_of("") == b"*"


def test_after_an_outage_of_laravels_redis_it_listens_again(redis_server: RedisServer, hire, laravel, caplog):
    caplog.set_level(logging.INFO)
    worker = hire(leased=False)
    worker.hears()
    redis_server.kill()
    wait_until(lambda: not worker.ingester.state().ok, "the state to turn red", 2)
    assert "127.0.0.1" not in worker.ingester.state().detail
    gevent.sleep(1.5)
    redis_server.start()
    worker.hears()
    assert laravel("back") == 1
    worker.heard("back")
    down = [record for record in caplog.records if record.getMessage() == "ingest_connection_down"]
    assert len(down) == 1


def test_a_silent_redis_is_given_up_and_found_again(redis_server: RedisServer, hire, laravel, monkeypatch):
    monkeypatch.setattr("mechamap.ingest.subscription.DEAF", 1.5)
    worker = hire(leased=False)
    worker.hears()
    redis_server.pause()
    wait_until(lambda: not worker.ingester.state().ok, "the silence to be noticed", 4)
    redis_server.resume()
    worker.hears()
    laravel("back")
    worker.heard("back")


def test_a_quiet_connection_is_kept(redis_server: RedisServer, hire, laravel, monkeypatch):
    monkeypatch.setattr("mechamap.ingest.subscription.QUIET", 0.3)
    monkeypatch.setattr("mechamap.ingest.subscription.DEAF", 1.0)
    worker = hire(leased=False)
    worker.hears()
    connections = redis_server.client().info("stats")["total_connections_received"]
    gevent.sleep(2.0)
    laravel("still there")
    worker.heard("still there")
    # one more at most: the client that asks
    assert redis_server.client().info("stats")["total_connections_received"] - connections <= 2


def test_a_redis_that_refuses_the_pattern_is_told_as_a_failure(redis_server: RedisServer, hire):
    client = redis_server.client()
    client.acl_setuser("deaf", enabled=True, passwords=["+pw"], commands=["+@all", "-psubscribe"], keys=["*"])
    try:
        worker = hire(leased=False, url=redis_server.url.replace("redis://", "redis://deaf:pw@"))
        wait_until(lambda: "ProtocolError" in worker.ingester.state().detail, "the failure", 2)
        assert not worker.ingester.state().ok
    finally:
        client.acl_deluser("deaf")


def test_laravels_redis_may_be_on_a_unix_socket(redis_server: RedisServer, hire, laravel):
    worker = hire(url=redis_server.unix_url)
    worker.hears()
    laravel("x")
    worker.heard("x")


def test_while_the_workers_redis_is_away_nobody_knows_who_leads(redis_server: RedisServer, hire):
    redis_server.kill()
    worker = hire()
    wait_until(lambda: not worker.ingester.state().ok, "the state to turn red", 3)
    assert not worker.ingester.state().leader
    redis_server.start()
    worker.hears()
