"""Digests of tokens that were ended early."""

import time
from typing import Any

import gevent
import pytest

from mechamap.store.own import RevokedToken
from mechamap.store.revocations import Revocations, digest_of_jti, digest_of_token

from .site import Server, Serving


def rows_of(server: Server) -> int:
    with server.databases.own.read() as connection:
        return connection.exec_driver_sql("SELECT count(*) FROM rt_revoked_tokens").scalar_one()


def test_a_revoked_digest_is_told_from_others(own_server: Server) -> None:
    revocations = Revocations(own_server.databases.own, 60.0)
    assert not revocations.any_revoked(["a" * 64, "b" * 64])
    revocations.revoke("a" * 64, time.time() + 60, user_id=7)
    assert revocations.any_revoked(["b" * 64, "a" * 64])
    assert not revocations.any_revoked(["b" * 64])


def test_another_process_notices_at_once(own_server: Server) -> None:
    ours, theirs = (Revocations(own_server.databases.own, 60.0) for _ in range(2))
    assert not theirs.any_revoked(["a" * 64])
    ours.revoke("a" * 64, time.time() + 60)
    assert theirs.any_revoked(["a" * 64])


def test_a_row_that_takes_the_id_of_a_removed_one_is_noticed(own_server: Server) -> None:
    ours, theirs = (Revocations(own_server.databases.own, 60.0) for _ in range(2))
    ours.revoke("a" * 64, time.time() - 3600)
    assert not theirs.any_revoked(["b" * 64])
    ours.revoke("b" * 64, time.time() + 60)  # removes the ended one first
    assert theirs.any_revoked(["b" * 64])


def test_a_row_committed_behind_a_newer_one_is_noticed_within_the_time(own_server: Server) -> None:
    now = [0.0]
    revocations = Revocations(own_server.databases.own, 5.0, clock=lambda: now[0])
    theirs = Revocations(own_server.databases.own, 5.0)
    theirs.revoke("b" * 64, time.time() + 60)
    assert not revocations.any_revoked(["a" * 64])
    with own_server.databases.own.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO rt_revoked_tokens (id, digest, revoked_at, expires_at)"
            f" VALUES (-1, '{'a' * 64}', '2026-01-01 00:00:00', '2099-01-01 00:00:00')"
        )
    now[0] = 5.0
    assert revocations.any_revoked(["a" * 64])


def test_many_are_looked_up_one_by_one(own_server: Server) -> None:
    now = [0.0]
    revocations = Revocations(own_server.databases.own, 5.0, few=0, clock=lambda: now[0])
    theirs = Revocations(own_server.databases.own, 5.0)
    theirs.revoke("b" * 64, time.time() + 60)
    assert not revocations.any_revoked(["a" * 64])
    assert revocations.any_revoked(["b" * 64])


def test_another_process_notices_within_the_time_of_its_memory(own_server: Server) -> None:
    ours, theirs = (Revocations(own_server.databases.own, seconds) for seconds in (60.0, 0.1))
    assert not theirs.any_revoked(["a" * 64])
    ours.revoke("a" * 64, time.time() + 60)
    time.sleep(0.11)
    assert theirs.any_revoked(["a" * 64])


def test_revoking_twice_is_fine(own_server: Server) -> None:
    revocations = Revocations(own_server.databases.own, 0.0)
    for _ in range(2):
        revocations.revoke("a" * 64, time.time() + 60)
    assert rows_of(own_server) == 1


def test_rows_of_tokens_that_have_long_ended_are_removed(own_server: Server) -> None:
    revocations = Revocations(own_server.databases.own, 0.0)
    revocations.revoke("a" * 64, time.time() - 3600)
    revocations.revoke("b" * 64, time.time() - 10)
    revocations.revoke("c" * 64, time.time() + 60)
    assert rows_of(own_server) == 2


def test_a_token_without_a_foreseeable_end_can_be_revoked(own_server: Server) -> None:
    revocations = Revocations(own_server.databases.own, 0.0)
    revocations.revoke("a" * 64, 1e15)
    assert revocations.any_revoked(["a" * 64])


def test_before_the_migrations_ran_nothing_is_revoked_and_afterwards_it_is(server_for: Serving) -> None:
    own, now = server_for(migrate=False).databases.own, [0.0]
    revocations = Revocations(own, 5.0, clock=lambda: now[0])
    assert not revocations.any_revoked(["a" * 64])
    with own.engine.begin() as connection:
        RevokedToken.__table__.create(connection)
    Revocations(own, 5.0).revoke("a" * 64, time.time() + 60)
    now[0] = 5.0
    assert revocations.any_revoked(["a" * 64])


def test_a_jti_never_names_the_token_of_the_same_text() -> None:
    assert digest_of_jti("x") != digest_of_token("x")


def test_a_thousand_sign_ins_at_once_share_their_queries(own_server: Server, watch: Any) -> None:
    Revocations(own_server.databases.own, 60.0).revoke("d7" * 32, time.time() + 60)
    revocations, seen = Revocations(own_server.databases.own, 60.0), watch(own_server.databases.own.engine)
    for queries in (2, 3):  # the newest row and all of them; then the newest alone
        jobs = [gevent.spawn(revocations.any_revoked, [f"d{number}" * 32]) for number in range(1_000)]
        assert [job.get() for job in jobs] == [number == 7 for number in range(1_000)]
        assert len([statement for statement in seen if "rt_revoked_tokens" in statement]) == queries


def test_what_is_revoked_here_acts_here_at_once(own_server: Server) -> None:
    revocations = Revocations(own_server.databases.own, 60.0)
    assert not revocations.any_revoked(["a" * 64])
    revocations.revoke("a" * 64, time.time() + 60)
    assert revocations.any_revoked(["a" * 64])


@pytest.mark.parametrize("few", [0, 2, 3, 10])
def test_many_revocations_are_told_as_truly_as_few(own_server: Server, few: int) -> None:
    revocations = Revocations(own_server.databases.own, 60.0, few=few)
    for letter in "abc":
        revocations.revoke(letter * 64, time.time() + 60)
    assert [revocations.any_revoked([letter * 64]) for letter in "abcd"] == [True, True, True, False]
    theirs = Revocations(own_server.databases.own, 60.0)
    theirs.revoke("d" * 64, time.time() + 60)
    revocations = Revocations(own_server.databases.own, 0.05, few=few)
    assert revocations.any_revoked(["x" * 64, "d" * 64])
    theirs.revoke("e" * 64, time.time() + 60)
    time.sleep(0.06)
    assert revocations.any_revoked(["e" * 64])


def test_a_row_whose_token_ended_a_moment_ago_still_counts(own_server: Server) -> None:
    revocations = Revocations(own_server.databases.own, 60.0)
    revocations.revoke("a" * 64, time.time() - 10)
    assert revocations.any_revoked(["a" * 64])
