"""The audit log in our own table."""

import pytest

from mechamap.store.audit import AuditTrail

from .site import Server, Serving


def test_what_is_recorded_is_listed_newest_first(own_server: Server) -> None:
    trail = AuditTrail(own_server.databases.own)
    trail.record("anna", "key.create", "key:blog", address="127.0.0.1", request_id="r1")
    trail.record("anna", "kick", "user:2", outcome="refused", detail="đã khoá 🔩")
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
        trail.record("anna", "kick", f"user:{number}")
    assert [row.target for row in trail.recent(limit=2, offset=1)] == ["user:3", "user:2"]


def test_text_that_is_too_long_is_cut_instead_of_lost(own_server: Server) -> None:
    trail = AuditTrail(own_server.databases.own)
    trail.record("a" * 300, "b" * 300, "c" * 300, outcome="d" * 300, detail="e" * 3000, address="f" * 300)
    row = trail.recent()[0]
    assert (len(row.actor), len(row.action), len(row.target), len(row.detail)) == (191, 64, 255, 1000)
    assert row.detail.endswith("…")


def test_a_database_that_cannot_take_the_row_is_logged_and_not_raised(
    server_for: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    AuditTrail(server_for(migrate=False).databases.own).record("anna", "kick", "user:2")
    assert "audit_not_written" in caplog.messages
