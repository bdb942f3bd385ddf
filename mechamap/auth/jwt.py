"""JWTs, through Flask-JWT-Extended 4.7.4, with what its ``decode_token`` leaves unchecked.

* It would accept a token without ``exp``. The one claim it can require is JWT_IDENTITY_CLAIM, so that is set
  to ``exp``; whose token it is may stand in three different claims and is read by ``claims.py``.
* It ignores ``type`` and revocation: checked here.
* It knows one key: the previous secret is tried when the signature does not fit the current one.
* It answers foreign tokens (tymon's integer ``sub``) with an error unless JWT_VERIFY_SUB is off.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import jwt
from flask import Flask, g
from flask_jwt_extended import JWTManager, create_access_token, decode_token
from flask_jwt_extended.exceptions import JWTExtendedException

from mechamap.domain.errors import AuthenticationFailed, DirectoryUnavailable, Unavailable
from mechamap.settings import Settings
from mechamap.store.revocations import Revocations, digest_of_jti, digest_of_token

from .claims import check_use, expiry_of, refused, user_id_of

LEEWAY = 5
"""Seconds that the clocks of Laravel's machine and ours may differ."""


def configure(app: Flask, settings: Settings) -> None:
    """Set Flask-JWT-Extended up on ``app``."""
    app.config.update(
        JWT_SECRET_KEY=settings.jwt_secret,
        JWT_ALGORITHM=settings.jwt_algorithm,
        # one algorithm, not what the token asks for: «none» and public keys used as HMAC secrets end here
        JWT_DECODE_ALGORITHMS=[settings.jwt_algorithm],
        JWT_DECODE_LEEWAY=LEEWAY,
        JWT_IDENTITY_CLAIM="exp",
        JWT_VERIFY_SUB=False,
        JWT_TOKEN_LOCATION=["headers"],
        # no cookie carries our tokens, so they need no claim against forged forms
        JWT_COOKIE_CSRF_PROTECT=False,
        JWT_ENCODE_NBF=False,
    )
    manager = JWTManager(app)

    @manager.decode_key_loader
    def _key(_header: Mapping[str, Any], _claims: Mapping[str, Any]) -> str:
        return g.get("jwt_key", settings.jwt_secret)


@dataclass(frozen=True, slots=True)
class VerifiedJwt:
    """A token that proved itself; ``claims`` are as its issuer wrote them."""

    user_id: int
    expires_at: float
    role: str | None
    name: str | None
    claims: Mapping[str, Any]


class Jwts:
    """Verifies, issues and revokes. ``app`` must have passed ``configure``."""

    def __init__(self, app: Flask, settings: Settings, revocations: Revocations) -> None:
        self._app = app
        self._keys = [key for key in (settings.jwt_secret, settings.jwt_secret_previous) if key]
        self._revocations = revocations

    def verify(self, token: str) -> VerifiedJwt:
        """The token's content.

        Raises:
            AuthenticationFailed: with the code that ``auth.protocol.Authenticator`` lists.
            DirectoryUnavailable: it cannot be told whether the token was revoked.
        """
        claims = self._decode(token)
        expires_at = expiry_of(claims)
        check_use(claims)
        user_id = user_id_of(claims)
        try:
            if self._revocations.any_revoked(_digests(token, claims)):
                raise AuthenticationFailed("the token was revoked.", code="token_revoked")
        except Unavailable as err:
            raise DirectoryUnavailable(
                "Revoked tokens cannot be looked up now.", retry_after=err.retry_after
            ) from err
        return VerifiedJwt(user_id, expires_at, _text(claims.get("role")), _text(claims.get("name")), claims)

    def issue(self, user_id: int, ttl: timedelta, claims: Mapping[str, Any] | None = None) -> str:
        """A token of our own for this user, as Laravel's legacy endpoint would make it."""
        content = {**(claims or {}), "userId": user_id, "sub": str(user_id)}
        with self._app.app_context():
            return create_access_token(str(user_id), expires_delta=ttl, additional_claims=content)

    def revoke(self, token: str) -> VerifiedJwt:
        """Make a token useless before its time; it must still be valid.

        Raises:
            AuthenticationFailed: the token proves nothing anyway.
            Unavailable: our database cannot be written.
        """
        verified = self.verify(token)
        self._revocations.revoke(digest_of_token(token), verified.expires_at, verified.user_id)
        return verified

    def revoke_jti(self, jti: str, expires_at: float) -> None:
        """The same by the ``jti`` claim, for when the token itself is not at hand."""
        self._revocations.revoke(digest_of_jti(jti), expires_at)

    def _decode(self, token: str) -> dict[str, Any]:
        """Claims of a token whose signature and times are good."""
        try:
            with self._app.app_context():
                for key in self._keys[:-1]:
                    g.jwt_key = key
                    try:
                        return decode_token(token)
                    except jwt.InvalidSignatureError:
                        continue
                g.jwt_key = self._keys[-1]
                return decode_token(token)
        except jwt.ExpiredSignatureError as err:
            raise AuthenticationFailed("the token has expired.", code="token_expired") from err
        except (jwt.InvalidSignatureError, jwt.InvalidKeyError) as err:
            raise refused("the token's signature does not fit.") from err
        except jwt.InvalidAlgorithmError as err:
            raise refused("the token is signed with an algorithm that is not accepted here.") from err
        except (jwt.ImmatureSignatureError, jwt.InvalidIssuedAtError) as err:
            raise refused("the token is not valid yet.") from err
        except jwt.DecodeError as err:
            raise AuthenticationFailed("the token cannot be read.", code="token_malformed") from err
        except JWTExtendedException as err:
            raise refused("the token has no expiry.") from err
        except jwt.PyJWTError as err:
            raise refused("the token is not valid.") from err
        except (TypeError, ValueError, OverflowError, RecursionError) as err:
            # PyJWT 2.15 lets these out for an exp of null or Infinity, and for JSON nested a thousand deep
            raise AuthenticationFailed("the token cannot be read.", code="token_malformed") from err


def _digests(token: str, claims: Mapping[str, Any]) -> list[str]:
    jti = claims.get("jti")
    return [digest_of_token(token), *([digest_of_jti(jti)] if isinstance(jti, str) else [])]


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
