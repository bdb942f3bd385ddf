"""``users.last_seen_at`` as Laravel writes it, throttled, and only where there is such a column."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from mechamap.domain.errors import DirectoryUnavailable
from mechamap.store.laravel.last_seen import LaravelLastSeen

from .site import Serving, Site

NOW = datetime(2026, 3, 1, 20, 15, 30, 250000, tzinfo=UTC)
NOW_IN_SAIGON = "2026-03-02 03:15:30"
OLD = "2026-02-01 00:00:00"


def notes(site: Site, server_for: Serving, now: datetime = NOW) -> LaravelLastSeen:
    server = server_for(site.url, APP_TIMEZONE="Asia/Ho_Chi_Minh")
    return LaravelLastSeen(server.databases.laravel, server.settings, now=lambda: now)


def last_seen(site: Site) -> dict[int, str]:
    rows = site.execute("SELECT id, last_seen_at FROM users ORDER BY id")
    return {row[0]: None if row[1] is None else str(row[1])[:19] for row in rows}


@pytest.fixture
def people(application_site: Site) -> Site:
    for user_id in (1, 2, 3):
        application_site.add_user(user_id, updated_at=OLD)
    return application_site


def test_who_is_here_is_noted_by_laravels_clock_and_nothing_else_changes(people: Site, server_for: Serving):
    notes(people, server_for).seen({1, 3, 99}, 60)
    assert last_seen(people) == {1: NOW_IN_SAIGON, 2: None, 3: NOW_IN_SAIGON}
    assert {str(row[0])[:19] for row in people.execute("SELECT updated_at FROM users")} == {OLD}


def test_who_was_noted_within_the_minute_is_not_noted_again(people: Site, server_for: Serving):
    notes(people, server_for).seen({1}, 60)
    notes(people, server_for, NOW + timedelta(seconds=59)).seen({1, 2}, 60)
    assert last_seen(people) == {1: NOW_IN_SAIGON, 2: "2026-03-02 03:16:29", 3: None}
    notes(people, server_for, NOW + timedelta(seconds=60)).seen({1, 2}, 60)
    assert last_seen(people) == {1: "2026-03-02 03:16:30", 2: "2026-03-02 03:16:29", 3: None}


def test_a_time_that_lies_ahead_is_put_right(people: Site, server_for: Serving):
    notes(people, server_for, NOW + timedelta(hours=1)).seen({1}, 60)
    notes(people, server_for).seen({1}, 60)
    assert last_seen(people)[1] == NOW_IN_SAIGON


def test_many_users_are_noted_with_few_statements(people: Site, server_for: Serving):
    people.add("users", *({"id": n, "name": f"u{n}", "username": f"u{n}", "email": f"u{n}@x"}
                          for n in range(10, 710)))  # fmt: skip
    told = notes(people, server_for)
    updates = []
    engine = told._schema.source.engine

    @event.listens_for(engine, "before_cursor_execute")
    def count(connection, cursor, statement, *rest):
        updates.extend([statement] * statement.startswith("UPDATE"))

    told.seen(range(10, 710), 60)
    assert len(updates) == 2
    assert list(last_seen(people).values()).count(NOW_IN_SAIGON) == 700


def test_without_the_column_nothing_happens(people: Site, server_for: Serving):
    people.execute("ALTER TABLE users DROP COLUMN last_seen_at")
    notes(people, server_for).seen({1}, 60)


def test_impossible_ids_are_passed_over(people: Site, server_for: Serving):
    notes(people, server_for).seen({0, -1, 2**63, 2**70, 2}, 60)
    assert last_seen(people)[2] == NOW_IN_SAIGON


def test_a_database_that_is_away_is_an_error_of_ours(server_for: Serving):
    server = server_for("mysql://nobody@127.0.0.1:9/none", migrate=False)
    with pytest.raises(DirectoryUnavailable):
        LaravelLastSeen(server.databases.laravel, server.settings).seen({1}, 60)
