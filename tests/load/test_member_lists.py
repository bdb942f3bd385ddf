"""Hundreds of people join and leave one presence channel in one moment, on two workers: what each page was
told sums up to who is there."""

import os
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing

import gevent
import pytest

from tests.integration.conftest import KEY, plan_database, settings
from tests.services.application import Application
from tests.services.processes import wait_until

from .member_pages import CHANNEL, MemberPage

FIRST = 1000
"""The first id of the crowd; lists have 200 members."""
GRACE = 1.0

Crowd = Callable[[int, int], list[MemberPage]]


@pytest.fixture
def server(serve, redis_server, tmp_path) -> Application:
    """Two workers, and a crowd of people that may join the thread."""
    path = tmp_path / "laravel.sqlite"
    url = plan_database(path)
    with closing(sqlite3.connect(path)) as database, database:
        people = [(FIRST + number, f"Người {number}", f"{number}@x", "member") for number in range(1000)]
        database.executemany("INSERT INTO users VALUES (?, ?, ?, ?)", people)
    return serve(
        settings(
            REDIS_URL=redis_server.url,
            WEB_CONCURRENCY="2",
            LARAVEL_DATABASE_URL=url,
            PRESENCE_GRACE_SECONDS=str(GRACE),
        )
    )


@pytest.fixture
def crowd(server: Application) -> Iterator[Crowd]:
    """Connect pages of these many users, from that one on."""
    made: list[MemberPage] = []

    def connect(first: int, number: int) -> list[MemberPage]:
        pages = [MemberPage(server.port, FIRST + first + place) for place in range(number)]
        made.extend(pages)
        wait_until(lambda: all(page.ready for page in pages), "everybody to be connected", 60)
        return pages

    yield connect
    for page in made:
        page.close()


def members(server: Application) -> tuple[set[int], int]:
    """Who is there, and how many, as Laravel is told."""
    found, total, after = set(), 0, 0
    while after is not None:
        path = f"/api/channels/{CHANNEL}/members?limit=1000&after={after}"
        told = server.get(path, headers={"X-API-Key": KEY}).json()
        found |= {member["user_id"] for member in told["members"]}
        total, after = told["total"], told["after"]
    return found, total


def everybody_knows(server: Application, pages: list[MemberPage], true: set[int], seconds: float) -> None:
    """Wait until each page has exactly these members and their number."""

    def wrong() -> list[MemberPage]:
        return [
            page for page in pages if not (page.whole and page.members == true and page.total == len(true))
        ]

    try:
        wait_until(
            lambda: not wrong() and members(server) == (true, len(true)), "all to be told of all", seconds
        )
    except AssertionError:
        assert members(server) == (true, len(true))
        off = Counter(page.total - len(true) if page.total is not None else None for page in wrong())
        sets = Counter((len(true - page.members), len(page.members - true)) for page in wrong())
        refused = next((page.refused for page in pages if page.refused), None)
        pytest.fail(
            f"of {len(pages)} pages {len(wrong())} are wrong: "
            f"total off by {off}; sets {sets}; refused {refused}"
        )


def test_all_who_join_in_one_moment_know_all(server, crowd: Crowd):
    pages = crowd(0, 500)
    for page in pages:
        page.enter()
    everybody_knows(server, pages, {page.user_id for page in pages}, 40)
    assert [page.refused for page in pages if page.refused] == []


def test_those_who_stay_know_who_came_and_went_meanwhile(server, crowd: Crowd):
    stay, come, leave, drop = crowd(0, 150), crowd(150, 150), crowd(300, 80), crowd(380, 80)
    for page in (*stay, *leave, *drop):
        page.enter()
    for number, page in enumerate(come):
        page.enter()
        if number < len(leave):
            leave[number].leave()
            drop[number].close()
        if number % 10 == 0:
            gevent.sleep(0.01)
    pages = [*stay, *come]
    everybody_knows(server, pages, {page.user_id for page in pages}, 40)


def test_those_of_a_worker_that_is_killed_meanwhile_are_known_to_be_gone(server, crowd: Crowd):
    pages = crowd(0, 300)
    for page in pages[:200]:
        page.enter()
    wait_until(lambda: sum(page.total is not None for page in pages) > 50, "some to have joined", 20)
    for page in pages[200:]:
        page.enter()
    os.kill(server.workers()[0], signal.SIGKILL)
    wait_until(lambda: any(page.ended for page in pages), "connections to break", 5)
    wait_until(lambda: all(page.whole or page.ended for page in pages), "the others to have joined", 20)
    left = [page for page in pages if not page.ended]
    assert left
    everybody_knows(server, left, {page.user_id for page in left}, 30)
