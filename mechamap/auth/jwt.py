"""JWTs: verified by PyJWT 2.15, issued by Flask-JWT-Extended 4.7.4, which also holds the configuration.

Flask-JWT-Extended's ``decode_token`` wants an application context, decodes each token twice before it looks
at the signature, and leaves things unchecked: it accepts a token without ``exp``, ignores ``type`` and
revocation, and knows one key. So PyJWT is asked directly, once per key, with the same configuration; the
rest is checked here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import jwt
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token
from jwt.algorithms import HMACAlgorithm

from mechamap.domain.errors import AuthenticationFailed, DirectoryUnavailable, Unavailable
from mechamap.settings import Settings, SettingsError
from mechamap.store.revocations import Revocations, digest_of_jti, digest_of_token, names_of_token

from .claims import check_use, expiry_of, refused, user_id_of

LEEWAY = 5
"""Seconds that the clocks of Laravel's machine and ours may differ."""

# ``sub`` may be tymon's integer; whose token it is may stand in three claims and is read by ``claims.py``
_OPTIONS = {"require": ["exp"], "verify_aud": False, "verify_sub": False}


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
    JWTManager(app)


class _PreparedHmac(HMACAlgorithm):
    """HMAC with a key that was examined once. PyJWT 2.15 looks for PEM, DER and JWK in the secret for every
    token: a third of its time."""

    def prepare_key(self, key: Any) -> Any:
        return key

    def check_key_length(self, key: bytes) -> str | None:
        return None


def _prepared(secret: str, algorithm: str, variable: str) -> jwt.PyJWK:
    """The secret as a key object.

    Raises:
        SettingsError: what PyJWT would refuse as a secret for every token.
    """
    stock = jwt.get_algorithm_by_name(algorithm)
    try:
        prepared = stock.prepare_key(secret)
    except jwt.InvalidKeyError as err:
        raise SettingsError(variable, "is a public key, a certificate or a JWK and not a secret") from err
    key = jwt.PyJWK({**stock.to_jwk(prepared, as_dict=True), "alg": algorithm})
    key.Algorithm = _PreparedHmac(stock.hash_alg)
    return key


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
        self._keys = [
            _prepared(secret, settings.jwt_algorithm, variable)
            for secret, variable in (
                (settings.jwt_secret, "JWT_SECRET"),
                (settings.jwt_secret_previous, "JWT_SECRET_PREVIOUS"),
            )
            if secret
        ]
        self._algorithms = app.config["JWT_DECODE_ALGORITHMS"]
        self._leeway = app.config["JWT_DECODE_LEEWAY"]
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

    def signed(self, token: str) -> bool:
        """Whether the signature is one of ours, whatever the claims say."""
        options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
        for key in self._keys:
            try:
                jwt.decode(token, key, algorithms=self._algorithms, options={**options, "verify_sub": False})
                return True
            except (jwt.PyJWTError, TypeError, ValueError, OverflowError, RecursionError):
                continue
        return False

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

    def _decode(self, token: str) -> dict[str, Any]:
        """Claims of a token whose signature and times are good."""
        try:
            return self._verified(token)
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
        except jwt.MissingRequiredClaimError as err:
            raise refused("the token has no expiry.") from err
        except jwt.PyJWTError as err:
            raise refused("the token is not valid.") from err
        except (TypeError, ValueError, OverflowError, RecursionError) as err:
            # PyJWT 2.15 lets such out for odd numbers, and for JSON nested a thousand deep
            raise AuthenticationFailed("the token cannot be read.", code="token_malformed") from err

    def _verified(self, token: str) -> dict[str, Any]:
        """By the first key whose signature it is; PyJWT's errors otherwise."""
        for key in self._keys:
            try:
                return jwt.decode(
                    token, key, algorithms=self._algorithms, leeway=self._leeway, options=_OPTIONS
                )
            except jwt.InvalidSignatureError:
                continue
        # nobody's: what cannot be read at all is told so, instead of being called forged
        jwt.decode(token, options={"verify_signature": False})
        raise jwt.InvalidSignatureError


def _digests(token: str, claims: Mapping[str, Any]) -> list[str]:
    jti = claims.get("jti")
    return [*names_of_token(token), *([digest_of_jti(jti)] if isinstance(jti, str) else [])]


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
