"""Which of the connected users are noted as seen, and when."""

import pytest

from mechamap.domain.errors import DirectoryUnavailable
from mechamap.hub.last_seen import EVERY, LastSeen


class Notes:
    """Implements ``SeenUsers``; ``away`` makes it unavailable."""

    def __init__(self) -> None:
        self.noted: list[list[int]] = []
        self.away = False

    def seen(self, user_ids, seconds) -> None:
        if self.away:
            raise DirectoryUnavailable("The database is away.")
        assert seconds == EVERY
        self.noted.append(sorted(user_ids))


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def last_seen(world, notes) -> LastSeen:
    return LastSeen(world.hub.connections, notes, clock=lambda: world.now)


def test_everyone_here_is_noted_together_and_once_a_minute(world, notes, last_seen):
    world.connect("1.1", 7)
    world.connect("1.2", 7)
    world.connect("1.3", 8)
    last_seen.note()
    world.now += EVERY - 1
    world.connect("1.4", 4)
    last_seen.note()
    world.now += 1
    last_seen.note()
    assert notes.noted == [[7, 8], [4], [7, 8]]


def test_nobody_here_costs_no_question(world, notes, last_seen):
    last_seen.note()
    assert notes.noted == []


def test_who_left_is_not_noted_and_who_returns_is(world, notes, last_seen):
    world.connect("1.1", 7)
    last_seen.note()
    world.hub.disconnect("1.1", "transport_close")
    world.now += EVERY
    last_seen.note()
    world.connect("1.2", 7)
    last_seen.note()
    assert notes.noted == [[7], [7]]


def test_while_the_database_is_away_nobody_counts_as_noted(world, notes, last_seen):
    world.connect("1.1", 7)
    notes.away = True
    last_seen.note()
    notes.away = False
    last_seen.note()
    assert notes.noted == [[7]]
