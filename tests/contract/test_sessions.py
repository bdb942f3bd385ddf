"""What every keeper of sessions promises, and what only the one in Redis has to."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count

import gevent
import pytest

from mechamap.domain.errors import BrokerUnavailable
from mechamap.domain.history import Position
from mechamap.domain.recovery import MOST_SIDS, Kept
from mechamap.recovery import redis as keeper
from mechamap.recovery.memory import MemorySessions
from mechamap.recovery.redis import RedisSessions
from tests.faults.proxy import Proxy
from tests.services.processes import wait_until
from tests.services.redis import RedisServer

WINDOW = 0.8
"""Seconds; a lease in Redis is half as much longer and is renewed four times in a window."""
LEASE = 1.5 * WINDOW
PREFIX = "sessions-of-the-test"
OWN = "private-user.7"
MOMENTS = count(1_800_000_000.125)
"""Of which the later page was opened later."""


@dataclass(eq=False)
class Page:
    """A live connection: where it joined its channels, and up to where it has everything."""

    pid: str
    sid: str
    user_id: int = 7
    channels: dict[str, int] = field(default_factory=lambda: {"private-user.7": 3})
    position: Position = field(default_factory=lambda: Position("epoch", 3))
    opened: float = field(default_factory=lambda: next(MOMENTS))
    proven: str | None = None

    def kept(self) -> Kept:
        channels = {name: max(since, self.position.offset) for name, since in self.channels.items()}
        return Kept(self.user_id, {self.sid: self.opened}, self.position, channels)

    def joins(self) -> dict[str, int]:
        return dict(self.channels)


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


class Clock:
    """Seconds that pass when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "redis"])
def sessions(request, redis_sessions: Open, clock: Clock):
    """One worker's started keeper of each kind."""
    if request.param == "redis":
        yield redis_sessions()
        return
    started = MemorySessions(WINDOW, clock)
    started.start()
    yield started
    started.stop()


@pytest.fixture
def sleep(sessions, clock: Clock) -> Callable[[float], None]:
    """Let time pass for the keeper."""
    return clock.sleep if isinstance(sessions, MemorySessions) else time.sleep


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


def join(sessions, page: Page, name: str, since: int) -> None:
    page.channels[name] = since
    page.position = Position(page.position.epoch, min(page.position.offset, since))
    sessions.joined(page, name)


def leave(sessions, page: Page, name: str) -> None:
    page.channels.pop(name, None)
    sessions.left(page, name)


def shared(*pages: Page, without: str = "") -> Kept:
    """The session that these have, who came in this order."""
    channels = {
        name: since for page in pages for name, since in page.kept().channels.items() if name != without
    }
    return Kept(7, {page.sid: page.opened for page in pages}, pages[-1].position, channels)


def test_what_changes_is_found_so(sessions):
    page = Page("p1", "1.1")
    sessions.keep(page)
    join(sessions, page, "public.a", 9)
    assert sessions.find("p1") == page.kept()
    assert sessions.find("p1").channels == {"private-user.7": 3, "public.a": 9}
    leave(sessions, page, "private-user.7")
    leave(sessions, page, "public.never")
    assert sessions.find("p1").channels == {"public.a": 9}
    join(sessions, page, "public.a", 4)
    assert sessions.find("p1") == page.kept()


def test_a_live_session_lasts_longer_than_any_lease(sessions, sleep):
    page = Page("p1", "1.1")
    sessions.keep(page)
    sleep(LEASE + 0.3)
    assert sessions.find("p1") == page.kept()


def test_a_session_waits_for_its_client_for_a_window_and_not_for_ever(sessions, sleep):
    page = Page("p1", "1.1")
    sessions.keep(page)
    sleep(WINDOW / 4)
    sessions.ended(page, final=False)
    sleep(WINDOW * 0.9)
    assert sessions.find("p1") == page.kept()
    sleep(WINDOW / 4)
    wait_until(lambda: sessions.find("p1") is None, "the session to end", LEASE)


def test_a_session_that_was_ended_on_purpose_is_gone_at_once(sessions):
    page = Page("p1", "1.1")
    sessions.keep(page)
    sessions.ended(page, final=True)
    assert sessions.find("p1") is None
    sessions.ended(page, final=True)
    sessions.ended(page, final=False)
    assert sessions.find("p1") is None


def test_a_client_that_came_back_owns_its_session(sessions, sleep):
    old, new = Page("p1", "1.1"), Page("p1", "2.2")
    sessions.keep(old)
    sessions.ended(old, final=False)
    sessions.keep(new)
    sleep(LEASE + 0.3)
    assert sessions.find("p1") == shared(old, new)


@pytest.mark.parametrize("final", [True, False])
def test_the_late_end_of_an_old_connection_ends_nothing(sessions, sleep, final):
    old, new = Page("p1", "1.1"), Page("p1", "2.2")
    sessions.keep(old)
    sessions.keep(new)
    join(sessions, new, "public.a", 5)
    sessions.ended(old, final=final)
    assert sessions.find("p1") == shared(old, new)
    sleep(LEASE + 0.3)
    assert sessions.find("p1") == shared(old, new)
    sessions.ended(new, final=True)
    assert sessions.find("p1") is None


def test_what_a_connection_did_while_it_ended_does_not_bring_its_session_back(sessions):
    page = Page("p1", "1.1")
    sessions.keep(page)
    sessions.ended(page, final=True)
    join(sessions, page, "public.a", 4)
    leave(sessions, page, OWN)
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
    page.position = Position("epoch", 8)
    wait_until(lambda: sessions.find("p1") == page.kept(), "the change", WINDOW / 2)


# --- two live connections of one session ---


@pytest.fixture
def two(sessions) -> tuple[Page, Page]:
    """A page that returned with two channels while its old connection, which joined one of them late, lives;
    and left the third on the new one."""
    old = Page("p1", "1.1", channels={OWN: 3, "public.b": 3, "public.c": 3})
    new = Page("p1", "2.2", channels={OWN: 3, "public.b": 3, "public.c": 3})
    sessions.keep(old)
    sessions.keep(new)
    join(sessions, new, "public.x", 5)
    leave(sessions, new, "public.c")
    return old, new


def test_what_an_old_connection_joins_late_takes_nothing_from_the_new_one(sessions, two):
    old, _ = two
    join(sessions, old, "public.y", 6)
    assert sessions.find("p1").channels == {OWN: 3, "public.b": 3, "public.x": 5, "public.y": 6}


@pytest.mark.parametrize("name", ["public.b", "public.x"])
def test_what_an_old_connection_leaves_late_the_new_one_keeps(sessions, two, name):
    """It unsubscribes, or the channel is taken from it; the page may have joined it again meanwhile."""
    old, new = two
    leave(sessions, old, name)
    assert sessions.find("p1").channels == new.channels


def test_the_renewal_of_an_old_connection_brings_nothing_back(sessions, sleep, two):
    old, new = two
    sleep(WINDOW / 2)
    assert sessions.find("p1").channels == new.channels
    old.position = Position("epoch", 9)
    sleep(WINDOW / 2)
    assert sessions.find("p1").channels == {OWN: 9, "public.b": 9, "public.x": 5}


@pytest.mark.parametrize("first", [0, 1])
def test_the_session_waits_when_both_have_ended(sessions, two, first):
    join(sessions, two[0], "public.y", 6)
    for page in (two[first], two[1 - first]):
        sessions.ended(page, final=False)
    assert sessions.find("p1").channels == {OWN: 3, "public.b": 3, "public.x": 5, "public.y": 6}
    third = Page("p1", "3.3", channels=dict(sessions.find("p1").channels))
    sessions.keep(third)
    leave(sessions, third, "public.y")
    everything = shared(*two, third)
    assert sessions.find("p1") == replace(everything, channels=third.channels)


def test_one_that_claims_late_and_dies_takes_nothing_from_the_one_that_lives(sessions, sleep, two):
    """Its CONNECT waited in the buffers of a stalled worker."""
    _, new = two
    late = Page("p1", "3.3", channels=dict(sessions.find("p1").channels))
    join(sessions, new, "public.z", 7)
    sessions.keep(late)
    sessions.ended(late, final=False)
    join(sessions, new, "public.w", 8)
    sleep(LEASE + 0.3)
    assert sessions.find("p1").channels == new.channels
    new.position = Position("epoch", 9)
    wait_until(lambda: set(sessions.find("p1").channels.values()) == {9}, "what was received", WINDOW)


@pytest.fixture
def overtaken(sessions) -> tuple[Page, Page]:
    """A page that was let in on its new connection before the worker of its old one looked at it."""
    first = Page("p1", "1.1", channels={OWN: 3, "public.b": 3, "public.c": 3})
    old, new = (Page("p1", sid, channels=dict(first.channels)) for sid in ("2.2", "3.3"))
    sessions.keep(first)
    sessions.keep(new)
    leave(sessions, new, "public.c")
    sessions.keep(old, ["public.b"])
    return old, new


def test_of_several_connections_the_one_opened_last_is_the_newest_whoever_is_let_in_last(sessions, overtaken):
    """What the page said on the old one behind its CONNECT is handled last of all."""
    old, new = overtaken
    assert sessions.find("p1").sids == ("1.1", "2.2", "3.3")
    assert sessions.find("p1").channels == new.channels, "what it left meanwhile stays away"
    leave(sessions, old, OWN)
    assert sessions.find("p1").channels == new.channels


@pytest.mark.parametrize("final", [True, False])
def test_the_end_of_one_that_was_overtaken_ends_nothing(sessions, sleep, overtaken, final):
    old, new = overtaken
    sessions.ended(old, final=final)
    sleep(LEASE + 0.3)
    assert sessions.find("p1").channels == new.channels
    sessions.ended(new, final=True)
    assert sessions.find("p1") is None


def test_a_return_takes_away_what_is_refused_and_nothing_that_was_joined_meanwhile(sessions):
    old, new = Page("p1", "1.1", channels={OWN: 3, "public.b": 3}), Page("p1", "2.2")
    sessions.keep(old)
    join(sessions, old, "public.y", 6)
    sessions.keep(new, ["public.b"])
    assert sessions.find("p1") == replace(shared(old, new), channels={OWN: 3, "public.y": 6})


def test_a_session_that_the_new_connection_ended_is_not_brought_back_by_the_old_one(sessions, sleep, two):
    old, new = two
    sessions.ended(new, final=True)
    join(sessions, old, "public.y", 6)
    sleep(LEASE + 0.3)
    leave(sessions, old, "public.b")
    sessions.ended(old, final=False)
    assert sessions.find("p1") is None


def test_what_one_received_says_nothing_of_what_another_is_owed_from_before(sessions, two):
    """The new one asked for the past of a channel that the old one has had for long."""
    old, new = two
    old.position = Position("epoch", 30)
    wait_until(lambda: sessions.find("p1").channels["public.b"] == 30, "what was received", WINDOW)
    old.channels["public.b"] = 20
    leave(sessions, new, "public.b")
    join(sessions, new, "public.b", 10)
    old.position = Position("epoch", 40)
    wait_until(lambda: sessions.find("p1").channels[OWN] == 40, "what was received", WINDOW)
    assert sessions.find("p1").channels["public.b"] == 10
    new.position = Position("epoch", 25)
    wait_until(lambda: sessions.find("p1").channels["public.b"] == 25, "what was received", WINDOW)


def test_of_a_new_epoch_everything_is_owed_that_the_session_had(sessions, sleep, two):
    old, new = two
    new.channels, new.position = dict.fromkeys(new.channels, 0), Position("later", 0)
    join(sessions, new, "public.z", 2)
    new.proven = "later"
    sleep(WINDOW / 2)
    everything = replace(shared(old, new), channels=new.channels)
    assert sessions.find("p1") == sessions.find("p1", "later") == everything
    old.position = Position("epoch", 90)
    sleep(WINDOW / 2)
    assert sessions.find("p1") == everything


def test_the_last_few_connections_of_a_session_are_remembered(sessions):
    for number in range(MOST_SIDS + 3):
        page = Page("p1", f"1.{number}")
        sessions.keep(page)
        sessions.ended(page, final=False)
    assert sessions.find("p1").sids == tuple(f"1.{number}" for number in range(3, MOST_SIDS + 3))
    sessions.keep(page)
    assert sessions.find("p1").sids[-1] == page.sid
    assert len(sessions.find("p1").sids) == MOST_SIDS


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
    old, new = Page("p1", "1.1"), Page("p1", "2.2")
    here.keep(old)
    assert there.find("p1") == old.kept()
    there.keep(new)
    join(there, new, "public.a", 5)
    leave(there, new, OWN)
    assert here.find("p1") == shared(old, new, without=OWN)
    join(here, old, "public.b", 9)
    leave(here, old, "public.a")
    time.sleep(WINDOW / 2)
    assert there.find("p1").channels == {"public.a": 5, "public.b": 9}
    here.ended(old, final=True)
    assert there.find("p1") is not None
    there.ended(new, final=True)
    join(here, old, "public.c", 9)
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
    here, there = redis_sessions(), redis_sessions()
    page, gone, other = Page("p1", "1.1"), Page("p2", "1.2"), Page("p1", "2.2", proven="epoch")
    here.keep(page)
    here.keep(gone)
    here.ended(gone, final=False)
    there.keep(other)
    join(here, page, "public.a", 5)
    join(there, other, "public.b", 6)
    redis_server.client().flushall()
    assert here.find("p1") is None
    everything = {OWN: 3, "public.a": 5, "public.b": 6}
    wait_until(
        lambda: (found := here.find("p1")) and found.channels == everything,
        "the session to be written again by both",
        WINDOW,
    )
    assert here.find("p2") is None


@pytest.mark.parametrize("change", ["join", "leave"])
def test_a_change_of_what_redis_lost_writes_the_whole(redis_sessions: Open, redis_server, change):
    sessions = redis_sessions(started=False)
    page = Page("p1", "1.1", channels={OWN: 3, "public.a": 4})
    sessions.keep(page)
    redis_server.client().flushall()
    if change == "join":
        join(sessions, page, "public.b", 5)
    else:
        leave(sessions, page, "public.a")
    assert sessions.find("p1") is None
    page.proven = "epoch"
    sessions.start()
    wait_until(lambda: sessions.find("p1") == page.kept(), "the session", WINDOW)


@pytest.mark.parametrize("first", ["old", "new"])
def test_what_redis_lost_is_found_again_when_a_client_has_answered_on_the_newest_connection(
    redis_sessions: Open, redis_server, first
):
    """A worker with a connection that its page gave up writes the session again as that one knows it."""
    here, there = redis_sessions(started=False), redis_sessions(started=False)
    old, new = Page("p1", "1.1"), Page("p1", "2.2")
    here.keep(old)
    there.keep(new)
    join(there, new, "public.a", 5)
    redis_server.client().flushall()
    for sessions in (here, there) if first == "old" else (there, here):
        sessions.start()
        time.sleep(WINDOW / 2)
        assert sessions.find("p1") is None
    new.proven = "epoch"
    wait_until(lambda: here.find("p1") is not None, "the session", WINDOW)
    assert here.find("p1").channels == {OWN: 3, "public.a": 5}
    assert here.find("p1", "another epoch") is None


def test_what_redis_lost_of_a_session_is_in_it_again(redis_sessions: Open, redis_server):
    """A replica that became the primary may not have had the last changes."""
    sessions = redis_sessions()
    page = Page("p1", "1.1", channels={OWN: 3, "public.a": 4})
    sessions.keep(page)
    redis_server.client().hdel(f"{PREFIX}:session:3:p1", "c:public.a")
    wait_until(lambda: sessions.find("p1") == page.kept(), "the channel", WINDOW)


def test_what_follows_the_number_of_a_channel_stays_with_it(redis_sessions: Open, redis_server):
    """As a server of a later version may write it."""
    sessions, redis = redis_sessions(), redis_server.client()
    page, key = Page("p1", "1.1"), f"{PREFIX}:session:3:p1"
    sessions.keep(page)
    redis.hset(key, f"c:{OWN}", "3 echo %1")
    assert sessions.find("p1") == page.kept()
    page.position = Position("epoch", 8)
    wait_until(lambda: redis.hget(key, f"c:{OWN}") == "8 echo %1", "what was received", WINDOW)


def test_more_sessions_than_one_command_takes_are_all_renewed(redis_sessions: Open, monkeypatch):
    monkeypatch.setattr(keeper, "CHUNK", 2)
    sessions = redis_sessions()
    for n in range(7):
        sessions.keep(Page(f"p{n}", f"1.{n}"))
    time.sleep(LEASE + 0.3)
    assert all(sessions.find(f"p{n}") for n in range(7))


def test_a_session_with_very_many_channels_is_renewed_like_any_other(redis_sessions: Open):
    """Lua unpacks no more than 8,000 values at once."""
    sessions = redis_sessions()
    page = Page("p1", "1.1", channels={f"public.{n}": 3 for n in range(10_000)})
    sessions.keep(page)
    page.position = Position("epoch", 8)
    wait_until(lambda: sessions.find("p1") == page.kept(), "what was received", 2 * WINDOW)


GOOD = {"user": "7", "sids": "1.1", "epoch": "e", "offset": "1", "c:public.a": "1"}


@pytest.mark.parametrize(
    "fields",
    ["", "nonsense", {"x": "y"}, {**GOOD, "user": "seven"}, {**GOOD, "sids": " "}, {**GOOD, "offset": "-1"},
     {**GOOD, "c:public.a": "1x"}, {**GOOD, "epoch": b"\xff"}, {"user": "7", "sids": "1.1", "offset": "1"}],
)  # fmt: skip
def test_a_record_that_nobody_could_have_written_is_no_session_and_gives_way(
    redis_sessions: Open, redis_server, fields, caplog
):
    sessions, redis, key = redis_sessions(started=False), redis_server.client(), f"{PREFIX}:session:3:p1"
    if isinstance(fields, str):
        redis.set(key, fields)
    else:
        redis.hset(key, mapping=fields)
    assert sessions.find("p1") is None
    assert "session_malformed" in caplog.messages
    if isinstance(fields, str):
        page = Page("p1", "1.1")
        sessions.keep(page)
        assert sessions.find("p1") == page.kept()


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
    with pytest.raises(BrokerUnavailable):
        join(sessions, page, "public.a", 4)
    sessions.ended(page, final=True)
    redis_server.start()


def test_a_crowd_that_comes_while_redis_hesitates_is_not_refused(redis_sessions: Open, redis_server):
    """More than there are connections to Redis, for longer than one is waited for."""
    sessions = redis_sessions()
    pages = [Page(f"p{n}", f"1.{n}") for n in range(300)]
    with redis_server.client() as client:
        client.execute_command("CLIENT", "PAUSE", 700, "ALL")
    kept = [gevent.spawn(sessions.keep, page) for page in pages]
    gevent.joinall(kept, raise_error=True)
    assert all(sessions.find(page.pid) == page.kept() for page in pages)


def test_a_change_that_redis_was_not_told_is_looked_at_again(redis_sessions: Open, redis_server):
    sessions = redis_sessions()
    page = Page("p1", "1.1", channels={OWN: 3, "public.a": 4})
    sessions.keep(page)
    redis_server.stop()
    with pytest.raises(BrokerUnavailable):
        leave(sessions, page, "public.a")
    with pytest.raises(BrokerUnavailable):
        join(sessions, page, "public.b", 5)
    with pytest.raises(BrokerUnavailable):
        join(sessions, page, "public.c", 6)
    page.channels.pop("public.c")  # it was told that it has it not
    redis_server.start()
    wait_until(lambda: sessions.find("p1") == page.kept(), "the changes to be written", 3 * WINDOW)


@pytest.fixture
def network(redis_server: RedisServer) -> Iterator[Proxy]:
    proxy = Proxy(redis_server.port)
    yield proxy
    proxy.stop()


@pytest.mark.parametrize("change", ["join", "leave"])
def test_a_change_that_redis_hears_of_long_after_its_connection_was_given_up_undoes_no_later_one(
    redis_server, network: Proxy, change
):
    sessions = RedisSessions(f"redis://127.0.0.1:{network.port}/0", WINDOW, prefix=PREFIX)
    page = Page("p1", "1.1", channels={OWN: 3} if change == "join" else {OWN: 3, "public.a": 3})
    sessions.keep(page)
    network.strand()
    with pytest.raises(BrokerUnavailable):
        join(sessions, page, "public.a", 5) if change == "join" else leave(sessions, page, "public.a")
    leave(sessions, page, "public.a") if change == "join" else join(sessions, page, "public.a", 5)
    expected = page.kept()
    assert sessions.find("p1") == expected
    calls = redis_server.client().info("commandstats")["cmdstat_evalsha"]["calls"]
    network.heal()
    wait_until(
        lambda: redis_server.client().info("commandstats")["cmdstat_evalsha"]["calls"] > calls,
        "the late command",
        5,
    )
    assert sessions.find("p1") == expected
    sessions.stop()


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
