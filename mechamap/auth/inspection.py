"""A token explained to a person: what it claims to be, which checks it passes, and whether it is let in.
Nothing of it is kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import jwt

from mechamap.domain.errors import AuthenticationFailed, RealtimeError, Unavailable
from mechamap.domain.identity import Identity

from .authenticator import MAX_TOKEN_LENGTH, TokenAuthenticator, TokenShape, shape_of, token_ref
from .claims import check_use, user_id_of
from .jwt import Jwts


class Passed(StrEnum):
    """How a check ended."""

    YES = "passed"
    NO = "failed"
    OPEN = "not_decided"
    """It could not be carried out now: what it asks is away."""
    NOT_REACHED = "not_reached"


@dataclass(frozen=True, slots=True)
class Check:
    """One of the checks, in the order in which they are made."""

    name: str
    passed: Passed


@dataclass(frozen=True, slots=True)
class TokenReport:
    """What can be said of a token.

    Attributes:
        claims: of a JWT, as written and not necessarily true; empty for others.
        header: of a JWT.
        accepted: whether it would be let in now.
        code: ``accepted``, or why not.
        reason: one sentence.
        identity: who it would be, when accepted.
        checks: in their order, up to the one that refused it.
    """

    shape: TokenShape
    ref: str
    accepted: bool
    code: str
    reason: str
    identity: Identity | None = None
    header: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()


_JWT = ("text", "form", "signature", "time", "use", "user id", "not revoked", "user")
_SANCTUM = ("text", "form", "known", "owner", "time", "user")
_NEITHER = ("text", "form")

# where a refusal of the authenticator stands among the checks, once those before it are known to be passed
_BY_CODE = {
    "token_missing": "text",
    "development_token": "text",
    "token_malformed": "form",
    "token_unsupported": "known",
    "token_type": "owner",
    "token_expired": "time",
    "user_unknown": "user",
    "user_banned": "user",
    "user_inactive": "user",
    "user_blocked": "user",
}


def inspect(token: str, authenticator: TokenAuthenticator, jwts: Jwts | None = None) -> TokenReport:
    """Explain the token. A database or a Laravel that is away is a verdict too. ``jwts`` tells which check of
    a JWT refused it."""
    shape = shape_of(token) if len(token) <= MAX_TOKEN_LENGTH else TokenShape.NONE
    header, claims = _content(token) if shape is TokenShape.JWT else ({}, {})
    ref = token_ref(token)
    try:
        identity = authenticator.authenticate(token)
    except (AuthenticationFailed, Unavailable) as err:
        checks = _checks(shape, _refused_by(shape, token, claims, err, jwts), err)
        return TokenReport(
            shape, ref, False, err.code, err.message, header=header, claims=claims, checks=checks
        )
    checks = _checks(shape, None, None)
    reason = "The token is accepted."
    return TokenReport(shape, ref, True, "accepted", reason, identity, header, claims, checks)


def authorization_of(token: str, user_id: int, authenticator: TokenAuthenticator) -> str:
    """The header ``Authorization`` with which Laravel is asked in a user's name.

    Raises:
        AuthenticationFailed: the token is refused, or another user's.
        Unavailable: what it rests on is away.
    """
    if authenticator.authenticate(token).user_id != user_id:
        raise AuthenticationFailed("the token is another user's.", code="auth_other_user")
    return f"Bearer {token}"


def _checks(shape: TokenShape, refused_by: str | None, error: RealtimeError | None) -> tuple[Check, ...]:
    names = _names(shape)
    if refused_by is None:
        return tuple(Check(name, Passed.YES) for name in names)
    at = names.index(refused_by)
    end = Passed.OPEN if isinstance(error, Unavailable) else Passed.NO
    return tuple(
        Check(name, Passed.YES if place < at else end if place == at else Passed.NOT_REACHED)
        for place, name in enumerate(names)
    )


def _names(shape: TokenShape) -> Sequence[str]:
    return {TokenShape.JWT: _JWT, TokenShape.SANCTUM: _SANCTUM}.get(shape, _NEITHER)


def _refused_by(
    shape: TokenShape, token: str, claims: dict[str, Any], error: RealtimeError, jwts: Jwts | None
) -> str:
    """Which check it was."""
    if not token.isascii() or not token.isprintable() or " " in token or len(token) > MAX_TOKEN_LENGTH:
        return "text"
    by_code = _BY_CODE.get(error.code)
    if shape is TokenShape.JWT:
        if by_code == "user" or error.code == "token_revoked":
            return "user" if by_code == "user" else "not revoked"
        return _of_jwt(token, claims, error, jwts)
    if shape is TokenShape.SANCTUM:
        return by_code or "known"
    return by_code if by_code in _NEITHER else "form"


def _of_jwt(token: str, claims: dict[str, Any], error: RealtimeError, jwts: Jwts | None) -> str:
    """The same by making the checks once more, one by one."""
    if not claims:
        return "form"
    if jwts is not None and not jwts.signed(token):
        return "signature"
    for name, check in (("use", check_use), ("user id", user_id_of)):
        try:
            check(claims)
        except AuthenticationFailed as err:
            if err.message == error.message:
                return name
    # the signature fits and the claims are in order: what remains is when, or a database that is away
    return "not revoked" if isinstance(error, Unavailable) else "time"


def _content(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        parts = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return {}, {}
    return dict(parts["header"]), dict(parts["payload"])
