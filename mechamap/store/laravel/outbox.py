"""Laravel's table ``rt_outbox``: rows that wait, rows that are done with, dead letters.

Nothing here may make Laravel's own transactions wait. Reads take no locks; rows are changed and deleted by
their primary key, said in so many words: on a short table MariaDB prefers a scan, which waits for every row
that is not committed yet.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    LargeBinary,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    select,
    table,
    text,
    update,
)

from mechamap.domain.errors import DirectoryUnavailable, NotFound
from mechamap.outbox.protocol import Pending, Refusal, Row
from mechamap.store.source import SchemaMismatch, Source

T = TypeVar("T")

PENDING, DEAD = "pending", "dead"
LOCK_WAIT = 1
"""Seconds. A row that somebody else holds is left for the next attempt; the driver gives up after three, and
would take the database for dead."""
MOST_COUNTED = 100_000

_OUTBOX = table(
    "rt_outbox",
    *map(column, ("id", "uuid", "channels", "event", "data", "except_socket", "state", "code", "reason")),
    column("created_at"),
)
_id, _state = _OUTBOX.c.id, _OUTBOX.c.state
_BYTES = ("uuid", "channels", "event", "data", "except_socket")
_DELETE = {
    "mysql": "DELETE o FROM rt_outbox AS o FORCE INDEX (PRIMARY) WHERE o.id IN :ids AND o.uuid IN :uuids",
    "sqlite": "DELETE FROM rt_outbox WHERE id IN :ids AND uuid IN :uuids",
}
_SIZE = {
    "mysql": "LENGTH(data) + LENGTH(channels)",
    "sqlite": "length(CAST(data AS BLOB)) + length(CAST(channels AS BLOB))",
}
_AGE = {
    "mysql": "UNIX_TIMESTAMP(CURRENT_TIMESTAMP(6)) - UNIX_TIMESTAMP(created_at)",
    "sqlite": "(julianday('now') - julianday(created_at)) * 86400.0",
}


@dataclass(frozen=True, slots=True)
class Figures:
    """How many rows wait and how many are dead (counted up to a hundred thousand), and how many seconds the
    first of those that wait has."""

    pending: int
    dead: int
    lag: float


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A row that was refused. ``age`` is seconds since it was written."""

    id: int
    uuid: str
    channels: str
    event: str
    code: str
    reason: str
    age: float


class OutboxRows:
    """Implements ``outbox.protocol.OutboxTable``, and what operators do. Every method raises ``Unavailable``
    when the table cannot be asked."""

    def __init__(self, source: Source) -> None:
        self._source = source
        dialect = source.engine.dialect.name
        self.dialect = dialect
        self._size: ColumnElement[Any] = literal_column(_SIZE[dialect])
        self._age: ColumnElement[Any] = literal_column(_AGE[dialect])
        self._delete = text(_DELETE[dialect]).bindparams(
            bindparam("ids", expanding=True), bindparam("uuids", expanding=True)
        )

    def pending(self, limit: int) -> list[Pending]:
        rows = self._first(limit, _id, self._size, self._age)
        return [Pending(row_id, size, _seconds(age)) for row_id, size, age in rows]

    def read(self, ids: Sequence[int]) -> list[Row]:
        query = (
            select(_id, *(_bytes(name).label(name) for name in _BYTES))
            .where(_id.in_(ids), _state == PENDING)
            .order_by(_id)
        )
        return self._ask(lambda connection: [Row(*row) for row in connection.execute(query)])

    def settle(self, published: Mapping[int, str], refused: Mapping[int, Refusal]) -> None:
        with self._written() as connection:
            if published:
                connection.execute(self._delete, {"ids": list(published), "uuids": list(published.values())})
            for row_id, refusal in refused.items():
                connection.execute(
                    update(_OUTBOX)
                    .where(_id == row_id, _state == PENDING)
                    .values(state=DEAD, code=refusal.code, reason=refusal.reason)
                )

    def oldest(self) -> float:
        found = self._first(1, self._age)
        return _seconds(found[0][0]) if found else 0.0

    def dead_count(self) -> int:
        return self._ask(lambda connection: _count(connection, DEAD))

    def figures(self) -> Figures:
        waiting, dead = self._ask(lambda connection: (_count(connection, PENDING), _count(connection, DEAD)))
        return Figures(waiting, dead, self.oldest())

    def dead(self, limit: int) -> list[DeadLetter]:
        """The last ones, newest first."""
        query = (
            select(_id, *map(_bytes, ("uuid", "channels", "event", "code", "reason")), self._age)
            .where(_state == DEAD)
            .order_by(_id.desc())
            .limit(limit)
        )
        return self._ask(
            lambda connection: [
                DeadLetter(row_id, *((each or b"").decode(errors="replace") for each in texts), _seconds(age))
                for row_id, *texts, age in connection.execute(query)
            ]
        )

    def retry(self, row_id: int) -> None:
        """Let a dead letter wait again.

        Raises:
            NotFound: no dead letter has this id.
        """
        with self._written() as connection:
            changed = connection.execute(
                update(_OUTBOX)
                .where(_id == row_id, _state == DEAD)
                .values(state=PENDING, code=None, reason=None)
            )
            if not changed.rowcount:
                raise NotFound(f"No dead letter has the id {row_id}.", code="row_not_found")

    def check(self) -> None:
        """Do everything to no row at all: the table, its columns and our rights are there, or it raises."""
        nothing = text("1 = 0")
        with self._written() as connection:
            connection.execute(select(_OUTBOX).where(nothing))
            connection.execute(update(_OUTBOX).where(nothing).values(state=DEAD))
            connection.execute(self._delete, {"ids": [0], "uuids": [""]})

    def _first(self, limit: int, *columns: ColumnElement[Any]) -> Sequence[Any]:
        query = select(*columns).select_from(_OUTBOX).where(_state == PENDING).order_by(_id).limit(limit)
        return self._ask(lambda connection: connection.execute(query).all())

    def _ask(self, ask: Callable[[Connection], T]) -> T:
        with _explained(), self._source.read() as connection:
            return ask(connection)

    @contextmanager
    def _written(self) -> Iterator[Connection]:
        with _explained(), self._source.write() as connection:
            if self.dialect == "mysql":
                connection.execute(text(f"SET innodb_lock_wait_timeout = {LOCK_WAIT}"))
            yield connection


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except SchemaMismatch as err:
        raise DirectoryUnavailable(
            "The Laravel database has no table rt_outbox with the columns and rights that "
            "`flask outbox sql` asks for.",
            code="outbox_missing",
        ) from err


def _bytes(name: str) -> ColumnElement[Any]:
    """The text as it is stored: what is not UTF-8 costs its row, not the reading of all of them."""
    return cast(_OUTBOX.c[name], LargeBinary)


def _count(connection: Connection, state: str) -> int:
    rows = select(_id).where(_state == state).limit(MOST_COUNTED).subquery()
    return connection.execute(select(func.count()).select_from(rows)).scalar_one()


def _seconds(age: Any) -> float:
    return max(0.0, float(age or 0.0))
