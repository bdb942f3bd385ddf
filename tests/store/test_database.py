"""Which databases are opened, with what limits, and when they are one."""

from pathlib import Path

import pytest
from sqlalchemy import make_url

from mechamap.domain.errors import Unavailable
from mechamap.environment import SettingsError
from mechamap.store.breaker import State
from mechamap.store.database import address, engine_options

from .site import Serving


@pytest.mark.parametrize("scheme", ["mysql", "mariadb", "mysql+pymysql", "mariadb+pymysql", "mysql+mysqldb"])
def test_every_spelling_of_mysql_means_pymysql_in_utf8mb4(scheme: str) -> None:
    url = address(f"{scheme}://u:p@db.example:3307/site", "DATABASE_URL")
    assert (url.drivername, url.host, url.port, url.password) == ("mysql+pymysql", "db.example", 3307, "p")
    assert url.query["charset"] == "utf8mb4"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("nonsense", "is not a database URL"),
        ("postgresql://u:secret@db/site", "begins with postgresql://"),
        ("mysql://u:secret@db", "names no database"),
    ],
)
def test_a_url_we_cannot_serve_is_refused_without_showing_its_password(url: str, problem: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        address(url, "LARAVEL_DATABASE_URL")
    assert problem in str(refusal.value)
    assert "LARAVEL_DATABASE_URL" in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_every_wait_for_mysql_is_bounded() -> None:
    options = engine_options(make_url("mysql+pymysql://u@db/site"))
    assert options["connect_args"] == {"connect_timeout": 2, "read_timeout": 3, "write_timeout": 3}
    assert (options["pool_size"], options["max_overflow"], options["pool_timeout"]) == (5, 5, 2)
    assert options["pool_pre_ping"]


def test_equal_addresses_share_one_pool_and_one_breaker(server_for: Serving) -> None:
    databases = server_for().databases
    assert databases.shared
    assert databases.own.breaker is databases.laravel.breaker


def test_two_spellings_of_one_address_are_equal(server_for: Serving) -> None:
    server = server_for("mariadb://u@127.0.0.1:1/site", own="mysql://u@127.0.0.1:1/site", migrate=False)
    assert server.databases.shared


def test_different_addresses_have_their_own_pools(server_for: Serving, tmp_path: Path) -> None:
    databases = server_for(f"sqlite:///{tmp_path / 'laravel.sqlite'}").databases
    assert not databases.shared
    assert databases.own.breaker is not databases.laravel.breaker


def test_the_folder_of_a_sqlite_file_is_made(server_for: Serving, tmp_path: Path) -> None:
    server_for(own=f"sqlite:///{tmp_path / 'deep' / 'er' / 'own.sqlite'}")
    assert (tmp_path / "deep" / "er" / "own.sqlite").exists()


def test_sqlite_waits_for_locks_keeps_readers_going_and_minds_foreign_keys(server_for: Serving) -> None:
    with server_for().databases.own.read() as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "busy_timeout", "foreign_keys")
        ]
    assert found == ["wal", 2000, 1]


def test_nothing_is_connected_until_it_is_asked(server_for: Serving) -> None:
    databases = server_for("mysql://u@127.0.0.1:1/site", migrate=False).databases
    assert databases.laravel.engine.pool.status().startswith("Pool size: 5  Connections in pool: 0")


def test_a_block_that_raises_changes_nothing(server_for: Serving) -> None:
    own = server_for().databases.own
    with own.write() as connection:
        connection.exec_driver_sql("CREATE TABLE parts (id INTEGER)")
    with pytest.raises(KeyError), own.write() as connection:
        connection.exec_driver_sql("INSERT INTO parts VALUES (1)")
        raise KeyError
    with own.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM parts").scalar_one() == 0


def test_a_locked_sqlite_file_is_busy_and_not_away(server_for: Serving) -> None:
    own = server_for().databases.own
    with own.write() as holder:
        holder.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="too busy"), own.write() as connection:
            connection.exec_driver_sql(
                "INSERT INTO rt_revoked_tokens VALUES (1, 'd', 7, '2026-01-01', '2026-01-01')"
            )
    assert own.breaker.state is State.CLOSED


def test_a_file_that_cannot_be_opened_is_away(server_for: Serving, tmp_path: Path) -> None:
    own = server_for(own=f"sqlite:///{tmp_path / 'own.sqlite'}", migrate=False).databases.own
    (tmp_path / "own.sqlite").mkdir()
    with pytest.raises(Unavailable, match="does not answer"):
        own.ping()
    assert own.breaker.state is State.OPEN
