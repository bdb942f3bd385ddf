"""What the roster in Redis promises beyond the protocol."""

import subprocess
import time

import pytest

from mechamap.domain.errors import BrokerUnavailable
from mechamap.presence.redis import RedisRoster
from tests.contract.conftest import LEASE, describe
from tests.contract.test_roster import connection, shows, sids
from tests.services.processes import wait_until
from tests.services.redis import RedisServer


@pytest.fixture
def reader(redis_roster) -> RedisRoster:
    """A roster that was never started, as a command line has it."""
    return redis_roster("cli", started=False)


def test_a_process_that_was_never_started_reads_all_workers(redis_roster, reader):
    a, b = redis_roster("a", slot=2), redis_roster("b", slot=1)
    a.record(connection("1.1", 7))
    b.record(connection("2.1", 7, connected_at=2000.0))
    b.record(connection("2.2", 8, connected_at=1500.0))
    shows(reader, "2.1", "2.2", "1.1")
    assert sids(reader, limit=2) == ["2.1", "2.2"]
    assert sids(reader, user_id=7) == ["2.1", "1.1"]
    assert sids(reader, sid="2.2") == ["2.2"]
    assert reader.totals() == (3, 2)
    assert [worker.id for worker in reader.workers()] == ["b", "a"]


def test_a_killed_worker_and_its_connections_leave_with_its_lease(
    redis_server: RedisServer, redis_roster, reader, process: subprocess.Popen
):
    redis_roster("a").record(connection("1.1", 7, connected_at=2000.0))
    shows(reader, "1.1", "9.apart")
    process.kill()
    wait_until(lambda: reader.totals() == (1, 1), "the lease to end", LEASE + 0.5)
    assert sids(reader) == ["1.1"]
    assert sids(reader, user_id=9) == []
    assert [worker.id for worker in reader.workers()] == ["a"]
    wait_until(lambda: not redis_server.client().keys("*roster*apart*"), "its keys to expire", 1)


def test_an_idle_worker_keeps_its_connections(redis_roster, reader):
    redis_roster("a").record(connection("1.1"))
    shows(reader, "1.1")
    end = time.monotonic() + LEASE * 1.1
    while time.monotonic() < end:
        assert reader.totals() == (1, 1)
        time.sleep(0.05)


def test_what_a_predecessor_with_the_same_id_left_behind_is_gone(
    redis_roster, reader, process: subprocess.Popen
):
    process.kill()
    redis_roster("apart").record(connection("1.1"))
    wait_until(lambda: sids(reader) == ["1.1"], "the successor's connection alone", 1)
    assert reader.totals() == (1, 1)


def test_everything_returns_after_flushall(redis_server: RedisServer, redis_roster, reader):
    roster = redis_roster("a")
    for n in range(3):
        roster.record(connection(f"1.{n}", n + 1, connected_at=float(n)))
    shows(reader, "1.2", "1.1", "1.0")
    redis_server.client().flushall()
    wait_until(lambda: sids(reader) == ["1.2", "1.1", "1.0"], "the connections", LEASE)
    assert reader.totals() == (3, 3)
    assert [worker.id for worker in reader.workers()] == ["a"]


def test_while_redis_is_away_nothing_waits_and_on_its_return_all_is_written(
    redis_server: RedisServer, redis_roster, reader
):
    roster = redis_roster("a")
    roster.record(connection("1.1"))
    shows(reader, "1.1")
    for away, back in ((redis_server.kill, redis_server.start), (redis_server.pause, redis_server.resume)):
        away()
        begun = time.monotonic()
        roster.forget("1.1")
        roster.record(connection("1.2"))
        assert time.monotonic() - begun < 0.05
        time.sleep(0.2)
        back()
        wait_until(lambda: sids(reader) == ["1.2"], "the state of now", 2)
        roster.forget("1.2")
        roster.record(connection("1.1"))
        wait_until(lambda: sids(reader) == ["1.1"], "the state of before", 2)


def test_reading_is_refused_while_redis_is_away(redis_server: RedisServer, reader):
    redis_server.stop()
    for read in (reader.connections, reader.totals, reader.workers):
        begun = time.monotonic()
        with pytest.raises(BrokerUnavailable):
            read()
        assert time.monotonic() - begun < 0.2


def test_a_worker_that_cannot_describe_itself_keeps_its_connections(
    redis_server: RedisServer, reader, caplog
):
    roster = RedisRoster(redis_server.url, "a", lease=LEASE)

    def fail():
        raise OSError("no /proc here")

    roster.start(fail)
    try:
        roster.record(connection("1.1"))
        shows(reader, "1.1")
        assert reader.workers() == []
        assert "worker_not_described" in caplog.messages
    finally:
        roster.stop()


def test_half_a_surrogate_pair_in_a_browsers_name_is_replaced(redis_roster, reader):
    redis_roster("a").record(connection("1.1", user_agent="a\ud800b"))
    shows(reader, "1.1")
    assert reader.connections()[0].user_agent == "a?b"


@pytest.mark.parametrize(
    "rubbish", [b"", b"no JSON", b"[]", b'{"sid": "1.2"}', b"\xff\xfe", b'"' + b"x" * 70_000 + b'"']
)
def test_unreadable_entries_are_passed_over(redis_server: RedisServer, redis_roster, reader, rubbish: bytes):
    roster = redis_roster("a")
    roster.record(connection("1.1"))
    roster.record(connection("1.2"))
    shows(reader, "1.2", "1.1")
    redis_server.client().hset("mechamap:{rt}:roster:records:a", "1.2", rubbish)
    assert sids(reader) == ["1.1"]
    assert reader.connections(sid="1.2") == []


def test_a_clean_stop_leaves_no_key_behind(redis_server: RedisServer, redis_roster, reader):
    roster = redis_roster("a")
    roster.record(connection("1.1"))
    shows(reader, "1.1")
    roster.stop()
    assert redis_server.client().keys() == []


def test_a_writer_that_ends_by_an_error_is_reported(redis_server: RedisServer):
    lost = []
    roster = RedisRoster(redis_server.url, "a", on_lost=lost.append)
    roster.start(lambda: describe("a"))
    try:
        # A name that is no text cannot be written; only a bug gets here.
        roster.record(connection("1.1", name=object()))
        wait_until(lambda: lost == ["roster-writer"], "the loss to be reported", 2)
    finally:
        roster.stop()
