"""JWTs that were revoked before their time, in our own database.

While they are few, as in every healthy site, all of them are kept in memory and read anew twice a second
while people sign in: a thousand sign-ins at once cost one query. When they are many, each sign-in's own are
looked up.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from .cache import FactCache
from .own import RevokedToken
from .source import SchemaMismatch, Source

_TABLE = RevokedToken.__table__
_LAST_SECOND = 253402300799
"""The end of the year 9999, the last that a DATETIME holds."""
FEW = 2_000
"""Revoked tokens that are kept in memory all together: 0.3 MB, and 4 ms to read them."""
AGE = 0.5
"""Seconds they are kept so, at most: a token that was revoked elsewhere is refused almost at once."""
_EVERY = "every"
_GRACE = timedelta(minutes=5)
"""Rows outlive their token by more than any leeway between clocks."""


def digest_of_token(token: str) -> str:
    """Names a token by itself."""
    return hashlib.sha256(token.encode()).hexdigest()


def digest_of_jti(jti: str) -> str:
    """Names every token with this ``jti`` claim. The prefix keeps it apart from the digest of a token."""
    return hashlib.sha256(f"jti:{jti}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Every:
    """All digests that are revoked; None when there are too many to keep."""

    digests: frozenset[str] | None


class Revocations:
    """Which digests are revoked, remembered for ``seconds``: a revocation acts on new connections within that
    time, and at once where it was made.
    """

    def __init__(self, source: Source, seconds: float, few: int = FEW) -> None:
        self._source = source
        self._few = few
        self._remembers = seconds > 0
        self._every: FactCache[str, _Every] = FactCache(
            lambda _: {_EVERY: self._read_every()}, min(seconds, AGE)
        )
        # by all the names of one token together, so that a sign-in asks once
        self._known: FactCache[frozenset[str], bool] = FactCache(self._load, seconds)

    def revoke(self, digest: str, expires_at: float, user_id: int | None = None) -> None:
        """Revoke; doing it twice is fine. Rows of tokens that have ended anyway are removed on the way.

        Args:
            expires_at: Unix seconds when the token ends by itself.
        """
        now = datetime.now(UTC)
        ends = datetime.fromtimestamp(min(expires_at, _LAST_SECOND), UTC)
        with self._source.write() as connection:
            connection.execute(delete(_TABLE).where(_TABLE.c.expires_at < now - _GRACE))
            try:
                connection.execute(
                    insert(_TABLE).values(digest=digest, user_id=user_id, revoked_at=now, expires_at=ends)
                )
            except IntegrityError:
                pass  # revoked already
        self._every.clear()
        self._known.clear()

    def any_revoked(self, digests: Collection[str]) -> bool:
        """Whether one of them is revoked.

        Raises:
            Unavailable: it cannot be told now.
        """
        if self._remembers:
            every = self._every.get(_EVERY)
            if every is not None and every.digests is not None:
                return not every.digests.isdisjoint(digests)
        return bool(self._known.get(frozenset(digests)))

    def _read_every(self) -> _Every:
        # of a token that ended long ago the row may be gone at any time: see ``revoke``
        live = select(_TABLE.c.digest).where(_TABLE.c.expires_at >= datetime.now(UTC) - _GRACE)
        try:
            with self._source.read() as connection:
                found = connection.execute(live.limit(self._few + 1)).scalars().all()
        except SchemaMismatch:
            return _Every(frozenset())  # before the migrations ran nothing can have been revoked
        return _Every(frozenset(found) if len(found) <= self._few else None)

    def _load(self, tokens: Collection[frozenset[str]]) -> dict[frozenset[str], bool]:
        digests = frozenset().union(*tokens)
        try:
            with self._source.read() as connection:
                revoked = set(
                    connection.execute(select(_TABLE.c.digest).where(_TABLE.c.digest.in_(digests))).scalars()
                )
        except SchemaMismatch:
            # before the migrations ran nothing can have been revoked
            revoked = set()
        return {token: not token.isdisjoint(revoked) for token in tokens}
