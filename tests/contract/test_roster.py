"""What every roster promises."""

from dataclasses import replace

import pytest

from mechamap.presence.protocol import ConnectionRecord
from tests.contract.conftest import describe
from tests.services.processes import wait_until


def connection(sid: str, user_id: int = 7, **fields) -> ConnectionRecord:
    values = {
        "name": "Hà",
        "role": "member",
        "worker": "a",
        "transport": "websocket",
        "address": "203.0.113.9",
        "user_agent": "Mozilla/5.0",
        "kind": "jwt",
        "connected_at": 1000.5,
        "expires_at": None,
        "channels": ("private-user.7", "public.news"),
    }
    return ConnectionRecord(sid=sid, user_id=user_id, **{**values, **fields})


def sids(roster, **query) -> list[str]:
    return [record.sid for record in roster.connections(**query)]


def shows(roster, *expected: str) -> None:
    """Wait, for as long as a roster may take, until exactly these are listed, newest first."""
    wait_until(lambda: sids(roster) == list(expected), f"{expected}", 0.5)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"name": None, "role": None, "address": None, "user_agent": None, "channels": ()},
        {"expires_at": 2000.25, "user_agent": 'a "quoted" \\ and\nbroken one 🔩', "kind": "sanctum"},
    ],
    ids=["plain", "nothing known", "odd"],
)
def test_a_recorded_connection_is_listed_with_everything_recorded(roster, fields):
    sent = connection("1.1", **fields)
    roster.record(sent)
    shows(roster, "1.1")
    assert roster.connections() == [sent]


def test_a_forgotten_connection_is_no_longer_listed(roster):
    roster.record(connection("1.1"))
    roster.record(connection("1.2", connected_at=2000.0))
    shows(roster, "1.2", "1.1")
    roster.forget("1.2")
    shows(roster, "1.1")


def test_forgetting_what_is_not_there_changes_nothing(roster):
    roster.record(connection("1.1"))
    roster.forget("9.9")
    shows(roster, "1.1")


def test_a_connection_that_came_and_went_at_once_is_never_listed(roster):
    roster.record(connection("1.1"))
    roster.forget("1.1")
    roster.record(connection("1.2"))
    shows(roster, "1.2")
    assert roster.totals() == (1, 1)


def test_recording_again_replaces(roster):
    roster.record(connection("1.1"))
    shows(roster, "1.1")
    changed = connection("1.1", channels=("public.news",))
    roster.record(changed)
    wait_until(lambda: roster.connections() == [changed], "the change", 0.5)
    assert roster.totals() == (1, 1)


def test_a_connection_recorded_for_another_user_leaves_the_first(roster):
    roster.record(connection("1.1", 7))
    shows(roster, "1.1")
    roster.record(connection("1.1", 8))
    wait_until(lambda: sids(roster, user_id=8) == ["1.1"], "the change", 0.5)
    assert sids(roster, user_id=7) == []
    assert roster.totals() == (1, 1)


def test_the_newest_come_first_and_the_limit_keeps_those(roster):
    for n in (3, 1, 2, 5, 4):
        roster.record(connection(f"1.{n}", connected_at=1000.0 + n))
    shows(roster, "1.5", "1.4", "1.3", "1.2", "1.1")
    assert sids(roster, limit=2) == ["1.5", "1.4"]
    assert sids(roster, limit=0) == []


def test_connections_are_found_by_user_and_by_session(roster):
    roster.record(connection("1.1", 7))
    roster.record(connection("1.2", 8, connected_at=1001.0))
    roster.record(connection("1.3", 7, connected_at=1002.0))
    shows(roster, "1.3", "1.2", "1.1")
    assert sids(roster, user_id=7) == ["1.3", "1.1"]
    assert sids(roster, user_id=7, limit=1) == ["1.3"]
    assert sids(roster, sid="1.2") == ["1.2"]
    assert sids(roster, user_id=7, sid="1.1") == ["1.1"]
    assert sids(roster, user_id=8, sid="1.1") == []
    assert sids(roster, user_id=9) == []
    assert sids(roster, sid="9.9") == []


def test_totals_count_connections_and_distinct_users(roster):
    assert roster.totals() == (0, 0)
    for n, user in enumerate((7, 7, 8)):
        roster.record(connection(f"1.{n}", user))
    wait_until(lambda: roster.totals() == (3, 2), "three connections of two users", 0.5)
    roster.forget("1.0")
    wait_until(lambda: roster.totals() == (2, 2), "two connections of two users", 0.5)
    roster.forget("1.1")
    wait_until(lambda: roster.totals() == (1, 1), "one connection", 0.5)


def test_a_worker_is_listed_as_it_describes_itself(roster):
    wait_until(roster.workers, "the worker", 0.5)
    assert roster.workers() == [describe("a")]


def test_a_thousand_and_more_connections_are_counted_and_listed_to_the_limit(roster):
    for n in range(1500):
        roster.record(connection(f"1.{n}", n + 1, connected_at=float(n)))
    wait_until(lambda: roster.totals() == (1500, 1500), "all of them", 2)
    listed = roster.connections()
    assert [record.sid for record in listed] == [f"1.{n}" for n in range(1499, 499, -1)]
    assert listed[0] == replace(connection("1.1499", 1500), connected_at=1499.0)


def test_a_stopped_roster_has_nothing(roster):
    roster.record(connection("1.1"))
    shows(roster, "1.1")
    roster.stop()
    assert roster.connections() == []
    assert roster.totals() == (0, 0)
    assert roster.workers() == []
