"""A user's connections beyond the limit end, the right ones, and no others."""

import pytest

from mechamap.domain.commands import Action, Command
from mechamap.domain.connection_limit import ConnectionLimits
from mechamap.domain.errors import BrokerUnavailable
from mechamap.domain.identity import GUEST
from mechamap.hub.connection_limit import AGAIN, DECIDED, MOST_LIVING, VISIBLE, WITHIN, ConnectionLimit

from .conftest import World


class PingsByHand:
    """Browsers that answer, but for those in ``silent``."""

    def __init__(self) -> None:
        self.silent: set[str] = set()
        self.pinged: list[str] = []

    def ping(self, sid):
        self.pinged.append(sid)

    def answers(self, sid):
        return sid not in self.silent


class Door:
    """A world whose connections are limited, and its clock."""

    def __init__(self, world: World, limits: ConnectionLimits) -> None:
        self.world, self.pings = world, PingsByHand()
        self.limit = ConnectionLimit(
            world.hub.connections,
            world.broker,
            world.roster,
            self.pings,
            limits,
            clock=lambda: world.now,
            wall_clock=lambda: world.now,
            sleep=self.wait,
        )
        world.hub.arrived = self.limit.arrived
        self.surveys: list[Command] = []
        world.hub.commands.survey = self.surveys.append

    def wait(self, seconds: float) -> None:
        self.world.now += seconds

    def open(self, *sids: str, user_id: int = 7, apart: float = 1.0) -> None:
        for sid in sids:
            self.world.connect(sid, user_id)
            self.wait(apart)

    def go_on(self, seconds: float = 3.0) -> None:
        """Let time pass, with a look every quarter of a second."""
        end = self.world.now + seconds
        while self.world.now < end:
            self.limit.look()
            while self.surveys:
                self.limit.answer(self.surveys.pop(0))
            self.wait(0.25)

    @property
    def ended(self) -> list[str]:
        assert set(self.world.transport.closed.values()) <= {"connection_limit"}
        return list(self.world.transport.closed)


@pytest.fixture
def door(build) -> Door:
    return Door(build(max_connections=60), ConnectionLimits())


def test_within_the_limit_nobody_is_asked_about(door):
    door.open("a", "b", "c", "d", "e")
    door.go_on()
    assert (door.pings.pinged, door.ended) == ([], [])


def test_of_six_the_oldest_idle_goes_and_is_told_why(door):
    door.open("a", "b", "c", "d", "e", "f")
    door.world.hub.active("a")
    door.go_on()
    assert door.ended == ["b"]
    assert door.world.transport.events("b", "force_disconnect") == [
        {"code": "connection_limit", "reason": "You have too many connections; the one that was idle the "
         "longest was closed."}
    ]  # fmt: skip
    assert ("disconnection", "connection_limit") in door.world.meter.counts
    assert door.world.roster.counts([7]) == {7: 5}


def test_other_users_are_not_touched(door):
    door.open("a", "b", "c", "d", user_id=8)
    door.open("1", "2", "3", "4", "5", "6")
    door.go_on()
    assert door.ended == ["1"]
    assert set(door.pings.pinged) == {"1", "2", "3", "4", "5", "6"}


def test_a_role_decides_how_many(door):
    door.world.facts.people[7] = type(door.world.facts.people[7])(7, "Guest", "guest")
    door.open("a", "b", "c")
    door.open("m1", "m2", "m3", "m4", "m5", "m6", user_id=4)
    door.go_on()
    assert door.ended == ["a"]


def test_a_browser_that_left_without_a_word_goes_before_an_idle_tab(door):
    door.open("tab1", "tab2", "tab3", "tab4", apart=100)
    reloads = [f"reload{n}" for n in range(15)]
    door.open(*reloads, apart=0.3)
    door.pings.silent = set(reloads[:-1])
    door.go_on(10)
    assert set(door.ended) == set(reloads[:-1])


def test_a_page_that_is_reloaded_again_and_again_takes_no_tab(door):
    door.open("tab1", "tab2", "tab3", "tab4")
    for number in range(30):
        door.open(f"page{number}", apart=0)
        door.go_on(0.25)
        door.world.hub.disconnect(f"page{number}", "transport_close")
    door.open("page")
    door.go_on(10)
    assert door.ended == []


def test_the_older_connection_of_one_session_goes_first(door):
    door.open("tab1", "tab2", "tab3", "tab4", "page")
    door.open("again")
    connections = door.world.hub.connections
    connections.get("again").pid = connections.get("page").pid
    door.go_on()
    assert door.ended == ["page"]


def test_connections_that_nobody_vouches_for_are_not_counted(door):
    """As when a worker died: the roster has its connections until its lease ends."""
    counts = door.world.roster.counts
    door.world.roster.counts = lambda users: {user: n + 5 for user, n in counts(users).items()}
    door.open("a", "b", "c", "d", "e")
    door.go_on(10)
    assert door.ended == []
    door.world.roster.counts = counts
    door.go_on(AGAIN + DECIDED)
    door.pings.pinged.clear()
    door.go_on(10)
    assert door.pings.pinged == []  # and the user is forgotten


def test_a_worker_that_never_answers_is_not_waited_for_long(door):
    door.open("a", "b", "c", "d", "e", "f")
    counts = door.world.roster.counts
    door.world.roster.counts = lambda users: {user: n + 1 for user, n in counts(users).items()}
    door.go_on(VISIBLE + DECIDED + 1)
    assert door.ended == ["a"]


def test_one_that_comes_while_another_is_judged_is_judged_too(door):
    door.open("a", "b", "c", "d", "e", "f")
    door.limit.look()
    door.open("g")
    door.go_on(4)
    assert door.ended == ["a", "b"]


def away(users):
    raise BrokerUnavailable("Redis is away.")


def test_an_outage_postpones_and_forgets_nobody(door):
    door.open("a", "b", "c", "d", "e", "f")
    counts = door.world.roster.counts

    door.world.roster.counts = away
    door.go_on(5)
    assert door.ended == []
    door.world.roster.counts = counts
    door.go_on(3)
    assert door.ended == ["a"]


def test_what_redis_does_not_have_again_yet_is_waited_for(door):
    door.open("a", "b", "c", "d", "e", "f")
    counts = door.world.roster.counts

    door.world.roster.counts = away
    door.go_on(2)
    door.world.roster.counts = lambda users: dict.fromkeys(users, 5)
    door.go_on(0.5)
    door.world.roster.counts = counts
    door.go_on(3)
    assert door.ended == ["a"]


def test_pages_that_come_back_when_sent_away_do_not_go_round_for_ever(door):
    door.open("a", "b", "c", "d", "e")
    for number in range(40):
        door.open(f"again{number}", apart=0)
        door.go_on(1)
        if len(door.world.hub.connections) > 9:
            break
    assert len(door.ended) <= MOST_LIVING
    begun = door.world.now
    door.go_on(WITHIN + 2 * AGAIN)
    assert len(door.world.hub.connections) == 5
    assert door.world.now - begun < 2 * WITHIN


def test_a_flood_has_no_such_grace(door):
    door.open(*(f"f{n}" for n in range(18)), apart=0.01)
    door.go_on(3)
    assert len(door.world.hub.connections) == 5


def test_nobody_is_limited_when_it_is_off(world):
    door = Door(world, ConnectionLimits(0))
    door.open("a", "b", "c", "d", "e", "f", "g")
    door.go_on()
    assert door.ended == []


def test_only_the_worker_with_the_user_s_connections_answers(door):
    answered = []
    door.world.roster.answer = lambda question, standings: answered.append(question)
    door.limit.answer(Command(Action.SURVEY, user_id=99))
    assert answered == []


def test_guests_whom_nobody_tells_apart_are_not_one_user(door):
    about = {"transport": "websocket", "address": None, "user_agent": None}
    for number in range(9):
        door.world.hub.join(door.world.hub.connect(f"1.{number}", GUEST, None, None, **about))
    door.go_on()
    assert (door.pings.pinged, door.ended) == ([], [])
    assert len(door.world.hub.connections) == 9
