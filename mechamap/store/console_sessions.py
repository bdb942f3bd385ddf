"""Operators' sessions of the console in our own database, so that one ended anywhere has ended everywhere.

A session ends ``IDLE`` after its last use and ``LIFETIME`` after its beginning, or when somebody ends it. The
browser holds a random secret, the table its digest: who reads the table cannot sign in with it.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, delete, insert, select, update

from .own import ConsoleSession
from .source import Source

LIFETIME = timedelta(hours=12)
IDLE = timedelta(minutes=30)
TOUCH = timedelta(minutes=1)
"""Between renewals of the last-seen time: one row a minute is written, not one per request."""
MOST = 20
"""Live sessions of one person; signing in once more ends the oldest."""
LISTED = 500
KEPT = timedelta(days=7)
"""How long ended sessions stay, so that their browsers are told why."""

_TABLE = ConsoleSession.__table__


class Ended(StrEnum):
    """Why there is no operator behind a request."""

    SIGNED_OUT = "signed_out"
    IDLE = "session_idle"
    OVER = "session_over"
    ROLE_LOST = "role_lost"
    REVOKED = "session_revoked"


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """One row, without its digest."""

    id: int
    user_id: int
    name: str | None
    address: str | None
    agent: str | None
    began_at: datetime
    seen_at: datetime
    ended_at: datetime | None
    ended_why: str | None


_COLUMNS = tuple(_TABLE.c[name] for name in SessionRecord.__slots__)


class ConsoleSessions:
    """The repository of ``rt_console_sessions``. Everything raises Unavailable when our database is away."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def begin(
        self, user_id: int, name: str | None, address: str | None, agent: str | None
    ) -> tuple[SessionRecord, str]:
        """A new session, and the secret by which its browser is known."""
        secret, now = secrets.token_urlsafe(32), _now()
        values = {
            "digest": _digest(secret),
            "user_id": user_id,
            "name": name and name[:191],
            "address": address and address[:45],
            "agent": agent and agent[:255],
            "began_at": now,
            "seen_at": now,
        }
        with self._source.write() as connection:
            connection.execute(delete(_TABLE).where(_TABLE.c.began_at < now - LIFETIME - KEPT))
            session_id = connection.execute(insert(_TABLE).values(**values)).inserted_primary_key[0]
            own = select(_TABLE.c.id).where(_TABLE.c.user_id == user_id, *_live(now))
            ids = connection.execute(own.order_by(_TABLE.c.id.desc()).limit(LISTED)).scalars().all()
            if oldest := ids[MOST:]:
                connection.execute(
                    update(_TABLE)
                    .where(_TABLE.c.id.in_(oldest))
                    .values(ended_at=now, ended_why=Ended.REVOKED)
                )
            row = connection.execute(select(*_COLUMNS).where(_TABLE.c.id == session_id)).one()
            return SessionRecord(*row), secret

    def resume(self, secret: str, *, polling: bool = False) -> SessionRecord | Ended:
        """The session of this secret, or why it is none. Polling does not keep it alive."""
        with self._source.read() as connection:
            row = connection.execute(select(*_COLUMNS).where(_TABLE.c.digest == _digest(secret))).first()
        if row is None:
            return Ended.SIGNED_OUT
        record, now = SessionRecord(*row), _now()
        if record.ended_at is not None:
            return Ended(record.ended_why or Ended.REVOKED)
        if now - record.began_at > LIFETIME:
            return Ended.OVER
        if now - record.seen_at > IDLE:
            return Ended.IDLE
        if not polling and now - record.seen_at > TOUCH:
            with self._source.write() as connection:
                connection.execute(update(_TABLE).where(_TABLE.c.id == record.id).values(seen_at=now))
        return record

    def live(self, user_id: int | None = None) -> list[SessionRecord]:
        """Sessions that have not ended, newest first; of one person if named."""
        wanted = () if user_id is None else (_TABLE.c.user_id == user_id,)
        query = select(*_COLUMNS).where(*_live(_now()), *wanted).order_by(_TABLE.c.id.desc()).limit(LISTED)
        with self._source.read() as connection:
            return [SessionRecord(*row) for row in connection.execute(query)]

    def end(self, why: Ended, *, session_id: int | None = None, user_id: int | None = None) -> int:
        """End one session, or all of a person (or, with both, that one if it is theirs): how many were live.
        Their next request is refused, on every worker."""
        if session_id is None and user_id is None:
            raise ValueError("name a session or a person")
        now, wanted = _now(), []
        if session_id is not None:
            wanted.append(_TABLE.c.id == session_id)
        if user_id is not None:
            wanted.append(_TABLE.c.user_id == user_id)
        with self._source.write() as connection:
            return connection.execute(
                update(_TABLE).where(*wanted, *_live(now)).values(ended_at=now, ended_why=why)
            ).rowcount


def _live(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        _TABLE.c.ended_at.is_(None),
        _TABLE.c.began_at >= now - LIFETIME,
        _TABLE.c.seen_at >= now - IDLE,
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
