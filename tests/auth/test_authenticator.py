"""From any token to an identity or a refusal with a stable code."""

from datetime import timedelta

import pytest

from mechamap.auth.authenticator import TokenShape, shape_of
from mechamap.auth.inspection import inspect
from mechamap.domain.errors import DirectoryUnavailable
from tests.services.mariadb import MariaDBServer
from tests.store import shapes
from tests.store.site import Site

from .conftest import Door, OpenDoor, add_token, sanctum_secret
from .test_jwt import token

HOUR = timedelta(hours=1)


@pytest.mark.parametrize("nothing", [None, "", 0, 7, b"bytes", [], {}, {"token": "x"}, True])
def test_what_is_no_text_is_missing(fast_door: Door, nothing: object) -> None:
    assert fast_door.refuse(nothing) == "token_missing"


def test_the_browsers_development_token_has_a_code_of_its_own(fast_door: Door) -> None:
    assert fast_door.refuse("development-mode") == "development_token"


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "x" * 39,
        "a.b.c",
        "Bearer x",
        "développement" * 5,
        "\ud800" * 50,
        "x" * 60 + "\n",
        "\x00" * 50,
        "x y" * 30,
        "x" * 4097,
    ],
)
def test_what_no_token_looks_like_is_malformed(fast_door: Door, text: str) -> None:
    assert fast_door.refuse(text) == "token_malformed"


def test_a_long_token_is_refused_before_it_is_read(fast_door: Door) -> None:
    assert fast_door.refuse(token(padding="x" * 4096)) == "token_malformed"


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("1|x", TokenShape.SANCTUM),
        ("eyJhbGciOiJIUzI1NiJ9.e30.x", TokenShape.JWT),
        ("x" * 40, TokenShape.SANCTUM),
        ("x" * 30 + ".y." + "z" * 30, TokenShape.SANCTUM),
        ("x" * 39, TokenShape.NONE),
    ],
)
def test_the_shape_decides_who_verifies(text: str, shape: TokenShape) -> None:
    assert shape_of(text) is shape


@pytest.mark.parametrize(
    ("user_id", "code"), [(8, "user_banned"), (9, "user_inactive"), (404, "user_unknown")]
)
def test_a_user_who_may_not_sign_in_is_refused_whatever_the_token(
    people: Site, door: Door, user_id: int, code: str
) -> None:
    assert door.refuse(door.jwts.issue(user_id, HOUR)) == code
    assert door.refuse(add_token(people, 41, sanctum_secret(), user_id=user_id)) == code


def test_a_ban_acts_on_the_next_sign_in(people: Site, door: Door) -> None:
    given = door.jwts.issue(7, HOUR)
    assert door.admit(given)
    people.execute("UPDATE users SET banned_at = '2026-01-01 00:00:00' WHERE id = 7")
    assert door.refuse(given) == "user_banned"


def test_where_there_are_no_users_at_all_a_jwt_is_taken_at_its_word(site: Site, open_door: OpenDoor) -> None:
    door = open_door(site)
    identity = door.admit(door.jwts.issue(7, HOUR, {"role": "moderator", "name": "Giang"}))
    assert (identity.user_id, identity.role, identity.name) == (7, "moderator", "Giang")


def test_claims_that_are_no_text_are_no_role_and_no_name(site: Site, open_door: OpenDoor) -> None:
    door = open_door(site)
    identity = door.admit(door.jwts.issue(7, HOUR, {"role": ["super_admin"], "name": 5}))
    assert (identity.role, identity.name) == (None, None)


def test_the_plans_users_without_a_status_may_sign_in(site: Site, open_door: OpenDoor) -> None:
    site.create(shapes.PLAN)
    site.add("users", id=7, name="Giang", email="g@example.test", role="admin")
    door = open_door(site)
    assert door.admit(door.jwts.issue(7, HOUR)).role == "admin"
    assert door.refuse(door.jwts.issue(8, HOUR)) == "user_unknown"


def test_a_dead_database_refuses_with_an_outage_and_lets_in_again_when_it_is_back(
    mariadb_server: MariaDBServer, open_door: OpenDoor
) -> None:
    site = Site(mariadb_server.create_database("people"))
    site.create(shapes.APPLICATION)
    site.add_user(7)
    add_token(site, 41, sanctum_secret())
    site.engine.dispose()
    door = open_door(site)
    tokens = [door.jwts.issue(7, HOUR), f"41|{sanctum_secret()}"]
    mariadb_server.stop()
    for each in tokens:
        with pytest.raises(DirectoryUnavailable):
            door.admit(each)
    mariadb_server.start()
    door.directory.schema.source.breaker.succeeded()
    assert [door.admit(each).user_id for each in tokens] == [7, 7]


def test_inspection_explains_an_accepted_token(fast_door: Door) -> None:
    report = inspect(fast_door.jwts.issue(7, HOUR, {"role": "member"}), fast_door.authenticator)
    assert (report.accepted, report.code, report.identity.user_id) == (True, "accepted", 7)
    assert (report.header["alg"], report.claims["role"]) == ("HS256", "member")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("development-mode", "development_token"),
        ("1|x", "token_invalid"),
        ("", "token_missing"),
        ("x" * 5000, "token_malformed"),
    ],
)
def test_inspection_explains_a_refusal_with_the_code_of_the_door(
    fast_door: Door, text: str, code: str
) -> None:
    report = inspect(text, fast_door.authenticator)
    assert (report.accepted, report.code, report.identity, report.claims) == (False, code, None, {})


def test_inspection_shows_the_claims_of_a_forged_token_as_unproven(fast_door: Door) -> None:
    report = inspect(
        token("another-secret-0123456789abcdef-0123456789abcdef", role="super_admin"), fast_door.authenticator
    )
    assert (report.accepted, report.code, report.claims["role"]) == (False, "token_invalid", "super_admin")
