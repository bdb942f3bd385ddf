"""A database that stops, freezes, and comes back."""

import time
from collections.abc import Callable, Iterator

import gevent
import pytest
from gevent.event import Event

from mechamap.domain.errors import DirectoryUnavailable
from mechamap.store.breaker import State
from mechamap.store.laravel.directory import LaravelDirectory
from tests.services.mariadb import MariaDBServer
from tests.services.processes import wait_until

from . import shapes
from .site import Serving, Site


@pytest.fixture
def directory(mariadb_server: MariaDBServer, server_for: Serving) -> Iterator[LaravelDirectory]:
    """User 7 in MariaDB; nothing is remembered, so every question reaches the database."""
    site = Site(mariadb_server.create_database("outage"))
    site.create(shapes.APPLICATION)
    site.add_user(7)
    site.engine.dispose()
    server = server_for(site.url, DIRECTORY_CACHE_SECONDS="0")
    directory = LaravelDirectory(server.databases.laravel, server.settings)
    assert directory.user(7)
    yield directory
    mariadb_server.make_fresh()


def seconds(work: Callable[[], object]) -> float:
    """How long it takes until the directory refuses."""
    started = time.monotonic()
    with pytest.raises(DirectoryUnavailable):
        work()
    return time.monotonic() - started


def answers(directory: LaravelDirectory) -> bool:
    try:
        return directory.user(7) is not None
    except DirectoryUnavailable:
        return False


def test_a_dead_database_is_said_to_be_away_and_then_costs_nothing(
    mariadb_server: MariaDBServer, directory: LaravelDirectory
) -> None:
    mariadb_server.kill()
    seconds(lambda: directory.user(7))
    breaker = directory.schema.source.breaker
    assert breaker.state is State.OPEN
    assert seconds(lambda: [directory.user(7) for _ in range(100)]) < 0.5
    with pytest.raises(DirectoryUnavailable) as refusal:
        directory.users([7])
    assert 1 <= refusal.value.retry_after <= 3


def test_a_database_that_comes_back_is_noticed_without_a_restart(
    mariadb_server: MariaDBServer, directory: LaravelDirectory
) -> None:
    mariadb_server.stop()
    seconds(lambda: directory.user(7))
    mariadb_server.start()
    wait_until(lambda: answers(directory), "the directory to answer again", timeout=6)
    assert directory.schema.source.breaker.state is State.CLOSED


def test_connections_that_the_server_closed_meanwhile_are_replaced_unnoticed(
    mariadb_server: MariaDBServer, directory: LaravelDirectory
) -> None:
    mariadb_server.stop()
    mariadb_server.start()
    assert directory.user(7)


def test_a_frozen_database_holds_a_caller_for_seconds_and_the_next_for_none_but_the_one_who_tries(
    mariadb_server: MariaDBServer, directory: LaravelDirectory
) -> None:
    mariadb_server.pause()
    assert seconds(lambda: directory.users([7])) < 9
    assert seconds(lambda: directory.users([7])) < 0.5
    breaker = directory.schema.source.breaker
    wait_until(lambda: breaker.state is State.HALF_OPEN, "the breaker to let one try", timeout=5)
    trial = gevent.spawn(seconds, lambda: directory.users([7]))
    gevent.sleep(0.05)
    assert seconds(lambda: directory.users([7])) < 0.5
    assert trial.get() > 0.5
    mariadb_server.resume()
    wait_until(lambda: answers(directory), "the directory to answer again", timeout=8)


def test_readiness_answers_within_a_second_however_the_database_fails(
    mariadb_server: MariaDBServer, directory: LaravelDirectory
) -> None:
    mariadb_server.pause()
    started = time.monotonic()
    assert directory.available() == (False, "The Laravel database does not answer.")
    assert time.monotonic() - started < 2
    mariadb_server.resume()
    wait_until(lambda: directory.available()[0], "readiness to turn green", timeout=15)


def test_refused_credentials_are_an_outage_and_not_a_crash(
    mariadb_server: MariaDBServer, server_for: Serving
) -> None:
    url = mariadb_server.url("outage").replace("root@", "nobody:wrong@")
    server = server_for(url)
    with pytest.raises(DirectoryUnavailable, match="refuses our account"):
        LaravelDirectory(server.databases.laravel, server.settings).user(7)


def test_a_full_pool_is_told_and_does_not_open_the_breaker(
    mariadb_server: MariaDBServer, directory: LaravelDirectory
) -> None:
    source = directory.schema.source

    enough = Event()

    def occupy() -> None:
        with source.read():
            enough.wait()

    holders = [gevent.spawn(occupy) for _ in range(10)]
    wait_until(lambda: source.engine.pool.checkedout() == 10, "all connections to be taken")
    with pytest.raises(DirectoryUnavailable, match="too busy"):
        directory.users([7])
    enough.set()
    gevent.joinall(holders, raise_error=True)
    assert source.breaker.state is State.CLOSED
    assert answers(directory)
