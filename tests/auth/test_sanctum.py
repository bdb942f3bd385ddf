"""Sanctum's rule, on SQLite and on MariaDB."""

from datetime import UTC, datetime, timedelta

import pytest

from mechamap.domain.identity import TokenKind
from mechamap.store.laravel.clock import wall_clock
from tests.store import shapes
from tests.store.site import Site

from .conftest import RANDOM, Door, OpenDoor, add_token, sanctum_secret


def ago(zone: str = "UTC", **span: float) -> str:
    """A time in the past (or, negative, in the future) as Laravel writes it."""
    return wall_clock(datetime.now(UTC) - timedelta(**span), zone)


@pytest.mark.parametrize(
    "secret",
    [sanctum_secret(), sanctum_secret("mm_"), sanctum_secret(checksum=False), sanctum_secret("a|b|")],
)
def test_a_token_is_accepted_with_and_without_prefix_and_checksum(
    people: Site, door: Door, secret: str
) -> None:
    identity = door.admit(add_token(people, 41, secret))
    assert (identity.user_id, identity.role, identity.name) == (7, "senior_member", "Giang")
    assert identity.kind is TokenKind.SANCTUM
    assert identity.expires_at is None


def test_checksum_and_hash_are_those_of_php(people: Site, door: Door) -> None:
    # php -r '$s = $e.hash("crc32b", $e); echo $s, hash("sha256", $s);' for the first 40 characters
    secret = "q7VbXyD3uTn0KcWm5RzJ1oHs9LgPa2Ei8FtYd6Uve41ed577"
    row = {"tokenable_type": "App\\Models\\User", "tokenable_id": 7, "name": "api-access"}
    digest = "9db8d1448f69b5b48d6a706570574161600658c00c94fe5be250b0f35d49a3ca"
    people.add("personal_access_tokens", id=12, token=digest, **row)
    assert door.admit(f"12|{secret}").user_id == 7
    people.execute("DELETE FROM personal_access_tokens")
    assert door.refuse(f"12|{secret}") == "token_revoked"


def test_a_token_without_its_id_is_found_by_its_hash(people: Site, door: Door) -> None:
    add_token(people, 41, sanctum_secret())
    assert door.admit(sanctum_secret()).user_id == 7


def test_a_wrong_secret_for_an_existing_row_is_refused(people: Site, door: Door) -> None:
    add_token(people, 41, sanctum_secret())
    assert door.refuse(f"41|{sanctum_secret('x')}") == "token_invalid"
    assert door.refuse("41|" + "0" * 64) == "token_invalid"


def test_the_stored_hash_is_not_a_token(people: Site, door: Door) -> None:
    add_token(people, 41, sanctum_secret())
    stored = people.execute("SELECT token FROM personal_access_tokens")[0][0]
    assert door.refuse(f"41|{stored}") == "token_invalid"
    assert door.refuse(stored) == "token_invalid"


def test_the_secret_of_one_row_does_not_open_another(people: Site, door: Door) -> None:
    add_token(people, 41, sanctum_secret())
    add_token(people, 42, sanctum_secret("b"), user_id=9)
    assert door.refuse(f"42|{sanctum_secret()}") == "token_invalid"


def test_a_token_whose_row_laravel_deleted_was_revoked(people: Site, door: Door) -> None:
    token = add_token(people, 41, sanctum_secret())
    people.execute("DELETE FROM personal_access_tokens")
    assert door.refuse(token) == "token_revoked"


def test_a_made_up_token_is_not_called_revoked(door: Door) -> None:
    assert door.refuse("404|" + "x" * 48) == "token_invalid"
    assert door.refuse("x" * 48) == "token_invalid"


@pytest.mark.parametrize(
    "token",
    [
        "|" + RANDOM,
        "41|",
        "|",
        "x|" + RANDOM,
        "41 |" + RANDOM,
        "-1|" + RANDOM,
        "4.1|" + RANDOM,
        "0x1|" + RANDOM,
        "9" * 21 + "|" + RANDOM,
    ],
)
def test_what_does_not_have_the_form_of_a_token_is_malformed(door: Door, token: str) -> None:
    assert door.refuse(token) == "token_malformed"


def test_an_id_beyond_every_row_is_refused_without_an_error(door: Door) -> None:
    assert door.refuse("9" * 20 + "|" + "x" * 48) == "token_invalid"


@pytest.mark.parametrize("kind", ["App\\Models\\Admin", "user", "App\\User", "app\\models\\user"])
def test_a_token_of_another_model_is_refused(people: Site, door: Door, kind: str) -> None:
    assert door.refuse(add_token(people, 41, sanctum_secret(), tokenable_type=kind)) == "token_type"


@pytest.mark.parametrize("zone", ["UTC", "Asia/Ho_Chi_Minh", "America/New_York"])
def test_expiry_is_the_wall_clock_of_laravels_zone(people: Site, open_door: OpenDoor, zone: str) -> None:
    door = open_door(people, APP_TIMEZONE=zone)
    live = add_token(people, 41, sanctum_secret(), expires_at=ago(zone, minutes=-5))
    ended = add_token(people, 42, sanctum_secret("b"), expires_at=ago(zone, minutes=5))
    assert door.admit(live).expires_at == pytest.approx(
        (datetime.now(UTC) + timedelta(minutes=5)).timestamp(), abs=5
    )
    assert door.refuse(ended) == "token_expired"


def test_the_sites_lifetime_counts_from_creation(people: Site, open_door: OpenDoor) -> None:
    door = open_door(people, SANCTUM_EXPIRATION="60")
    young = add_token(people, 41, sanctum_secret(), created_at=ago(minutes=50))
    old = add_token(people, 42, sanctum_secret("b"), created_at=ago(minutes=70))
    undated = add_token(people, 43, sanctum_secret("c"))
    assert door.admit(young).expires_at == pytest.approx(
        (datetime.now(UTC) + timedelta(minutes=10)).timestamp(), abs=5
    )
    assert door.refuse(old) == "token_expired"
    assert door.refuse(undated) == "token_expired"


def test_the_earlier_of_both_ends_counts(people: Site, open_door: OpenDoor) -> None:
    door = open_door(people, SANCTUM_EXPIRATION="60")
    token = add_token(people, 41, sanctum_secret(), created_at=ago(minutes=0), expires_at=ago(minutes=-600))
    assert door.admit(token).expires_at == pytest.approx(
        (datetime.now(UTC) + timedelta(minutes=60)).timestamp(), abs=5
    )


def test_a_row_without_the_column_of_expiry_has_no_end(site: Site, open_door: OpenDoor) -> None:
    site.create(shapes.APPLICATION)
    site.execute("ALTER TABLE personal_access_tokens DROP COLUMN expires_at")
    site.add_user(7)
    assert open_door(site).admit(add_token(site, 41, sanctum_secret())).expires_at is None


def test_last_used_at_is_left_to_laravel(people: Site, door: Door) -> None:
    door.admit(add_token(people, 41, sanctum_secret()))
    assert people.execute("SELECT last_used_at FROM personal_access_tokens") == [(None,)]


def test_without_the_table_sanctum_is_refused_with_its_own_code(site: Site, open_door: OpenDoor) -> None:
    site.create(shapes.PLAN)
    assert open_door(site).refuse(f"41|{sanctum_secret()}") == "token_unsupported"


def test_without_the_table_of_users_sanctum_is_refused_with_the_same_code(
    site: Site, open_door: OpenDoor
) -> None:
    site.create([shapes.TOKENS])
    assert open_door(site).refuse(add_token(site, 41, sanctum_secret())) == "token_unsupported"
