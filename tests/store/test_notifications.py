"""Marking as read in the three shapes, with the owner check and Laravel's own clock."""

from datetime import UTC, datetime
from typing import Any

import pytest

from mechamap.domain.errors import DirectoryUnavailable, NotFound
from mechamap.store.laravel.notifications import LaravelNotifications

from . import shapes
from .site import Serving, Site

NOW = datetime(2026, 3, 1, 20, 15, 30, 250000, tzinfo=UTC)
NOW_IN_SAIGON = "2026-03-02 03:15:30"
MINE, THEIRS, GONE = (f"0197a1b2-0000-7000-8000-00000000000{n}" for n in (1, 2, 9))


def book(site: Site, server_for: Serving, zone: str = "Asia/Ho_Chi_Minh") -> LaravelNotifications:
    server = server_for(site.url, APP_TIMEZONE=zone)
    return LaravelNotifications(server.databases.laravel, server.settings, now=lambda: NOW)


def add(site: Site, table: str = "notifications", **values: Any) -> None:
    site.add(table, **{"type": "comment", "title": "t", "message": "m", "status": "sent", **values})


def read_of(site: Site, table: str = "notifications") -> dict[int, int]:
    return {row[0]: row[1] for row in site.execute(f"SELECT id, is_read FROM {table} ORDER BY id")}


@pytest.fixture
def mine(application_site: Site) -> Site:
    """Users 2 and 3 with unread notifications; 4 is read already."""
    application_site.add_user(2)
    application_site.add_user(3)
    for number, user_id in ((1, 2), (2, 2), (3, 3)):
        add(application_site, id=number, user_id=user_id)
    add(
        application_site,
        id=4,
        user_id=2,
        is_read=1,
        read_at="2026-01-01 00:00:00",
        status="read",
        view_count=1,
    )
    return application_site


def test_marking_sets_what_the_application_sets(mine: Site, server_for: Serving) -> None:
    marked = book(mine, server_for).mark_read(2, [1])
    assert (marked.ids, marked.unread_count, marked.read_at) == ((1,), 1, "2026-03-01T20:15:30.250Z")
    row = mine.execute("SELECT is_read, status, view_count FROM notifications WHERE id = 1")[0]
    assert tuple(row) == (1, "read", 1)


def test_the_time_written_is_the_wall_clock_of_laravels_zone(mine: Site, server_for: Serving) -> None:
    book(mine, server_for).mark_read(2, [1])
    row = mine.execute("SELECT read_at, updated_at FROM notifications WHERE id = 1")[0]
    assert [str(each) for each in row] == [NOW_IN_SAIGON, NOW_IN_SAIGON]


def test_anothers_notification_stays_unread_and_is_not_named(mine: Site, server_for: Serving) -> None:
    assert book(mine, server_for).mark_read(2, [3, 1]).ids == (1,)
    assert read_of(mine)[3] == 0


def test_only_anothers_notification_is_not_found(mine: Site, server_for: Serving) -> None:
    with pytest.raises(NotFound):
        book(mine, server_for).mark_read(2, [3])
    assert read_of(mine)[3] == 0


def test_a_read_one_counts_as_marked_and_stays_as_it_was(mine: Site, server_for: Serving) -> None:
    assert book(mine, server_for).mark_read(2, [4]).ids == (4,)
    row = mine.execute("SELECT read_at, view_count FROM notifications WHERE id = 4")[0]
    assert (str(row[0]), row[1]) == ("2026-01-01 00:00:00", 1)


def test_ids_may_be_texts_and_come_back_as_the_table_has_them_in_the_order_given(
    mine: Site, server_for: Serving
) -> None:
    assert book(mine, server_for).mark_read(2, ["2", 1, "1", "2"]).ids == (2, 1)


@pytest.mark.parametrize("odd", ["1abc", "1 OR 1=1", "", "１", "01", "0", -1, 0, True, 2**63, 10**30, MINE])
def test_what_is_no_id_of_the_table_finds_nothing(mine: Site, server_for: Serving, odd: Any) -> None:
    with pytest.raises(NotFound):
        book(mine, server_for).mark_read(2, [odd])
    assert read_of(mine) == {1: 0, 2: 0, 3: 0, 4: 1}


def test_more_ids_than_one_statement_takes_are_all_marked(mine: Site, server_for: Serving) -> None:
    rows = [
        {"id": number, "user_id": 3, "type": "t", "title": "t", "message": "m"} for number in range(100, 1300)
    ]
    mine.add("notifications", *rows)
    marked = book(mine, server_for).mark_read(3, list(range(100, 1300)))
    assert (len(marked.ids), marked.unread_count) == (1200, 1)


def test_before_the_rename_the_custom_table_is_the_one(site: Site, server_for: Serving) -> None:
    site.create(shapes.BEFORE_THE_RENAME)
    site.add_user(2)
    add(site, "custom_notifications", id=1, user_id=2)
    assert book(site, server_for).mark_read(2, [1]).ids == (1,)
    assert read_of(site, "custom_notifications") == {1: 1}


def test_the_plans_four_columns_are_enough(site: Site, server_for: Serving) -> None:
    site.create(shapes.PLAN)
    site.add("notifications", id=1, user_id=2, is_read=0)
    site.add("notifications", id=2, user_id=2, is_read=0)
    marked = book(site, server_for).mark_read(2, [1])
    assert (marked.ids, marked.unread_count) == ((1,), 1)
    assert str(site.execute("SELECT read_at FROM notifications WHERE id = 1")[0][0]) == NOW_IN_SAIGON


@pytest.fixture
def stock(site: Site) -> Site:
    """Laravel's own table: one notification of user 2, one of user 3, one of a team numbered 2."""
    site.create(shapes.STOCK_LARAVEL)
    for key, kind, owner in ((MINE, "User", 2), (THEIRS, "User", 3), (GONE, "Team", 2)):
        site.add(
            "notifications",
            id=key,
            type="t",
            notifiable_type=f"App\\Models\\{kind}",
            notifiable_id=owner,
            data="{}",
        )
    return site


def test_laravels_own_table_is_marked_by_read_at(stock: Site, server_for: Serving) -> None:
    marked = book(stock, server_for).mark_read(2, [MINE.upper()])
    assert (marked.ids, marked.unread_count) == ((MINE,), 0)
    assert (
        str(stock.execute("SELECT read_at FROM notifications WHERE id = :id", id=MINE)[0][0]) == NOW_IN_SAIGON
    )


@pytest.mark.parametrize("key", [THEIRS, GONE])
def test_in_laravels_own_table_the_owner_is_a_user_of_that_number(
    stock: Site, server_for: Serving, key: str
) -> None:
    with pytest.raises(NotFound):
        book(stock, server_for).mark_read(2, [key])
    assert stock.execute("SELECT count(*) FROM notifications WHERE read_at IS NOT NULL")[0][0] == 0


@pytest.mark.parametrize("odd", [0, 1, "0", "x"])
def test_a_number_never_matches_a_uuid_by_mysqls_conversion(
    stock: Site, server_for: Serving, odd: Any
) -> None:
    with pytest.raises(NotFound):
        book(stock, server_for).mark_read(2, [odd])


def test_without_a_table_of_notifications_it_says_so(site: Site, server_for: Serving) -> None:
    site.create(shapes.APPLICATION[:-1])
    with pytest.raises(DirectoryUnavailable) as refusal:
        book(site, server_for).mark_read(2, [1])
    assert refusal.value.code == "notifications_missing"
