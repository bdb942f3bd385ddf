"""What every keeper of sessions promises, and what only the one in Redis has to."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from mechamap.domain.errors import BrokerUnavailable
from mechamap.domain.history import Position
from mechamap.domain.recovery import Kept
from mechamap.recovery import redis as keeper
from mechamap.recovery.memory import MemorySessions
from mechamap.recovery.redis import RedisSessions
from tests.services.processes import wait_until
from tests.services.redis import RedisServer

WINDOW = 0.8
"""Seconds; a lease in Redis is half as much longer and is renewed four times in a window."""
LEASE = 1.5 * WINDOW
PREFIX = "sessions-of-the-test"


@dataclass(eq=False)
class Page:
    """A live connection."""

    pid: str
    sid: str
    user_id: int = 7
    channels: dict[str, int] = field(default_factory=lambda: {"private-user.7": 3})
    position: Position = field(default_factory=lambda: Position("epoch", 3))

    def kept(self) -> Kept:
        return Kept(self.user_id, self.sid, self.position, dict(self.channels))


Open = Callable[..., RedisSessions]


@pytest.fixture
def redis_sessions(redis_server: RedisServer) -> Iterator[Open]:
    """The keeper of another worker on the test's Redis; ``started=False`` for one that renews nothing, as
    after the death of its process."""
    made = []

    def make(*, started: bool = True) -> RedisSessions:
        sessions = RedisSessions(redis_server.url, WINDOW, prefix=PREFIX)
        made.append(sessions)
        if started:
            sessions.start()
        return sessions

    yield make
    if redis_server.running:
        redis_server.resume()
    for sessions in made:
        sessions.stop()


@pytest.fixture(params=["memory", "redis"])
def sessions(request, redis_sessions: Open):
    """One worker's started keeper of each kind."""
    if request.param == "redis":
        yield redis_sessions()
        return
    started = MemorySessions(WINDOW)
    started.start()
    yield started
    started.stop()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"channels": {}},
        {"position": Position("", 0), "channels": {"public.a": 0, 'forum.1"é': 2**52}},
    ],
    ids=["plain", "no channels", "odd"],
)
def test_a_kept_session_is_found_as_it_is(sessions, fields):
    page = Page("p1", "1.1", **fields)
    sessions.keep(page)
    assert sessions.find("p1") == page.kept()
    assert list(sessions.find("p1").channels) == list(page.channels)
    assert sessions.find("p2") is None


def test_what_changes_and_is_kept_again_is_found_so(sessions):
    page = Page("p1", "1.1")
    sessions.keep(page)
    page.channels["public.a"] = 9
    sessions.keep(page)
    assert sessions.find("p1").channels == {"private-user.7": 3, "public.a": 9}


def test_a_live_session_lasts_longer_than_any_lease(sessions):
    page = Page("p1", "1.1")
    sessions.keep(page)
    time.sleep(LEASE + 0.3)
    assert sessions.find("p1") == page.kept()


def test_a_session_waits_for_its_client_for_a_window_and_not_for_ever(sessions):
    page = Page("p1", "1.1")
    sessions.keep(page)
    time.sleep(WINDOW / 4)
    sessions.ended(page, final=False)
    time.sleep(WINDOW * 0.9)
    assert sessions.find("p1") == page.kept()
    wait_until(lambda: sessions.find("p1") is None, "the session to end", LEASE)


def test_a_session_that_was_ended_on_purpose_is_gone_at_once(sessions):
    page = Page("p1", "1.1")
    sessions.keep(page)
    sessions.ended(page, final=True)
    assert sessions.find("p1") is None
    sessions.ended(page, final=True)
    sessions.ended(page, final=False)
    assert sessions.find("p1") is None


def test_a_client_that_came_back_owns_its_session(sessions):
    old, new = Page("p1", "1.1"), Page("p1", "2.2")
    sessions.keep(old)
    sessions.ended(old, final=False)
    sessions.keep(new)
    time.sleep(LEASE + 0.3)
    assert sessions.find("p1") == new.kept()


@pytest.mark.parametrize("final", [True, False])
def test_the_late_end_of_an_old_connection_ends_nothing(sessions, final):
    old, new = Page("p1", "1.1"), Page("p1", "2.2", channels={"public.a": 5})
    sessions.keep(old)
    sessions.keep(new)
    sessions.ended(old, final=final)
    assert sessions.find("p1") == new.kept()
    time.sleep(LEASE + 0.3)
    assert sessions.find("p1") == new.kept()
    sessions.ended(new, final=True)
    assert sessions.find("p1") is None


def test_the_end_of_a_connection_that_was_never_kept_ends_nothing(sessions):
    page = Page("p1", "1.1")
    sessions.keep(page)
    sessions.ended(Page("p1", "9.9"), final=True)
    sessions.ended(Page("p9", "9.9"), final=True)
    assert sessions.find("p1") == page.kept()


def test_sessions_end_one_by_one(sessions):
    pages = [Page(f"p{n}", f"1.{n}") for n in range(5)]
    for page in pages:
        sessions.keep(page)
    sessions.ended(pages[1], final=True)
    sessions.ended(pages[3], final=False)
    found = [sessions.find(page.pid) is not None for page in pages]
    assert found == [True, False, True, True, True]


def test_what_else_changes_is_found_after_a_while(sessions):
    page = Page("p1", "1.1")
    sessions.keep(page)
    page.position, page.channels = Position("epoch", 8), {"private-user.7": 8}
    wait_until(lambda: sessions.find("p1") == page.kept(), "the change", WINDOW / 2)


def test_an_old_connection_does_not_change_what_is_not_its_own_any_more(sessions):
    old, new = Page("p1", "1.1"), Page("p1", "2.2", channels={"public.a": 5})
    sessions.keep(old)
    sessions.keep(new)
    old.channels = {"private-user.7": 8}
    time.sleep(WINDOW / 2)
    assert sessions.find("p1") == new.kept()


# --- in one process ---


def test_of_too_many_that_wait_the_oldest_go_first(monkeypatch):
    monkeypatch.setattr("mechamap.recovery.memory.MOST_WAITING", 3)
    sessions = MemorySessions(60)
    for n in range(5):
        page = Page(f"p{n}", f"1.{n}")
        sessions.keep(page)
        sessions.ended(page, final=False)
    assert [n for n in range(5) if sessions.find(f"p{n}")] == [2, 3, 4]


# --- in Redis ---


def test_every_worker_finds_a_session_and_may_take_it(redis_sessions: Open):
    here, there = redis_sessions(), redis_sessions()
    old, new = Page("p1", "1.1"), Page("p1", "2.2", channels={"public.a": 5})
    here.keep(old)
    assert there.find("p1") == old.kept()
    there.keep(new)
    assert here.find("p1") == new.kept()
    old.channels = {"public.b": 9}
    time.sleep(WINDOW / 2)
    assert here.find("p1") == new.kept()
    here.ended(old, final=True)
    assert there.find("p1") == new.kept()
    there.ended(new, final=True)
    assert here.find("p1") is None


def test_the_sessions_of_a_dead_worker_wait_for_a_window_and_end_with_their_lease(redis_sessions: Open):
    dead, other = redis_sessions(started=False), redis_sessions()
    dead.keep(Page("p1", "1.1"))
    time.sleep(WINDOW)
    assert other.find("p1") is not None
    wait_until(lambda: other.find("p1") is None, "the lease to end", LEASE)


def test_a_worker_that_stops_leaves_its_sessions_to_their_leases(redis_sessions: Open):
    here, there = redis_sessions(), redis_sessions()
    here.keep(Page("p1", "1.1"))
    here.stop()
    time.sleep(WINDOW / 2)
    assert there.find("p1") is not None
    wait_until(lambda: there.find("p1") is None, "the lease to end", LEASE)


def test_what_redis_lost_is_written_again_for_live_connections_only(redis_sessions: Open, redis_server):
    sessions = redis_sessions()
    page, gone = Page("p1", "1.1"), Page("p2", "1.2")
    sessions.keep(page)
    sessions.keep(gone)
    sessions.ended(gone, final=False)
    redis_server.client().flushall()
    assert sessions.find("p1") is None
    wait_until(lambda: sessions.find("p1") == page.kept(), "the session to be written again", WINDOW)
    assert sessions.find("p2") is None


def test_more_sessions_than_one_command_takes_are_all_renewed(redis_sessions: Open, monkeypatch):
    monkeypatch.setattr(keeper, "CHUNK", 2)
    sessions = redis_sessions()
    for n in range(7):
        sessions.keep(Page(f"p{n}", f"1.{n}"))
    time.sleep(LEASE + 0.3)
    assert all(sessions.find(f"p{n}") for n in range(7))


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "[]", "{}", '{"v":1,"user":"7","sid":"1.1","epoch":"e","offset":1,"channels":{}}',
     '{"v":1,"user":7,"sid":"1.1","epoch":"e","offset":1,"channels":{},"more":1}'],
)  # fmt: skip
def test_a_record_that_nobody_could_have_written_is_no_session(
    redis_sessions: Open, redis_server, text, caplog
):
    redis_server.client().set(f"{PREFIX}:session:p1", text)
    assert redis_sessions().find("p1") is None
    assert "session_malformed" in caplog.messages


def test_while_redis_is_away_nothing_is_promised_and_an_end_is_no_error(
    redis_sessions: Open, redis_server, monkeypatch
):
    sessions = redis_sessions()
    page = Page("p1", "1.1")
    sessions.keep(page)
    redis_server.stop()
    with pytest.raises(BrokerUnavailable):
        sessions.find("p1")
    with pytest.raises(BrokerUnavailable):
        sessions.keep(Page("p2", "1.2"))
    sessions.ended(page, final=True)
    redis_server.start()


def test_renewal_goes_on_after_redis_was_away(redis_sessions: Open, redis_server):
    sessions = redis_sessions()
    page = Page("p1", "1.1")
    sessions.keep(page)
    redis_server.stop()
    time.sleep(WINDOW / 2)
    redis_server.start()
    wait_until(lambda: sessions.find("p1") is not None, "the session", WINDOW)
    time.sleep(LEASE + 0.3)
    assert sessions.find("p1") == page.kept()
