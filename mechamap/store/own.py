"""Our own tables, all named ``rt_…``; ``migrations/`` makes them.

Times are stored as UTC without a zone and read back as aware datetimes.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    DateTime,
    Dialect,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.mysql import MEDIUMTEXT
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from .database import db

# SQLite numbers rows by itself only in a column whose type is exactly INTEGER.
_Id = BigInteger().with_variant(Integer(), "sqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """An instant. DATETIME and not TIMESTAMP, which MySQL would convert by the session's time zone."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        return value.astimezone(UTC).replace(tzinfo=None, microsecond=0)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class ApiKey(db.Model):
    """A publisher's key. The secret is not kept: ``digest`` is its SHA-256."""

    __tablename__ = "rt_api_keys"

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    # The name while the key lives, then NULL: names are unique among the living. MySQL has no partial index.
    live_name: Mapped[str | None] = mapped_column(String(64))
    prefix: Mapped[str] = mapped_column(String(16))
    digest: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(191))
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # When it ends by itself: set for the secret before a rotation.
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (
        UniqueConstraint("live_name", name="uq_rt_api_keys_live_name"),
        UniqueConstraint("digest", name="uq_rt_api_keys_digest"),
    )


class AuditEntry(db.Model):
    """Who did what to what, and how it ended. Rows are added, never changed, and removed when old."""

    __tablename__ = "rt_audit_log"

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    actor: Mapped[str] = mapped_column(String(191))
    action: Mapped[str] = mapped_column(String(64))
    target: Mapped[str] = mapped_column(String(255))
    outcome: Mapped[str] = mapped_column(String(32))
    detail: Mapped[str] = mapped_column(String(1000))
    address: Mapped[str | None] = mapped_column(String(45))
    request_id: Mapped[str | None] = mapped_column(String(64))

    __table_args__ = (Index("ix_rt_audit_log_actor_at", "actor", "at"),)


class RevokedToken(db.Model):
    """A JWT that was ended early, named by the SHA-256 of itself or of its ``jti``."""

    __tablename__ = "rt_revoked_tokens"

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[int | None] = mapped_column(BigInteger)
    revoked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)

    __table_args__ = (UniqueConstraint("digest", name="uq_rt_revoked_tokens_digest"),)


class PusherApp(db.Model):
    """A site that signs its requests. ``keys`` is a list of ``{key, secret}``, newest first, each secret
    encrypted by ``sealing``."""

    __tablename__ = "rt_apps"

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    app_id: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(64))
    keys: Mapped[list[dict[str, str]]] = mapped_column(JSON)
    enabled: Mapped[bool] = mapped_column(Boolean)
    legacy: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(191))

    __table_args__ = (
        UniqueConstraint("app_id", name="uq_rt_apps_app_id"),
        UniqueConstraint("name", name="uq_rt_apps_name"),
    )


class ConsoleSession(db.Model):
    """An operator who signed in to the console. ``digest`` is the SHA-256 of what the cookie holds,
    ``password_digest`` that of Laravel's password hash at that time, under a key of SECRET_KEY."""

    __tablename__ = "rt_console_sessions"

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    # NULL in sessions that began before it was kept
    password_digest: Mapped[str | None] = mapped_column(String(64))
    user_id: Mapped[int] = mapped_column(BigInteger, index=True)
    name: Mapped[str | None] = mapped_column(String(191))
    address: Mapped[str | None] = mapped_column(String(45))
    agent: Mapped[str | None] = mapped_column(String(255))
    began_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_why: Mapped[str | None] = mapped_column(String(32))

    __table_args__ = (UniqueConstraint("digest", name="uq_rt_console_sessions_digest"),)


class BlockedUser(db.Model):
    """A user whom an operator keeps out for a time."""

    __tablename__ = "rt_blocked_users"

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger)
    until: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    reason: Mapped[str] = mapped_column(String(200))
    blocked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    blocked_by: Mapped[str] = mapped_column(String(191))

    __table_args__ = (UniqueConstraint("user_id", name="uq_rt_blocked_users_user_id"),)


class WebhookFailure(db.Model):
    """A webhook that was given up: ``events`` is the JSON list that would have been sent to ``receiver``."""

    __tablename__ = "rt_webhook_failures"

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    batch_id: Mapped[str] = mapped_column(String(32))
    receiver: Mapped[str] = mapped_column(String(255))
    # up to 100 KB, where MySQL's TEXT ends at 64
    events: Mapped[str] = mapped_column(Text().with_variant(MEDIUMTEXT(), "mysql"))
    count: Mapped[int] = mapped_column(Integer)
    code: Mapped[str] = mapped_column(String(64))
    attempts: Mapped[int] = mapped_column(Integer)
    failed_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (UniqueConstraint("batch_id", name="uq_rt_webhook_failures_batch_id"),)
