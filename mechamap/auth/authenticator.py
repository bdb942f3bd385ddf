"""From a person's token to an identity: first the token proves itself, then its user must be allowed in."""

import base64
import binascii
import hashlib
import json
from enum import StrEnum
from functools import lru_cache
from typing import Protocol

from mechamap.domain.errors import AuthenticationFailed, DirectoryUnavailable, Unavailable
from mechamap.domain.identity import Identity, TokenKind, UserFacts
from mechamap.store.laravel.directory import LaravelDirectory
from mechamap.store.revocations import REF_LENGTH, Revocations, digest_of_jti, names_of_token

from .blocklist import Blocklist
from .jwt import Jwts
from .sanctum import OPAQUE_LENGTH, VerifiedSanctum

MAX_TOKEN_LENGTH = 4096
"""Characters. Laravel's JWTs have some 400; proxies cut headers at 8 KB."""

DEVELOPMENT_TOKEN = "development-mode"
"""What the site's browser code sends when it could fetch no token. The server before this one let it in."""


class TokenShape(StrEnum):
    """What a token looks like; decides who verifies it."""

    JWT = "jwt"
    SANCTUM = "sanctum"
    NONE = "none"


def shape_of(token: str) -> TokenShape:
    """A bar means Sanctum; two dots and a JSON header, JWT; other long text may be Sanctum's without id."""
    if "|" in token:
        return TokenShape.SANCTUM
    if token.count(".") == 2 and _is_jose_header(token.partition(".")[0]):
        return TokenShape.JWT
    if len(token) >= OPAQUE_LENGTH:
        return TokenShape.SANCTUM
    return TokenShape.NONE


def token_ref(token: str) -> str:
    """Names a token without revealing it."""
    return hashlib.sha256(token.encode()).hexdigest()[:REF_LENGTH]


class SanctumTokens(Protocol):
    """Whoever verifies Sanctum tokens: the database, Laravel, or the one of the two that can."""

    def verify(self, token: str) -> VerifiedSanctum:
        """The token's owner.

        Raises:
            AuthenticationFailed, Unavailable: as ``auth.protocol.Authenticator`` has it.
        """


class TokenAuthenticator:
    """Implements ``auth.protocol.Authenticator``."""

    def __init__(
        self,
        jwts: Jwts,
        sanctum: SanctumTokens,
        directory: LaravelDirectory,
        revocations: Revocations | None = None,
        blocklist: Blocklist | None = None,
    ) -> None:
        """``revocations``: those of Sanctum tokens; ``jwts`` looks after its own."""
        self._jwts = jwts
        self._sanctum = sanctum
        self._directory = directory
        self._revocations = revocations
        self._blocklist = blocklist

    def authenticate(self, token: object) -> Identity:
        identity = self._verified(_readable(token))
        if self._blocklist is not None:
            self._blocklist.check(identity.user_id)
        return identity

    def _verified(self, text: str) -> Identity:
        ref = token_ref(text)
        match shape_of(text):
            case TokenShape.JWT:
                jwt = self._jwts.verify(text)
                user = self._user(jwt.user_id)
                role, name = (user.role, user.name) if user else (jwt.role, jwt.name)
                jti = jwt.claims.get("jti")
                jti_ref = digest_of_jti(jti)[:REF_LENGTH] if isinstance(jti, str) else ""
                return Identity(jwt.user_id, role, name, TokenKind.JWT, jwt.expires_at, ref, jti_ref=jti_ref)
            case TokenShape.SANCTUM:
                owner = self._owner(self._sanctum.verify(text), ref)
                self._check_revoked(text)
                return owner
            case _:
                raise AuthenticationFailed(
                    "the token is neither a JWT nor a Sanctum token.", code="token_malformed"
                )

    def _check_revoked(self, token: str) -> None:
        """What Laravel accepts may have been revoked here."""
        try:
            if self._revocations is not None and self._revocations.any_revoked(names_of_token(token)):
                raise AuthenticationFailed("the token was revoked.", code="token_revoked")
        except Unavailable as err:
            raise DirectoryUnavailable(
                "Revoked tokens cannot be looked up now.", retry_after=err.retry_after
            ) from err

    def _owner(self, token: VerifiedSanctum, ref: str) -> Identity:
        """The user of a Sanctum token. Where Laravel vouched for them, a table of users may be away or
        missing."""
        try:
            user = self._user(token.user_id)
        except DirectoryUnavailable:
            if not token.vouched:
                raise
            user = None
        if user is None and not token.vouched:
            raise AuthenticationFailed("this server has no table of users.", code="token_unsupported")
        role, name = (user.role, user.name) if user else (token.role, token.name)
        return Identity(
            token.user_id, role, name, TokenKind.SANCTUM, token.expires_at, ref, vouched=token.vouched
        )

    def _user(self, user_id: int) -> UserFacts | None:
        """The user, who may sign in; None where there is no table of users and the token's word has to do.

        Raises:
            AuthenticationFailed: no such user, not active, or banned.
            DirectoryUnavailable: it cannot be told now.
        """
        if not self._directory.knows_users():
            return None
        user = self._directory.user(user_id)
        if user is None:
            raise AuthenticationFailed("the user does not exist.", code="user_unknown")
        if user.banned:
            raise AuthenticationFailed("the user is banned.", code="user_banned")
        if not user.active:
            raise AuthenticationFailed("the user is not active.", code="user_inactive")
        return user


def _readable(token: object) -> str:
    """The token as text that is safe to hash and look up."""
    if not isinstance(token, str) or not token:
        raise AuthenticationFailed("a token is required.", code="token_missing")
    if token == DEVELOPMENT_TOKEN:
        raise AuthenticationFailed("development-mode is not a token.", code="development_token")
    if len(token) > MAX_TOKEN_LENGTH:
        raise AuthenticationFailed(
            f"the token has {len(token)} characters; the limit is {MAX_TOKEN_LENGTH}.", code="token_malformed"
        )
    if not token.isascii() or not token.isprintable() or " " in token:
        raise AuthenticationFailed("the token holds characters that no token has.", code="token_malformed")
    return token


# Nearly all tokens of a site begin with the same header. An entry is bounded by MAX_TOKEN_LENGTH.
@lru_cache(maxsize=64)
def _is_jose_header(part: str) -> bool:
    try:
        return isinstance(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))), dict)
    except (binascii.Error, ValueError, RecursionError):
        return False
