"""Tokens that were revoked before their time, in our own database.

While they are few, as in every healthy site, all of them are kept in memory. Whoever signs in asks for the
newest row only, together with everybody who does so at the moment, and all are read again when it is another
one: a revocation acts at once everywhere. When they are many, each sign-in's own are looked up.
"""

import hashlib
import time
from collections.abc import Callable, Collection
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
_EVERY = "every"
_NEWEST = select(_TABLE.c.id, _TABLE.c.digest).order_by(_TABLE.c.id.desc()).limit(1)
_GRACE = timedelta(minutes=5)
"""Rows outlive their token by more than any leeway between clocks."""


def digest_of_token(token: str) -> str:
    """Names a token by itself."""
    return hashlib.sha256(token.encode()).hexdigest()


REF_LENGTH = 16
"""Hex digits of a digest that name a token where it is only to be told apart."""


def names_of_token(token: str) -> list[str]:
    """All names by which the token itself may have been revoked."""
    digest = digest_of_token(token)
    return [digest, digest_of_ref(digest[:REF_LENGTH])]


def digest_of_jti(jti: str) -> str:
    """Names every token with this ``jti`` claim. The prefix keeps it apart from the digest of a token."""
    return hashlib.sha256(f"jti:{jti}".encode()).hexdigest()


def digest_of_ref(ref: str) -> str:
    """Names a token by its reference (``Identity.token_ref``), for who never saw the token itself."""
    return hashlib.sha256(f"ref:{ref}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Every:
    """All that are revoked, as they were read.

    Attributes:
        newest: the last row's id and digest (SQLite gives the id of a deleted last row again); None: no row.
        digests: None when there are too many to keep.
        until: by the clock, when they are read again anyway: MySQL may commit a row behind a newer one.
        settled: whether nobody need ask for the newest row until then: there are too many, or no table yet.
    """

    newest: tuple[int, str] | None
    digests: frozenset[str] | None
    until: float
    settled: bool


class Revocations:
    """Which digests are revoked. A revocation acts on new connections at once; it may take ``seconds`` when
    thousands are revoked, or when the database kept it back.
    """

    def __init__(
        self, source: Source, seconds: float, few: int = FEW, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._source = source
        self._seconds = seconds
        self._few = few
        self._clock = clock
        self._read: _Every | None = None
        # keeps nothing: it joins who asks at the same time
        self._asked: FactCache[str, _Every] = FactCache(lambda _: {_EVERY: self._every()}, 0.0)
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
        self.forget()

    def forget(self) -> None:
        """Something was revoked: nothing that was read before counts."""
        self._read = None
        self._asked.clear()
        self._known.clear()

    def any_revoked(self, digests: Collection[str]) -> bool:
        """Whether one of them is revoked.

        Raises:
            Unavailable: it cannot be told now.
        """
        every = self._read
        if every is None or not every.settled or self._clock() >= every.until:
            every = self._asked.get(_EVERY)
        if every is not None and every.digests is not None:
            return not every.digests.isdisjoint(digests)
        return bool(self._known.get(frozenset(digests)))

    def _every(self) -> _Every:
        """What was read before, if it is still all there is."""
        read, now = self._read, self._clock()
        try:
            with self._source.read() as connection:
                row = connection.execute(_NEWEST).first()
                newest = (row[0], row[1]) if row is not None else None
                if read is not None and read.newest == newest and now < read.until:
                    return read
                # of a token that ended long ago the row may be gone at any time: see ``revoke``
                live = select(_TABLE.c.digest).where(_TABLE.c.expires_at >= datetime.now(UTC) - _GRACE)
                found = connection.execute(live.limit(self._few + 1)).scalars().all()
        except SchemaMismatch:
            # before the migrations ran nothing can have been revoked
            every = _Every(None, frozenset(), now + self._seconds, settled=True)
        else:
            few = len(found) <= self._few
            digests = frozenset(found) if few else None
            every = _Every(newest, digests, now + self._seconds, settled=not few)
        self._read = every
        return every

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
