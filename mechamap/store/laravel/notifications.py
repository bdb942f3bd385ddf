"""Marking a user's notifications as read, in whichever of the three historical shapes the database has.

Laravel caches its own unread counts for up to five minutes (cache keys ``notifications:unread_count:{id}``
and ``user_notifications_unread_count_{id}``), so a badge rendered by Laravel may lag behind what this module
answers.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, column, func, or_, select, table, update

from mechamap.domain.errors import DirectoryUnavailable, NotFound
from mechamap.settings import Settings
from mechamap.store.protocol import MarkedRead
from mechamap.store.source import Source

from .clock import wall_clock
from .schema import MAX_ID, USER_MODEL, LaravelSchema, NotificationShape, Schema

BATCH = 500

_DIGITS = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


class LaravelNotifications:
    """Implements ``store.protocol.Notifications``."""

    def __init__(
        self,
        source: Source,
        settings: Settings,
        schema: LaravelSchema | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._schema = schema or LaravelSchema(source)
        self._zone = settings.app_timezone
        self._now = now

    def mark_read(self, user_id: int, ids: Collection[int | str]) -> MarkedRead:
        now = self._now()

        def mark(connection: Connection, schema: Schema) -> MarkedRead:
            found = schema.notifications
            if found is None:
                raise DirectoryUnavailable(
                    "The Laravel database has no table of notifications.", code="notifications_missing"
                )
            name, shape = found
            open_book = _flags if shape is NotificationShape.FLAGS else _morph
            book = open_book(name, schema, user_id, wall_clock(now, self._zone))
            own = book.own(connection, ids)
            if not own:
                raise NotFound("None of these is a notification of yours.", code="notification_not_found")
            book.mark(connection, own)
            stamp = now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            return MarkedRead(tuple(own), book.count(connection), stamp)

        return self._schema.write(mark)


@dataclass(frozen=True, slots=True)
class _Book:
    """One user's rows in one table.

    Attributes:
        owner: part of the condition of every statement.
        unread: rows that marking changes.
        counted: rows that count as unread, by Laravel's own rule.
        changes: what marking writes.
        key: an id as the table's key holds it, or None when it cannot hold it. MySQL would take «12abc» for
            12, and a number for every uuid that does not begin with a digit, so ids are never left to its
            conversion.
    """

    name: str
    owner: ColumnElement[bool]
    unread: ColumnElement[bool]
    counted: ColumnElement[bool]
    changes: Mapping[str, Any]
    key: Callable[[int | str], int | str | None]

    def own(self, connection: Connection, ids: Collection[int | str]) -> list[int | str]:
        """Those of the ids that are this user's, each once, in the order given."""
        wanted = list(dict.fromkeys(key for each in ids if (key := self.key(each)) is not None))
        found: set[int | str] = set()
        for chunk in _chunks(wanted):
            query = (
                select(column("id")).select_from(table(self.name)).where(column("id").in_(chunk), self.owner)
            )
            found.update(connection.execute(query).scalars())
        return [key for key in wanted if key in found]

    def mark(self, connection: Connection, ids: list[int | str]) -> None:
        rows = table(self.name, column("id"), *(column(name) for name in self.changes))
        for chunk in _chunks(ids):
            connection.execute(
                update(rows)
                .where(column("id").in_(chunk), self.owner, self.unread)
                .values(dict(self.changes))
            )

    def count(self, connection: Connection) -> int:
        query = select(func.count()).select_from(table(self.name)).where(self.owner, self.counted)
        return connection.execute(query).scalar_one()


def _flags(name: str, schema: Schema, user_id: int, read_at: str) -> _Book:
    """The application's own shape, marked as its controller does it: ``is_read`` is the truth, ``read_at``
    alone is not.
    """
    changes = {
        "is_read": 1,
        "read_at": read_at,
        "status": "read",
        "view_count": func.coalesce(column("view_count"), 0) + 1,
        "updated_at": read_at,
    }
    is_read = column("is_read")
    return _Book(
        name,
        owner=column("user_id") == user_id,
        unread=or_(is_read == 0, is_read.is_(None)),
        counted=is_read == 0,
        changes={each: changes[each] for each in schema.only(name, *changes)},
        key=_number_key,
    )


def _morph(name: str, schema: Schema, user_id: int, read_at: str) -> _Book:
    """The shape of Laravel's ``notifications:table``."""
    unread = column("read_at").is_(None)
    changes = {"read_at": read_at, "updated_at": read_at}
    return _Book(
        name,
        owner=and_(column("notifiable_type") == USER_MODEL, column("notifiable_id") == user_id),
        unread=unread,
        counted=unread,
        changes={each: changes[each] for each in schema.only(name, *changes)},
        key=_uuid_key,
    )


def _number_key(given: int | str) -> int | None:
    if isinstance(given, bool):
        return None
    if isinstance(given, str):
        if not _DIGITS.fullmatch(given):
            return None
        given = int(given)
    return given if 0 < given <= MAX_ID else None


def _uuid_key(given: int | str) -> str | None:
    return given.lower() if isinstance(given, str) and _UUID.fullmatch(given) else None


def _chunks(keys: list[int | str]) -> list[list[int | str]]:
    return [keys[start : start + BATCH] for start in range(0, len(keys), BATCH)]
