"""A token explained to a person: what it claims to be, and whether it is let in. Nothing of it is kept."""

from dataclasses import dataclass, field
from typing import Any

import jwt

from mechamap.domain.errors import AuthenticationFailed, Unavailable
from mechamap.domain.identity import Identity

from .authenticator import MAX_TOKEN_LENGTH, TokenAuthenticator, TokenShape, shape_of, token_ref


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
    """

    shape: TokenShape
    ref: str
    accepted: bool
    code: str
    reason: str
    identity: Identity | None = None
    header: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)


def inspect(token: str, authenticator: TokenAuthenticator) -> TokenReport:
    """Explain the token. A database or a Laravel that is away is a verdict too."""
    shape = shape_of(token) if len(token) <= MAX_TOKEN_LENGTH else TokenShape.NONE
    header, claims = _content(token) if shape is TokenShape.JWT else ({}, {})
    ref = token_ref(token)
    try:
        identity = authenticator.authenticate(token)
    except (AuthenticationFailed, Unavailable) as err:
        return TokenReport(shape, ref, False, err.code, err.message, header=header, claims=claims)
    return TokenReport(shape, ref, True, "accepted", "The token is accepted.", identity, header, claims)


def _content(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        parts = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return {}, {}
    return dict(parts["header"]), dict(parts["payload"])
