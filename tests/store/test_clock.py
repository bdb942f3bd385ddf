"""Laravel's wall clock, and what it becomes in a server that lives in another time zone."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from mechamap.store.laravel.clock import instant, wall_clock
from mechamap.store.laravel.notifications import LaravelNotifications
from tests.services.mariadb import MariaDBServer

from . import shapes
from .site import Serving, Site

MOMENT = datetime(2026, 7, 1, 18, 30, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "written"),
    [
        ("UTC", "2026-07-01 18:30:00"),
        ("Asia/Ho_Chi_Minh", "2026-07-02 01:30:00"),
        ("Europe/Berlin", "2026-07-01 20:30:00"),
    ],
)
def test_a_moment_is_written_in_the_zone_and_read_back_as_the_same_moment(zone: str, written: str) -> None:
    assert wall_clock(MOMENT, zone) == written
    assert instant(written, zone) == MOMENT
    assert instant(datetime.fromisoformat(written), zone) == MOMENT


@pytest.mark.parametrize("nothing", [None, "0000-00-00 00:00:00", "soon", "", 7])
def test_what_is_no_time_is_no_moment(nothing: object) -> None:
    assert instant(nothing, "UTC") is None


@pytest.fixture
def western_server(mariadb_server: MariaDBServer) -> Iterator[MariaDBServer]:
    """A database server whose sessions live in a zone that is neither ours nor Laravel's."""
    mariadb_server.execute("SET GLOBAL time_zone = '-05:00'")
    yield mariadb_server
    mariadb_server.execute("SET GLOBAL time_zone = 'SYSTEM'")


def test_laravel_reads_the_time_we_wrote_whatever_zone_the_server_is_in(
    western_server: MariaDBServer, server_for: Serving
) -> None:
    site = Site(western_server.create_database("zones"))
    site.create(shapes.APPLICATION)
    site.add_user(2)
    site.add("notifications", id=1, user_id=2, type="t", title="t", message="m")
    server = server_for(site.url, APP_TIMEZONE="Asia/Ho_Chi_Minh")
    LaravelNotifications(server.databases.laravel, server.settings, now=lambda: MOMENT).mark_read(2, [1])
    # a session as Laravel's: time_zone never set
    read_at = western_server.execute("SELECT read_at FROM notifications", database="zones")[0][0]
    assert str(read_at) == "2026-07-02 01:30:00"
    site.engine.dispose()
