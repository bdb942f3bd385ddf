"""Sanctum tokens verified by Laravel: a real server that answers in every way, and the door behind it."""

import logging
import time

import gevent
import pytest

from mechamap.auth.authenticator import TokenAuthenticator
from mechamap.auth.sanctum_http import SanctumByLaravel
from mechamap.auth.sanctum_modes import SanctumModes
from mechamap.domain.errors import AuthenticationFailed, DirectoryUnavailable, Unavailable
from mechamap.laravel.client import Bounds, LaravelClient
from mechamap.laravel.shared import RedisUsers
from mechamap.laravel.users import LaravelUser, read_user
from mechamap.settings import SanctumMode
from tests.services.laravel_api import (
    HTML,
    HUGE,
    REDIRECT,
    LaravelApi,
    breaks_off,
    drips,
    garbage,
    hangs,
    hangs_up,
    says,
)

from .conftest import sanctum_secret

TOKEN = f"41|{sanctum_secret()}"
USER = {"id": 7, "name": "Giang", "email": "g@x", "role": "senior_member"}
WRAPPED = {"success": True, "message": "", "data": {"success": True, "data": {"user": USER}}, "meta": {}}


def verifier(laravel_api: LaravelApi, **options) -> SanctumByLaravel:
    bounds = Bounds(connect=0.2, total=0.3)
    return SanctumByLaravel(
        LaravelClient(f"{laravel_api.url}/api/websocket-api/verify-user", bounds),
        "key-of-ours",
        300,
        **options,
    )


@pytest.fixture
def by_laravel(laravel_api: LaravelApi) -> SanctumByLaravel:
    return verifier(laravel_api)


@pytest.mark.parametrize(
    "answer",
    [WRAPPED, {"success": True, "data": {"user": USER}}, {"user": USER}, {"user": {**USER, "id": "7"}}],
)
def test_the_user_is_found_in_every_shape(by_laravel, laravel_api, answer):
    laravel_api.behaviour = says(answer)
    verified = by_laravel.verify(TOKEN)
    assert (verified.user_id, verified.name, verified.role, verified.vouched) == (
        7,
        "Giang",
        "senior_member",
        True,
    )
    [asked] = laravel_api.asked
    assert asked.json() == {"token": TOKEN}
    assert asked.headers["x-websocket-api-key"] == "key-of-ours"
    assert asked.headers["accept"] == "application/json"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"true", b'"7"', b"7", b"{}", b'{"user":null}', b'{"user":7}', b'{"user":{}}',
        b'{"user":{"id":0}}', b'{"user":{"id":-7}}', b'{"user":{"id":true}}', b'{"user":{"id":7.0}}',
        b'{"user":{"id":"7abc"}}', b'{"user":{"id":"\xef\xbc\x97"}}', b'{"user":{"id":99999999999999999999}}',
        b'{"success":false,"user":{"id":7}}', b'{"success":"true","user":{"id":7}}',
        b'{"data":{"success":false,"data":{"user":{"id":7}}}}',
        b'{"data":{"data":{"data":{"data":{"user":{"id":7}}}}}}',
        b'{"user":{"id":7,"expires_at":"soon"}}', b"[" * 60_000,
    ],
)  # fmt: skip
def test_what_names_no_user_lets_nobody_in(by_laravel, laravel_api, body):
    assert read_user(body) is None
    laravel_api.behaviour = says(body)
    with pytest.raises(Unavailable) as refusal:
        by_laravel.verify(TOKEN)
    assert refusal.value.code == "verify_unreadable"


@pytest.mark.parametrize(
    "user",
    [{"status": "Registered"}, {"is_active": False}, {"is_active": 0}, {"is_banned": 1}, {"banned_at": "x"}],
)
def test_a_user_who_may_not_sign_in(by_laravel, laravel_api, user):
    laravel_api.behaviour = says({"user": {**USER, **user}})
    with pytest.raises(AuthenticationFailed) as refusal:
        by_laravel.verify(TOKEN)
    assert refusal.value.code == "user_inactive"


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "token_malformed"), (401, "token_invalid"), (403, "user_inactive"), (422, "token_malformed")],
)
def test_a_refusal_is_told_and_remembered(by_laravel, laravel_api, status, code):
    laravel_api.behaviour = says({"success": False, "message": "No."}, status)
    for _ in range(3):
        with pytest.raises(AuthenticationFailed) as refusal:
            by_laravel.verify(TOKEN)
        assert refusal.value.code == code
    assert len(laravel_api.asked) == 1


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        (says(b""), "verify_unreadable"),
        (HTML, "verify_unreadable"),
        (HUGE, "verify_unreadable"),
        (REDIRECT, "verify_status_3xx"),
        (says(WRAPPED, 201), "verify_status_2xx"),
        (says(WRAPPED, 404), "verify_status_4xx"),
        (says(WRAPPED, 500), "verify_status_5xx"),
        (says(WRAPPED, 503), "verify_status_5xx"),
        (says(b"<html>", 401, "text/html"), "verify_status_4xx"),
        (says({"message": "Invalid API key"}, 401), "verify_key_refused"),
        (says({"message": "Too Many Attempts."}, 429, Retry_After="9"), "verify_rate_limited"),
        (hangs, "verify_timeout"),
        (drips, "verify_timeout"),
        (garbage, "verify_unreachable"),
        (breaks_off, "verify_unreachable"),
        (hangs_up, "verify_unreachable"),
    ],
)
def test_no_verdict_lets_nobody_in_and_is_not_remembered(laravel_api, by_laravel, behaviour, code, caplog):
    caplog.set_level(logging.DEBUG)
    laravel_api.behaviour = behaviour
    with pytest.raises(Unavailable) as refusal:
        by_laravel.verify(TOKEN)
    assert refusal.value.code == code
    assert refusal.value.retry_after >= 1
    assert TOKEN.partition("|")[2] not in caplog.text + refusal.value.message
    assert "key-of-ours" not in caplog.text
    assert len(by_laravel._verdicts) == 0


@pytest.mark.parametrize("token", ["41|short", f"x|{sanctum_secret()}", f"|{sanctum_secret()}", "x" * 39])
def test_what_no_token_looks_like_costs_laravel_nothing(by_laravel, laravel_api, token):
    with pytest.raises(AuthenticationFailed) as refusal:
        by_laravel.verify(token)
    assert refusal.value.code == "token_malformed"
    assert laravel_api.asked == []


def test_a_token_that_ended_is_refused_though_remembered(laravel_api):
    now = time.time()
    by_laravel = verifier(laravel_api, clock=lambda: now)
    laravel_api.behaviour = says({"user": USER, "expires_at": now + 60})
    assert by_laravel.verify(TOKEN).expires_at == now + 60
    now += 61
    with pytest.raises(AuthenticationFailed) as refusal:
        by_laravel.verify(TOKEN)
    assert refusal.value.code == "token_expired"


def test_many_with_one_token_ask_once(by_laravel, laravel_api):
    laravel_api.behaviour = says(WRAPPED)
    asking = [gevent.spawn(by_laravel.verify, TOKEN) for _ in range(100)]
    gevent.joinall(asking, timeout=5, raise_error=True)
    assert {greenlet.value.user_id for greenlet in asking} == {7}
    assert len(laravel_api.asked) == 1


def test_tokens_that_differ_in_one_character_are_not_each_other(by_laravel, laravel_api):
    laravel_api.behaviour = says(WRAPPED)
    by_laravel.verify(TOKEN)
    laravel_api.behaviour = says({}, 401)
    with pytest.raises(AuthenticationFailed):
        by_laravel.verify(TOKEN + "x")


def test_a_client_that_leaves_takes_no_others_verdict_with_it(by_laravel, laravel_api):
    def later(connection, asked):
        gevent.sleep(0.1)
        says(WRAPPED)(connection, asked)

    laravel_api.behaviour = later
    first, second = (gevent.spawn(by_laravel.verify, TOKEN) for _ in range(2))
    gevent.sleep(0.03)
    first.kill()
    assert second.get(timeout=5).user_id == 7


def test_after_a_restart_redis_knows_the_verdict_and_takes_no_forgery(laravel_api, redis_server):
    from mechamap.broker.connection import command_client, command_pool

    def shared(secret: str = "s" * 48) -> RedisUsers:
        return RedisUsers(command_pool(redis_server.url), "test:{rt}", secret)

    laravel_api.behaviour = says(WRAPPED)
    verifier(laravel_api, shared=shared()).verify(TOKEN)
    laravel_api.behaviour = hangs_up
    assert verifier(laravel_api, shared=shared()).verify(TOKEN).user_id == 7
    assert len(laravel_api.asked) == 1
    # under another SECRET_KEY, for another token, or changed, an entry is none
    client = command_client(redis_server.url)
    [name] = client.scan_iter("test:{rt}:verified:*")
    entry = client.get(name)
    assert TOKEN.encode() not in name + entry
    digest = bytes.fromhex(name.rpartition(b":")[2].decode())
    assert shared().find(digest) == LaravelUser(7, "Giang", "senior_member")
    assert shared("t" * 48).find(digest) is None
    client.set(name, entry.replace(b'"user_id": 7', b'"user_id": 1'))
    assert shared().find(digest) is None
    other = bytes(32)
    client.set("test:{rt}:verified:" + other.hex(), entry)
    assert shared().find(other) is None


class Database:
    """What the modes ask of ``Sanctum``."""

    def __init__(self) -> None:
        self.there: bool | None = True  # None: away
        self.answers = True

    def exist(self) -> bool:
        if self.there is None:
            raise DirectoryUnavailable("away")
        return self.there

    def verify(self, token: str):
        if not self.answers:
            raise DirectoryUnavailable("away")
        raise AuthenticationFailed("by the database.", code="token_revoked")


def test_auto_goes_to_the_database_while_it_has_the_table_and_answers(laravel_api, by_laravel):
    laravel_api.behaviour = says(WRAPPED)
    database = Database()
    modes = SanctumModes(
        SanctumMode.AUTO, database, by_laravel, lambda: (database.there is not None and database.answers, "")
    )
    with pytest.raises(AuthenticationFailed, match="by the database"):
        modes.verify(TOKEN)
    assert modes.available() == (True, "Mode db: tokens are verified in the database.")
    database.there = False
    assert modes.verify(TOKEN).vouched
    assert modes.available() == (True, "Mode http: tokens are verified by Laravel.")
    database.there = None
    assert modes.verify(TOKEN).vouched
    ok, sentence = modes.available()
    assert not ok
    assert "Mode http" in sentence
    assert "database is away" in sentence
    database.there, database.answers = True, False  # its schema is remembered, its rows cannot be read
    assert modes.verify(TOKEN).vouched
    database.answers = True
    with pytest.raises(AuthenticationFailed, match="by the database"):
        modes.verify(TOKEN)


def test_the_mode_http_does_not_ask_the_database(laravel_api, by_laravel):
    laravel_api.behaviour = says(WRAPPED)
    assert SanctumModes(SanctumMode.HTTP, Database(), by_laravel, lambda: (False, "")).verify(TOKEN).vouched


def test_without_laravels_address_auto_is_the_database():
    modes = SanctumModes(SanctumMode.AUTO, Database(), None, lambda: (True, ""))
    with pytest.raises(AuthenticationFailed, match="by the database"):
        modes.verify(TOKEN)


def test_where_the_users_can_be_read_they_decide(people, door, laravel_api, by_laravel):
    authenticator = TokenAuthenticator(door.jwts, by_laravel, door.directory)

    def code(user_id: int) -> str:
        laravel_api.behaviour = says({"user": {**USER, "id": user_id, "role": "admin"}})
        with pytest.raises(AuthenticationFailed) as refusal:
            authenticator.authenticate(f"{user_id}|{sanctum_secret()}")
        return refusal.value.code

    assert [code(8), code(9), code(404)] == ["user_banned", "user_inactive", "user_unknown"]
    laravel_api.behaviour = says({"user": {**USER, "role": "admin"}})
    identity = authenticator.authenticate(TOKEN)
    assert (identity.user_id, identity.role) == (7, "senior_member")


def test_where_there_are_no_users_laravels_word_has_to_do(open_door, laravel_api, by_laravel):
    door = open_door()
    laravel_api.behaviour = says(WRAPPED)
    identity = TokenAuthenticator(door.jwts, by_laravel, door.directory).authenticate(TOKEN)
    assert (identity.user_id, identity.role, identity.name, identity.vouched) == (
        7,
        "senior_member",
        "Giang",
        True,
    )
