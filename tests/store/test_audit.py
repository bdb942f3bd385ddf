"""The audit log in our own table."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from mechamap.domain.acts import Act
from mechamap.store.audit import BATCH, AuditFilter, AuditTrail
from mechamap.store.own import AuditEntry
from mechamap.store.retention import Retention

from .site import Server, Serving


def test_what_is_recorded_is_listed_newest_first(own_server: Server) -> None:
    trail = AuditTrail(own_server.databases.own)
    trail.record("anna", Act.KEY_CREATE, "key:blog", address="127.0.0.1", request_id="r1")
    trail.record("anna", Act.CONNECTION_CLOSE, "user:2", outcome="refused", detail="đã khoá 🔩")
    second, first = trail.recent()
    assert (first.actor, first.action, first.target, first.outcome) == (
        "anna",
        "key.create",
        "key:blog",
        "ok",
    )
    assert (first.address, first.request_id) == ("127.0.0.1", "r1")
    assert (second.outcome, second.detail, second.address) == ("refused", "đã khoá 🔩", None)
    assert first.at.tzinfo is not None


def test_a_page_starts_where_it_is_told(own_server: Server) -> None:
    trail = AuditTrail(own_server.databases.own)
    for number in range(5):
        trail.record("anna", Act.CONNECTION_CLOSE, f"user:{number}")
    assert [row.target for row in trail.recent(limit=2, offset=1)] == ["user:3", "user:2"]


def test_text_that_is_too_long_is_cut_instead_of_lost(own_server: Server) -> None:
    trail = AuditTrail(own_server.databases.own)
    trail.record(
        "a" * 300, Act.KEY_CREATE, "c" * 300, outcome="d" * 300, detail="e" * 3000, address="f" * 300
    )
    row = trail.recent()[0]
    assert (len(row.actor), len(row.target), len(row.detail)) == (191, 255, 1000)
    assert row.detail.endswith("…")


def test_a_database_that_cannot_take_the_row_is_logged_and_not_raised(
    server_for: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    AuditTrail(server_for(migrate=False).databases.own).record("anna", Act.CONNECTION_CLOSE, "user:2")
    assert "audit_not_written" in caplog.messages


@pytest.fixture
def told(own_server: Server) -> AuditTrail:
    trail = AuditTrail(own_server.databases.own)
    for actor, action, target, outcome in (
        ("admin:1", Act.KEY_CREATE, "key:blog", "ok"),
        ("admin:12", Act.KEY_REVOKE, "key:100%_sure", "ok"),
        ("cli:anna", Act.USER_BLOCK, "user:2", "key_not_found"),
        ("admin:1", Act.CONNECTION_CLOSE, "user:2", "broker_unavailable"),
    ):
        trail.record(actor, action, target, outcome=outcome)
    return trail


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (AuditFilter(), [3, 2, 1, 0]),
        (AuditFilter(actor="admin:"), [3, 1, 0]),
        (AuditFilter(actor="cli"), [2]),
        (AuditFilter(action="key."), [1, 0]),
        (AuditFilter(action="revoke"), []),
        (AuditFilter(target="user:2"), [3, 2]),
        (AuditFilter(target="%_"), [1]),
        (AuditFilter(target="g%s"), []),
        (AuditFilter(outcome="ok"), [1, 0]),
        (AuditFilter(outcome="refused"), [3, 2]),
        (AuditFilter(outcome="key_not_found"), [2]),
        (AuditFilter(actor="admin", target="user:2"), [3]),
        (AuditFilter(since=datetime.now(UTC) + timedelta(hours=1)), []),
        (AuditFilter(until=datetime.now(UTC) - timedelta(hours=1)), []),
        (
            AuditFilter(since=datetime(2026, 1, 1, tzinfo=UTC), until=datetime(2100, 1, 1, tzinfo=UTC)),
            [3, 2, 1, 0],
        ),
    ],
)
def test_rows_are_found_by_who_what_and_when(told: AuditTrail, wanted: AuditFilter, found: list[int]) -> None:
    every = [row.id for row in told.recent(4)][::-1]
    rows = told.recent(4, wanted=wanted)
    assert [every.index(row.id) for row in rows if row.id in every] == found
    assert [row.id for row in told.each(wanted, 4)] == [row.id for row in rows]


def test_a_long_log_is_read_in_pieces_and_old_rows_are_removed_in_pieces(own_server: Server) -> None:
    trail, source = AuditTrail(own_server.databases.own), own_server.databases.own
    old = datetime.now(UTC) - timedelta(days=400)
    row = {"actor": "x", "action": "kick", "outcome": "ok", "detail": ""}
    with source.write() as connection:
        connection.execute(
            insert(AuditEntry), [{**row, "at": old, "target": f"old:{n}"} for n in range(BATCH * 2 + 1)]
        )
    trail.record("anna", Act.CONNECTION_CLOSE, "young")
    wanted = AuditFilter(target="old:")
    read = [each.target for each in trail.each(wanted, 10_000)]
    assert read == [f"old:{n}" for n in reversed(range(BATCH * 2 + 1))]
    assert len(list(trail.each(wanted, BATCH + 1))) == BATCH + 1
    assert Retention(trail, 401).prune() == 0
    assert Retention(trail, 365).prune() == BATCH * 2 + 1
    assert trail.recent(wanted=wanted) == []
    assert trail.recent(1)[0].target == "young"


@pytest.mark.parametrize(
    ("action", "found"),
    [
        ("connection.close", ["connection.close", "client.kick", "channels.disconnect"]),
        ("connection", ["connection.close", "client.kick", "channels.disconnect"]),
        ("client.kick", ["connection.close", "client.kick", "channels.disconnect"]),
        ("token.revoke", ["tokens.revoke"]),
        ("tokens", ["tokens.revoke"]),
        ("client", ["client.kick"]),
        ("of.another.version", ["of.another.version"]),
        ("key", []),
    ],
)
def test_an_act_is_found_under_each_name_it_ever_had(
    own_server: Server, action: str, found: list[str]
) -> None:
    trail, source = AuditTrail(own_server.databases.own), own_server.databases.own
    row = {"at": datetime.now(UTC), "actor": "x", "target": "former", "outcome": "ok", "detail": ""}
    former = ("of.another.version", "tokens.revoke", "channels.disconnect", "client.kick")
    with source.write() as connection:
        connection.execute(insert(AuditEntry), [{**row, "action": name} for name in former])
    trail.record("x", Act.CONNECTION_CLOSE, "former")
    wanted = AuditFilter(action=action, target="former")
    assert [each.action for each in trail.recent(wanted=wanted)] == found
