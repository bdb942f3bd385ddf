"""Laravel Sanctum tokens, verified in the database by Sanctum 4's own rule.

``{id}|{secret}`` is split at the first bar: the row of that id must hold the SHA-256 of the secret. Without a
bar the row is found by the SHA-256 of the whole. A prefix and the CRC-32 that newer versions append belong to
the secret. Sanctum's ``findToken`` looks at no expiry; its guard does, and so do we. ``last_used_at`` is
Laravel's to write.
"""

import hashlib
import hmac
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from mechamap.domain.errors import AuthenticationFailed
from mechamap.settings import Settings
from mechamap.store.laravel.schema import USER_MODEL
from mechamap.store.laravel.tokens import TokenRow, TokenRows

OPAQUE_LENGTH = 40
"""Sanctum's random part has 40 characters; nothing shorter is worth a look-up."""


@dataclass(frozen=True, slots=True)
class VerifiedSanctum:
    """A token that proved itself.

    Attributes:
        row_id: of its row, where that was read.
        role, name: of its user, as Laravel told them with the verdict.
        vouched: whether Laravel gave the verdict, which it does of users who may sign in only.
    """

    user_id: int
    expires_at: float | None
    row_id: int | None = None
    role: str | None = None
    name: str | None = None
    vouched: bool = False


class Sanctum:
    """Verifies tokens of users; tokens of other models are refused."""

    def __init__(self, rows: TokenRows, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._rows = rows
        self._lifetime = settings.sanctum_expiration_minutes
        self._clock = clock

    def exist(self) -> bool:
        """Whether the database has a table of tokens.

        Raises:
            DirectoryUnavailable: it cannot be asked.
        """
        return self._rows.exist()

    def verify(self, token: str) -> VerifiedSanctum:
        """The token's owner.

        Raises:
            AuthenticationFailed: with the code that ``auth.protocol.Authenticator`` lists.
            DirectoryUnavailable: the row cannot be read now.
        """
        if not self._rows.exist():
            raise AuthenticationFailed(
                "this server has no table of Sanctum tokens.", code="token_unsupported"
            )
        row = self._row(token)
        if row is None:
            if made_by_sanctum(token):
                raise AuthenticationFailed("the token was revoked.", code="token_revoked")
            raise AuthenticationFailed("the token is not known.", code="token_invalid")
        if row.tokenable_type != USER_MODEL:
            raise AuthenticationFailed("the token belongs to something other than a user.", code="token_type")
        expires_at = self._end(row)
        if expires_at is not None and expires_at <= self._clock():
            raise AuthenticationFailed("the token has expired.", code="token_expired")
        return VerifiedSanctum(row.tokenable_id, expires_at, row.id)

    def _row(self, token: str) -> TokenRow | None:
        """The row that proves the token, or None when there is none; a wrong secret is refused at once."""
        row_id, bar, secret = token.partition("|")
        if not bar:
            return self._rows.by_digest(_digest(token))
        if not (row_id.isascii() and row_id.isdigit() and len(row_id) <= 20 and secret):
            raise AuthenticationFailed("the token does not have the form id|secret.", code="token_malformed")
        row = self._rows.by_id(int(row_id))
        if row is None:
            return None
        if not hmac.compare_digest(_digest(secret), row.digest):
            raise AuthenticationFailed("the token is not valid.", code="token_invalid")
        return row

    def _end(self, row: TokenRow) -> float | None:
        """When the token ends: by its own time or by SANCTUM_EXPIRATION, whichever is first; None: never."""
        ends = []
        if row.expires:
            ends.append(row.expires_at.timestamp() if row.expires_at else 0.0)
        if self._lifetime is not None:
            # without a time of creation Laravel's comparison fails too
            ends.append(row.created_at.timestamp() + self._lifetime * 60 if row.created_at else 0.0)
        return min(ends, default=None)


def made_by_sanctum(token: str) -> bool:
    """Whether the token ends as Sanctum ends them: 40 characters and their CRC-32. Proves nothing; it tells a
    person whose row is
    gone (Laravel revokes by deleting) from one who made the token up."""
    secret = token.partition("|")[2] or token
    random, checksum = secret[-48:-8], secret[-8:]
    return len(random) == OPAQUE_LENGTH and checksum == f"{zlib.crc32(random.encode()):08x}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
