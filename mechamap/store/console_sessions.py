"""Operators' sessions of the console in our own database, so that one ended anywhere has ended everywhere.

A session ends ``IDLE`` after its last use and ``LIFETIME`` after its beginning, or when somebody ends it. The
browser holds a random secret, the table its digest: who reads the table cannot sign in with it.
"""

import hashlib
import secrets
from dataclasses import dataclass, field
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
    PASSWORD_CHANGED = "password_changed"


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """One row, without its digests."""

    id: int
    user_id: int
    name: str | None
    address: str | None
    agent: str | None
    began_at: datetime
    seen_at: datetime
    ended_at: datetime | None
    ended_why: str | None


@dataclass(frozen=True, slots=True)
class Running(SessionRecord):
    """A session that goes on as far as this table knows. Whether its person still is an operator, and still
    has the password of ``password_digest``, Laravel's table knows."""

    password_digest: str | None = field(repr=False)


_COLUMNS = tuple(_TABLE.c[name] for name in SessionRecord.__slots__)
_RUNNING = (*_COLUMNS, _TABLE.c.password_digest)


class ConsoleSessions:
    """The repository of ``rt_console_sessions``. Everything raises Unavailable when our database is away."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def begin(
        self,
        user_id: int,
        password_digest: str,
        name: str | None = None,
        address: str | None = None,
        agent: str | None = None,
    ) -> tuple[Running, str]:
        """A new session, and the secret by which its browser is known."""
        secret, now = secrets.token_urlsafe(32), _now()
        values = {
            "digest": _digest(secret),
            "password_digest": password_digest,
            "user_id": user_id,
            "name": name and name[:191],
            "address": address and address[:45],
            "agent": agent and agent[:255],
            "began_at": now,
            "seen_at": now,
        }
        with self._source.write() as connection:
            session_id = connection.execute(insert(_TABLE).values(**values)).inserted_primary_key[0]
            row = connection.execute(select(*_RUNNING).where(_TABLE.c.id == session_id)).one()
        self._make_room(user_id, now)
        return Running(*row), secret

    def _make_room(self, user_id: int, now: datetime) -> None:
        """End what is more than MOST, and remove what ended long ago.

        Not together with adding a row: so it sees who signed in at the same moment, and nobody waits for
        another's row while holding one. A DELETE by date would wait, too: to find the old rows of a small
        table MariaDB locks them all.
        """
        own = select(_TABLE.c.id).where(_TABLE.c.user_id == user_id, *_live(now))
        old = select(_TABLE.c.id).where(_TABLE.c.began_at < now - LIFETIME - KEPT)
        with self._source.read() as connection:
            live = connection.execute(own.order_by(_TABLE.c.id.desc()).limit(LISTED)).scalars().all()
            past = connection.execute(old.limit(LISTED)).scalars().all()
        if not live[MOST:] and not past:
            return
        surplus = update(_TABLE).where(_TABLE.c.id.in_(live[MOST:]), _TABLE.c.ended_at.is_(None))
        with self._source.write() as connection:
            connection.execute(surplus.values(ended_at=now, ended_why=Ended.REVOKED))
            connection.execute(delete(_TABLE).where(_TABLE.c.id.in_(past)))

    def resume(self, secret: str, *, polling: bool = False) -> Running | Ended:
        """The session of this secret, or why it is none. Polling does not keep it alive."""
        with self._source.read() as connection:
            row = connection.execute(select(*_RUNNING).where(_TABLE.c.digest == _digest(secret))).first()
        if row is None:
            return Ended.SIGNED_OUT
        record, now = Running(*row), _now()
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
