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

from tests.cli.terminal import Terminal
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
    told = server.get(f"/api/channels/{CHANNEL}/members?limit=1000", headers={"X-API-Key": KEY}).json()
    assert told["after"] is None
    return {member["user_id"] for member in told["members"]}, told["total"]


def over_http(server: Application, limit: int = 100) -> Iterator[int]:
    """The members page by page, as Laravel asks for them."""
    after = 0
    while after is not None:
        path = f"/api/channels/{CHANNEL}/members?limit={limit}&after={after}"
        told = server.get(path, headers={"X-API-Key": KEY}).json()
        yield from (member["user_id"] for member in told["members"])
        after = told["after"]


def on_the_command_line(server: Application, limit: int = 100) -> Iterator[int]:
    """The members page by page, as an operator sees them."""
    after = 0
    while after is not None:
        words = ("channels", "members", CHANNEL, "--limit", str(limit), "--after", str(after), "--json")
        told = Terminal(server.settings).flask(*words).succeeded().json()
        yield from (member["user_id"] for member in told["members"])
        after = told["after"]


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
        off = Counter(page.total - len(true) if page.total is not None else None for page in wrong())
        sets = Counter((len(true - page.members), len(page.members - true)) for page in wrong())
        refused = Counter(told["code"] for page in pages for told in page.refused)
        pytest.fail(
            f"of {len(pages)} pages {len(wrong())} are wrong: "
            f"total off by {off}; sets {sets}; refused {refused}; in truth {members(server)[1]}"
        )


def test_all_who_join_in_one_moment_know_all(server, crowd: Crowd):
    pages = crowd(0, 230)
    for page in pages:
        page.enter()
    everybody_knows(server, pages, {page.user_id for page in pages}, 40)


def test_those_who_stay_know_who_came_and_went_meanwhile(server, crowd: Crowd):
    stay, come, leave, drop = crowd(0, 130), crowd(130, 60), crowd(190, 40), crowd(230, 40)
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


def test_a_worker_that_died_while_it_published_leaves_nobody_with_a_wrong_number(
    server, crowd: Crowd, redis_server
):
    pages = crowd(0, 10)
    for page in pages:
        page.enter()
    everybody_knows(server, pages, {page.user_id for page in pages}, 10)
    more = crowd(10, 210)
    redis_server.client().set("mechamap:{rt}:members:drainer", "dead", px=3000)
    for page in more:
        page.enter()
    pages += more
    everybody_knows(server, pages, {page.user_id for page in pages}, 40)
    again = [page for page in more if [what for what, _ in page.told].count("list") == 2]
    assert again, "lists did not wait for the dead one, and came again"


def test_laravel_and_the_command_line_see_each_member_once_while_others_come_and_go(server, crowd: Crowd):
    stay, restless = crowd(0, 60), crowd(60, 5)
    for page in stay:
        page.enter()
    everybody_knows(server, stay, {page.user_id for page in stay}, 20)
    steady, moving = {page.user_id for page in stay}, {page.user_id for page in restless}

    def come_and_go() -> None:
        while True:
            for page in restless:
                page.enter()
                page.leave()
            gevent.sleep(0.3)

    moves = gevent.spawn(come_and_go)
    try:
        for read, limit in ((over_http, 7), (on_the_command_line, 40), (over_http, 20)):
            found = list(read(server, limit))
            assert len(found) == len(set(found)), "a page began before the end of the one before"
            assert steady <= set(found) <= steady | moving
    finally:
        moves.kill()
    for page in restless:
        page.close()
    everybody_knows(server, stay, steady, 20)
    assert sorted(on_the_command_line(server, limit=50)) == sorted(steady)


def test_those_of_a_worker_that_is_killed_meanwhile_are_known_to_be_gone(server, crowd: Crowd):
    pages = crowd(0, 230)
    for page in pages[:180]:
        page.enter()
    wait_until(lambda: sum(page.total is not None for page in pages) > 50, "some to have joined", 20)
    for page in pages[180:]:
        page.enter()
    os.kill(server.workers()[0], signal.SIGKILL)
    wait_until(lambda: any(page.ended for page in pages), "connections to break", 5)
    wait_until(lambda: all(page.whole or page.ended for page in pages), "the others to have joined", 20)
    left = [page for page in pages if not page.ended]
    assert left
    everybody_knows(server, left, {page.user_id for page in left}, 30)
