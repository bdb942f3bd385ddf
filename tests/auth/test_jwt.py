"""JWTs of Laravel and of our own: what is accepted, and each way to be refused."""

import base64
import hashlib
import hmac
import json
import time
from datetime import timedelta
from typing import Any

import jwt
import pytest

from mechamap.domain.errors import AuthenticationFailed, DirectoryUnavailable
from mechamap.domain.identity import TokenKind
from mechamap.settings import SettingsError
from tests.store.site import JWT_SECRET, PREVIOUS_SECRET

from .conftest import Door, OpenDoor, door_of

PUBLIC_KEY = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
"""


def claims(**changes: Any) -> dict[str, Any]:
    """What Laravel's legacy endpoint writes, for user 7; a change of None takes a claim away."""
    now = int(time.time())
    content = {
        "userId": 7,
        "role": "member",
        "permissions": ["websocket:connect"],
        "iat": now,
        "exp": now + 3600,
    }
    return {name: value for name, value in {**content, **changes}.items() if value is not None}


def token(secret: str = JWT_SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    return jwt.encode(claims(**changes), secret, algorithm)


def segments(header: object, payload: object, signature: bytes = b"") -> str:
    """A token put together by hand, for what no library would write."""
    parts = [
        json.dumps(header).encode(),
        payload if isinstance(payload, bytes) else json.dumps(payload).encode(),
    ]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (*parts, signature))


def signed(header: dict[str, Any], payload: object, secret: str = JWT_SECRET) -> str:
    """The same with a good HS256 signature, whatever the header says."""
    body = segments(header, payload).rstrip(".")
    mac = hmac.new(secret.encode(), body.encode(), hashlib.sha256).digest()
    return f"{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


HEADER = {"alg": "HS256", "typ": "JWT"}


def test_a_token_of_laravel_is_accepted_with_the_role_of_the_table(door: Door) -> None:
    content = claims(role="super_admin")
    given = jwt.encode(content, JWT_SECRET, "HS256")
    identity = door.admit(given)
    assert (identity.user_id, identity.role, identity.name) == (7, "senior_member", "Giang")
    assert identity.kind is TokenKind.JWT
    assert identity.expires_at == content["exp"]
    assert identity.token_ref == hashlib.sha256(given.encode()).hexdigest()[:16]


@pytest.mark.parametrize(
    "subject",
    [{"userId": "7"}, {"sub": "7"}, {"sub": 7}, {"user_id": 7}, {"user_id": "7"}, {"userId": 7, "sub": "7"}],
)
def test_the_user_may_stand_in_three_claims_as_number_or_text(
    fast_door: Door, subject: dict[str, Any]
) -> None:
    assert fast_door.admit(token(**{"userId": None, **subject})).user_id == 7


@pytest.mark.parametrize(
    "subject",
    [
        {},
        {"sub": ""},
        {"sub": "7abc"},
        {"sub": "٧"},
        {"sub": "0"},
        {"sub": "-7"},
        {"sub": 7.0},
        {"sub": True},
        {"sub": "07"},
        {"sub": [7]},
        {"sub": {"id": 7}},
        {"sub": "9" * 20},
        {"userId": 7, "sub": "8"},
    ],
)
def test_a_token_without_one_clear_user_is_refused(fast_door: Door, subject: dict[str, Any]) -> None:
    assert fast_door.refuse(token(**{"userId": None, **subject})) == "token_invalid"


def test_a_token_of_tymons_package_is_accepted(fast_door: Door) -> None:
    prv = "23bd5c8949f600adb39e701c400872db7a5976f7"
    given = token(
        userId=None, sub=7, iss="https://mechamap.test/api/login", nbf=int(time.time()), jti="a" * 16, prv=prv
    )
    assert fast_door.admit(given).user_id == 7


def test_a_token_of_another_model_is_refused(fast_door: Door) -> None:
    prv = hashlib.sha1(b"App\\Models\\Admin").hexdigest()
    assert fast_door.refuse(token(prv=prv)) == "token_invalid"


def test_an_expired_token_is_refused(fast_door: Door) -> None:
    assert fast_door.refuse(token(exp=int(time.time()) - 10)) == "token_expired"


def test_clocks_may_differ_by_a_few_seconds(fast_door: Door) -> None:
    now = int(time.time())
    assert fast_door.admit(token(iat=now + 3, nbf=now + 3, exp=now - 2)).user_id == 7


def test_user_and_expiry_are_all_a_token_needs(fast_door: Door) -> None:
    assert fast_door.admit(token(iat=None, role=None, permissions=None)).user_id == 7


def test_a_token_without_expiry_is_refused(fast_door: Door) -> None:
    assert fast_door.refuse(token(exp=None)) == "token_invalid"


@pytest.mark.parametrize("exp", [b"null", b'"soon"', b"Infinity", b"NaN", b"[]", b"1e400", b"{}"])
def test_an_expiry_that_is_no_time_is_refused(fast_door: Door, exp: bytes) -> None:
    code = fast_door.refuse(signed(HEADER, b'{"userId": 7, "exp": ' + exp + b"}"))
    assert code in {"token_invalid", "token_malformed"}


@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_a_token_from_the_future_is_refused(fast_door: Door, claim: str) -> None:
    assert fast_door.refuse(token(**{claim: int(time.time()) + 60})) == "token_invalid"


def test_a_token_signed_with_the_previous_secret_is_accepted(fast_door: Door) -> None:
    assert fast_door.admit(token(PREVIOUS_SECRET)).user_id == 7


def test_an_expired_token_of_the_previous_secret_is_expired_and_not_forged(fast_door: Door) -> None:
    assert fast_door.refuse(token(PREVIOUS_SECRET, exp=int(time.time()) - 60)) == "token_expired"


def test_without_a_previous_secret_only_the_current_one_counts(people: Any, open_door: OpenDoor) -> None:
    door = open_door(people, JWT_SECRET_PREVIOUS="")
    assert door.admit(token()).user_id == 7
    assert door.refuse(token(PREVIOUS_SECRET)) == "token_invalid"


def test_a_forged_signature_is_refused(fast_door: Door) -> None:
    assert fast_door.refuse(token("another-secret-0123456789abcdef-0123456789abcdef")) == "token_invalid"


def test_a_forged_token_that_cannot_be_read_is_called_unreadable(fast_door: Door) -> None:
    assert fast_door.refuse(segments(HEADER, b"{", b"x" * 32)) == "token_malformed"


@pytest.mark.parametrize("secret", [PUBLIC_KEY, '{"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQ"}'])
def test_a_secret_that_is_a_key_of_another_kind_stops_the_start(open_door: OpenDoor, secret: str) -> None:
    with pytest.raises(SettingsError, match="JWT_SECRET"):
        open_door(JWT_SECRET=secret)


def test_changed_claims_are_refused(fast_door: Door) -> None:
    header, _, signature = token().split(".")
    changed = base64.urlsafe_b64encode(json.dumps(claims(userId=1)).encode()).rstrip(b"=").decode()
    assert fast_door.refuse(f"{header}.{changed}.{signature}") == "token_invalid"


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", ""])
def test_an_unsigned_token_is_refused(fast_door: Door, alg: str) -> None:
    assert fast_door.refuse(segments({"alg": alg, "typ": "JWT"}, claims())) == "token_invalid"
    assert fast_door.refuse(signed({"alg": alg, "typ": "JWT"}, claims())) == "token_invalid"


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_with_the_right_secret_is_refused(fast_door: Door, algorithm: str) -> None:
    secret = JWT_SECRET.ljust(64, "0")
    with pytest.raises(AuthenticationFailed) as refusal:
        fast_door.admit(token(secret, algorithm))
    assert refusal.value.code == "token_invalid"


@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA", "PS256"])
def test_a_public_key_algorithm_does_not_turn_the_secret_into_a_public_key(fast_door: Door, alg: str) -> None:
    assert fast_door.refuse(signed({"alg": alg, "typ": "JWT"}, claims())) == "token_invalid"


def test_a_public_key_used_as_hmac_secret_proves_nothing(fast_door: Door) -> None:
    assert fast_door.refuse(signed(HEADER, claims(), PUBLIC_KEY)) == "token_invalid"


@pytest.mark.parametrize(
    "header", [{"jwk": {"kty": "oct", "k": "YQ"}}, {"jku": "http://127.0.0.1:1/"}, {"kid": "../../dev/null"}]
)
def test_a_key_that_the_token_brings_along_is_not_used(fast_door: Door, header: dict[str, Any]) -> None:
    assert fast_door.refuse(signed({**HEADER, **header}, claims(), "a" * 32)) == "token_invalid"


@pytest.mark.parametrize("kind", ["refresh", "", "ACCESS", 1, ["access"]])
def test_a_token_of_another_type_is_refused(fast_door: Door, kind: Any) -> None:
    assert fast_door.refuse(token(type=kind)) == "token_type"


def test_a_token_that_says_access_is_accepted(fast_door: Door) -> None:
    assert fast_door.admit(token(type="access")).user_id == 7


def test_a_header_that_is_a_token_with_a_broken_body_is_malformed(fast_door: Door) -> None:
    assert fast_door.refuse(segments(HEADER, b"not json")) == "token_malformed"
    assert fast_door.refuse(signed(HEADER, b'["userId"]')) == "token_malformed"
    assert fast_door.refuse(signed(HEADER, b"[" * 2500)) == "token_malformed"


def test_a_token_of_our_own_is_accepted_and_carries_the_claims_given(fast_door: Door) -> None:
    given = fast_door.jwts.issue(7, timedelta(minutes=5), {"role": "member", "name": "G"})
    verified = fast_door.jwts.verify(given)
    assert (verified.user_id, verified.role, verified.name) == (7, "member", "G")
    assert 290 <= verified.expires_at - time.time() <= 300
    assert verified.claims["userId"] == 7


def test_claims_given_cannot_name_another_user(fast_door: Door) -> None:
    given = fast_door.jwts.issue(7, timedelta(minutes=5), {"sub": "1", "userId": 1})
    assert fast_door.jwts.verify(given).user_id == 7


def test_a_revoked_token_is_refused_and_others_of_the_user_are_not(fast_door: Door) -> None:
    first, second = token(), token(jti="2")
    fast_door.jwts.revoke(first)
    assert fast_door.refuse(first) == "token_revoked"
    assert fast_door.admit(second).user_id == 7


def test_a_token_is_revoked_by_its_jti(fast_door: Door) -> None:
    fast_door.revoking.jti("abc", time.time() + 60, lambda order: 0)
    assert fast_door.refuse(token(jti="abc")) == "token_revoked"
    assert fast_door.admit(token(jti="abd")).user_id == 7


def test_when_revocations_cannot_be_read_nobody_new_comes_in(people: Any, server_for: Any) -> None:
    server = server_for(people.url, own="mysql://root@127.0.0.1:9/none", migrate=False)
    with pytest.raises(DirectoryUnavailable):
        door_of(server).admit(token())


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_the_algorithm_is_a_setting(open_door: OpenDoor, algorithm: str) -> None:
    door = open_door(JWT_ALGORITHM=algorithm, JWT_SECRET="x" * 64)
    assert door.admit(token("x" * 64, algorithm)).user_id == 7
    assert door.refuse(token("x" * 64)) == "token_invalid"
