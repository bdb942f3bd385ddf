"""Which of Laravel's tables and columns there are.

The application's schema has several histories and the plan's is smaller than all of them, so nothing is
assumed: statements name only columns that were found. Found means readable: MySQL's information_schema shows
an account only what it was granted.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from sqlalchemy import Connection, bindparam, text

from mechamap.domain.errors import DirectoryUnavailable
from mechamap.store.cache import FactCache
from mechamap.store.source import SchemaMismatch, Source

T = TypeVar("T")

INSPECT_SECONDS = 60.0
"""A column that Laravel's migrations add is noticed within this time."""

MAX_ID = 2**63 - 1
"""The largest id a signed BIGINT holds. No row is above it, and Python's sqlite3 raises OverflowError for
more.
"""

USER_MODEL = "App\\Models\\User"
"""What Laravel calls a person in ``tokenable_type`` and ``notifiable_type``."""

_ONLY = "schema"

TABLES = (
    "users",
    "personal_access_tokens",
    "forums",
    "threads",
    "notifications",
    "custom_notifications",
    "conversations",
    "conversation_participants",
    "group_members",
    "showcases",
    "marketplace_sellers",
)

# MySQL keeps the case in which a column was made and ignores it in statements, so names are lower-cased here.
_NAMES = bindparam("tables", TABLES, expanding=True)
_MYSQL = text(
    "SELECT table_name AS t, column_name AS c FROM information_schema.columns"
    " WHERE table_schema = DATABASE() AND table_name IN :tables"
).bindparams(_NAMES)
_SQLITE = text(
    "SELECT m.name AS t, p.name AS c FROM sqlite_master m JOIN pragma_table_info(m.name) p"
    " WHERE m.type IN ('table', 'view') AND lower(m.name) IN :tables"
).bindparams(_NAMES)


class NotificationShape(StrEnum):
    """FLAGS: rows of one user with ``user_id`` and ``is_read``. MORPH: Laravel's own, with uuid and
    ``notifiable``.
    """

    FLAGS = "flags"
    MORPH = "morph"


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of each table that exists."""

    columns: Mapping[str, frozenset[str]]

    def has(self, table: str, *columns: str) -> bool:
        """Whether the table exists with all these columns."""
        return table in self.columns and self.columns[table].issuperset(columns)

    def only(self, table: str, *wanted: str) -> list[str]:
        """Those of ``wanted`` that the table has."""
        return [name for name in wanted if name in self.columns.get(table, frozenset())]

    @property
    def notifications(self) -> tuple[str, NotificationShape] | None:
        """The table of notifications and its shape, told by columns: it was renamed twice in its life."""
        for table in ("notifications", "custom_notifications"):
            if self.has(table, "id", "user_id", "is_read"):
                return table, NotificationShape.FLAGS
        if self.has("notifications", "id", "notifiable_type", "notifiable_id", "read_at"):
            return "notifications", NotificationShape.MORPH
        return None


class LaravelSchema:
    """The schema as last inspected, and statements that survive its changes."""

    def __init__(self, source: Source, clock: Callable[[], float] = time.monotonic) -> None:
        self.source = source
        self._inspected: FactCache[str, Schema] = FactCache(
            lambda _: {_ONLY: self._inspect()}, INSPECT_SECONDS, clock=clock
        )

    def current(self) -> Schema:
        """Inspected within the last minute.

        Raises:
            DirectoryUnavailable: the database cannot be asked.
        """
        schema = self._inspected.get(_ONLY)
        assert schema is not None, "the loader answers every key"
        return schema

    def read(self, ask: Callable[[Connection, Schema], T]) -> T:
        """``ask`` in a read transaction; once more, after a fresh inspection, when a column is gone."""
        return self._twice(self.source.read, ask)

    def write(self, tell: Callable[[Connection, Schema], T]) -> T:
        """The same in a transaction that is committed at the end."""
        return self._twice(self.source.write, tell)

    def _twice(
        self,
        transaction: Callable[[], AbstractContextManager[Connection]],
        work: Callable[[Connection, Schema], T],
    ) -> T:
        schema = self.current()
        try:
            with transaction() as connection:
                return work(connection, schema)
        except SchemaMismatch:
            self._inspected.forget(_ONLY)
        schema = self.current()
        try:
            with transaction() as connection:
                return work(connection, schema)
        except SchemaMismatch as err:
            raise DirectoryUnavailable(err.message) from err

    def _inspect(self) -> Schema:
        query = _SQLITE if self.source.engine.dialect.name == "sqlite" else _MYSQL
        with self.source.read() as connection:
            rows = connection.execute(query).all()
        found: dict[str, set[str]] = {}
        for table, column in rows:
            found.setdefault(table.lower(), set()).add(column.lower())
        return Schema({table: frozenset(columns) for table, columns in found.items()})
