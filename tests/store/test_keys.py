"""Publishers' keys in our own table."""

import hashlib
import re
from datetime import UTC, datetime, timedelta

import pytest

from mechamap.domain.errors import Conflict, InvalidField, NotFound
from mechamap.store.keys import MAX_SECRETS, ApiKeys

from .site import Server, Serving


@pytest.fixture
def keys(own_server: Server) -> ApiKeys:
    return ApiKeys(own_server.databases.own)


def test_a_new_key_has_a_recognisable_secret_of_43_random_characters(keys: ApiKeys) -> None:
    record, secret = keys.create("blog", [], "anna")
    assert re.fullmatch(r"mmk_[A-Za-z0-9_\-]{43}", secret)
    assert secret.startswith(record.prefix)
    assert len(record.prefix) == 10


def test_only_the_hash_of_the_secret_is_stored(keys: ApiKeys, own_server: Server) -> None:
    _, secret = keys.create("blog", [], "anna")
    with own_server.databases.own.read() as connection:
        row = connection.exec_driver_sql("SELECT * FROM rt_api_keys").one()
    assert hashlib.sha256(secret.encode()).hexdigest() in row
    assert secret not in map(str, row)


def test_a_key_is_listed_with_what_it_may_do_and_who_made_it(keys: ApiKeys) -> None:
    made, _ = keys.create("blog", ["public.*", "forum.*", "forum.*"], "anna")
    assert keys.list() == [made]
    assert (made.scopes, made.created_by, made.live) == (("forum.*", "public.*"), "anna", True)
    assert made.created_at.tzinfo is not None


def test_two_live_keys_cannot_share_a_name(keys: ApiKeys) -> None:
    keys.create("blog", [], "anna")
    with pytest.raises(InvalidField) as refusal:
        keys.create("blog", [], "binh")
    assert (refusal.value.field, refusal.value.code) == ("name", "key_name_taken")
    assert len(keys.list()) == 1


def test_a_name_is_free_again_once_its_key_is_revoked(keys: ApiKeys) -> None:
    keys.create("blog", [], "anna")
    keys.revoke("blog")
    keys.create("blog", [], "anna")
    keys.revoke("blog")
    assert [record.live for record in keys.list()] == [False, False]


@pytest.mark.parametrize("by_name", [True, False])
def test_a_revoked_key_is_dated_and_no_longer_found(keys: ApiKeys, by_name: bool) -> None:
    record, secret = keys.create("blog", [], "anna")
    digest = hashlib.sha256(secret.encode()).hexdigest()
    assert keys.live_digests() == {digest: record}
    ended = keys.revoke("blog" if by_name else record.id)
    assert ended.revoked_at is not None
    assert keys.live_digests() == {}
    assert keys.list(revoked=False) == []


@pytest.mark.parametrize("unknown", ["nobody", 404])
def test_revoking_what_is_not_live_is_refused(keys: ApiKeys, unknown: str | int) -> None:
    with pytest.raises(NotFound):
        keys.revoke(unknown)


def test_a_key_is_not_revoked_twice(keys: ApiKeys) -> None:
    record, _ = keys.create("blog", [], "anna")
    keys.revoke(record.id)
    with pytest.raises(NotFound):
        keys.revoke(record.id)


@pytest.mark.parametrize("name", ["", " blog", "x" * 65, "blog\n", "<b>", "đ"])
def test_a_malformed_name_is_refused(keys: ApiKeys, name: str) -> None:
    with pytest.raises(InvalidField) as refusal:
        keys.create(name, [], "anna")
    assert refusal.value.field == "name"


@pytest.mark.parametrize("scopes", [[""], ["forum 1"], ["[a]"], ["x" * 201], ["a*"] * 51])
def test_malformed_scopes_are_refused(keys: ApiKeys, scopes: list[str]) -> None:
    with pytest.raises(InvalidField) as refusal:
        keys.create("blog", scopes, "anna")
    assert refusal.value.field == "scopes"


def test_use_is_noted(keys: ApiKeys) -> None:
    record, _ = keys.create("blog", [], "anna")
    assert record.last_used_at is None
    keys.note_use(record.id)
    assert keys.list()[0].last_used_at is not None


def test_before_the_migrations_ran_there_are_no_keys(server_for: Serving) -> None:
    assert ApiKeys(server_for(migrate=False).databases.own).live_digests() == {}


def digests(*secrets: str) -> set[str]:
    return {hashlib.sha256(secret.encode()).hexdigest() for secret in secrets}


def test_after_a_rotation_both_secrets_are_good_until_the_old_one_ends(
    keys: ApiKeys, own_server: Server
) -> None:
    made, first = keys.create("blog", ["forum.*"], "anna")
    record, second, before = keys.rotate("blog", timedelta(days=7), "binh")
    assert set(keys.live_digests()) == digests(first, second)
    assert (record.name, record.scopes, record.created_by, record.current) == (
        "blog",
        ("forum.*",),
        "binh",
        True,
    )
    assert (before.id, before.current, before.live) == (made.id, False, True)
    assert timedelta(days=6, hours=23) < before.expires_at - datetime.now(UTC) <= timedelta(days=7)
    with own_server.databases.own.write() as connection:
        connection.exec_driver_sql(
            "UPDATE rt_api_keys SET expires_at = '2026-01-01 00:00:00' WHERE expires_at > 0"
        )
    assert set(keys.live_digests()) == digests(second)
    assert [row.live for row in keys.list()] == [True, False]


def test_a_leaked_secret_ends_with_its_rotation(keys: ApiKeys) -> None:
    keys.create("blog", [], "anna")
    _, second, before = keys.rotate("blog", timedelta(), "anna")
    assert not before.live
    assert set(keys.live_digests()) == digests(second)


def test_other_scopes_are_those_of_all_secrets_and_of_no_earlier_key(keys: ApiKeys) -> None:
    keys.create("blog", ["old.*"], "anna")
    keys.revoke("blog")
    keys.create("blog", ["forum.*"], "anna")
    keys.rotate("blog", timedelta(days=1), "anna")
    assert keys.rescope("blog", ["public.*", "forum.*", "public.*"]).scopes == ("forum.*", "public.*")
    assert [row.scopes for row in keys.list()] == [("forum.*", "public.*")] * 2 + [("old.*",)]
    with pytest.raises(InvalidField):
        keys.rescope("blog", ["not a pattern"])
    with pytest.raises(NotFound):
        keys.rescope("nobody", [])


def test_a_key_ends_with_all_its_secrets_and_an_old_secret_alone(keys: ApiKeys) -> None:
    keys.create("blog", [], "anna")
    _, _, before = keys.rotate("blog", timedelta(days=1), "anna")
    with pytest.raises(NotFound):
        keys.rotate(before.id, timedelta(days=1), "anna")
    keys.revoke(before.id)
    assert len(keys.live_digests()) == 1
    keys.rotate("blog", timedelta(days=1), "anna")
    keys.revoke("blog")
    assert keys.live_digests() == {}


def test_secrets_of_one_key_and_the_time_of_the_old_one_are_bounded(keys: ApiKeys) -> None:
    keys.create("blog", [], "anna")
    for _ in range(MAX_SECRETS - 1):
        keys.rotate("blog", timedelta(days=1), "anna")
    with pytest.raises(Conflict) as refusal:
        keys.rotate("blog", timedelta(days=1), "anna")
    assert refusal.value.code == "too_many_secrets"
    for keep in (timedelta(days=91), timedelta(seconds=-1)):
        with pytest.raises(InvalidField) as out_of_bounds:
            keys.rotate("blog", keep, "anna")
        assert out_of_bounds.value.field == "keep"
