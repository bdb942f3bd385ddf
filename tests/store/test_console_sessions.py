"""Sessions of the console in our own table."""

import gevent
import pytest

from mechamap.store.console_sessions import MOST, ConsoleSessions, Ended, SessionRecord

from .site import Server

PASSWORD = "0123456789abcdef" * 4
"""A digest of somebody's password hash."""


@pytest.fixture
def sessions(own_server: Server) -> ConsoleSessions:
    return ConsoleSessions(own_server.databases.own)


def test_a_session_is_found_by_its_secret_only(sessions: ConsoleSessions) -> None:
    made, secret = sessions.begin(7, PASSWORD, "Đặng 🔩", "2001:db8::1", "x" * 1000)
    found = sessions.resume(secret)
    assert found == made
    assert (found.user_id, found.name, found.address, len(found.agent)) == (7, "Đặng 🔩", "2001:db8::1", 255)
    assert found.password_digest == PASSWORD
    assert secret not in str(made) and PASSWORD not in str(made)
    assert not hasattr(sessions.live(7)[0], "password_digest")
    for other in ("", "x", secret + "x"):
        assert sessions.resume(other) is Ended.SIGNED_OUT


def test_an_ended_session_says_why_and_is_not_listed(sessions: ConsoleSessions) -> None:
    (one, first), (_, second) = (sessions.begin(9, PASSWORD) for _ in range(2))
    assert sessions.end(Ended.REVOKED, session_id=one.id) == 1
    assert sessions.end(Ended.SIGNED_OUT, session_id=one.id) == 0, "it ended once"
    assert sessions.resume(first) is Ended.REVOKED
    assert isinstance(sessions.resume(second), SessionRecord)
    assert len(sessions.live(9)) == 1


def test_a_session_of_another_person_is_not_ended_by_mistake(sessions: ConsoleSessions) -> None:
    one, secret = sessions.begin(7, PASSWORD)
    assert sessions.end(Ended.REVOKED, session_id=one.id, user_id=8) == 0
    assert isinstance(sessions.resume(secret), SessionRecord)
    with pytest.raises(ValueError, match="name"):
        sessions.end(Ended.REVOKED)


def test_one_person_has_so_many_sessions_at_most(sessions: ConsoleSessions) -> None:
    secrets = [sessions.begin(7, PASSWORD)[1] for _ in range(MOST + 2)]
    assert len(sessions.live(7)) == MOST
    assert [isinstance(sessions.resume(secret), SessionRecord) for secret in secrets[:3]] == [
        False,
        False,
        True,
    ]


def test_who_signs_in_many_times_at_once_is_let_in_each_time_and_has_so_many_sessions(
    sessions: ConsoleSessions,
) -> None:
    jobs = [gevent.spawn(sessions.begin, 8, PASSWORD) for _ in range(MOST + 10)]
    gevent.joinall(jobs, raise_error=True)
    assert len(sessions.live(8)) == MOST
    made = [secret for _, secret in (job.get() for job in jobs)]
    assert sum(isinstance(sessions.resume(secret), SessionRecord) for secret in made) == MOST
