"""Publishers' keys in our own table."""

import hashlib
import re

import pytest

from mechamap.domain.errors import InvalidField, NotFound
from mechamap.store.keys import ApiKeys

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
    assert keys.find_by_hash(digest) == record
    ended = keys.revoke("blog" if by_name else record.id)
    assert ended.revoked_at is not None
    assert keys.find_by_hash(digest) is None
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
