"""Which check refuses a token, as operators are told."""

import time

import pytest

from mechamap.auth.inspection import Passed, inspect
from tests.store.site import Site

from .conftest import Door, OpenDoor, add_token, sanctum_secret
from .test_jwt import token

OTHER_SECRET = "somebody-elses-secret-somebody-elses-secret"


def failed(door: Door, text: str) -> str | None:
    """The check that failed; those before it passed, and those behind it were not reached."""
    report = inspect(text, door.authenticator, door.jwts)
    ends = [check.passed for check in report.checks]
    if report.accepted:
        assert set(ends) == {Passed.YES}
        return None
    [at] = [place for place, end in enumerate(ends) if end in (Passed.NO, Passed.OPEN)]
    assert set(ends[:at]) <= {Passed.YES} and set(ends[at + 1 :]) <= {Passed.NOT_REACHED}
    assert text not in repr(report) or len(text) < 20
    return report.checks[at].name


def test_a_good_token_passes_every_check(fast_door: Door) -> None:
    assert failed(fast_door, token()) is None


@pytest.mark.parametrize(
    ("claims", "check"),
    [
        ({"exp": int(time.time()) - 60}, "time"),
        ({"exp": None}, "time"),
        ({"nbf": int(time.time()) + 600}, "time"),
        ({"type": "refresh"}, "use"),
        ({"prv": "x"}, "use"),
        ({"userId": None, "sub": None}, "user id"),
        ({"userId": "seven"}, "user id"),
        ({"userId": 7, "user_id": 8}, "user id"),
        ({"userId": 7_777, "sub": None}, "user"),
    ],
    ids=str,
)
def test_a_jwt_fails_at_the_check_that_refuses_it(fast_door: Door, claims: dict, check: str) -> None:
    assert failed(fast_door, token(**claims)) == check


def test_signatures_forms_and_texts(fast_door: Door) -> None:
    assert failed(fast_door, token(secret=OTHER_SECRET)) == "signature"
    assert failed(fast_door, token(secret=OTHER_SECRET, exp=1)) == "signature"
    head, _, signature = token().split(".")
    assert failed(fast_door, f"{head}.####.{signature}") == "form"
    assert failed(fast_door, "x") == "form"
    for text in ("", "development-mode", "x" * 5_000, "two words"):
        assert failed(fast_door, text) == "text"


def test_a_revoked_jwt(fast_door: Door) -> None:
    text = token()
    fast_door.jwts.revoke(text)
    assert failed(fast_door, text) == "not revoked"


def test_sanctum_tokens(people: Site, open_door: OpenDoor) -> None:
    door, secret = open_door(people), sanctum_secret()
    good = add_token(people, 1, secret)
    assert failed(door, good) is None
    assert failed(door, good[:-1] + "x") == "known"
    assert failed(door, f"2|{secret}") == "known"
    assert failed(door, f"one|{secret}") == "form"
    assert failed(door, add_token(people, 3, "a" * 40, 8)) == "user"
    assert failed(door, add_token(people, 4, "b" * 40, expires_at="2020-01-01 00:00:00")) == "time"
    assert failed(door, add_token(people, 5, "c" * 40, tokenable_type="App\\Models\\Bot")) == "owner"
