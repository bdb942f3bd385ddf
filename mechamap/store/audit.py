"""The audit log in our own database."""

import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, insert, or_, select

from mechamap.domain.acts import Act, names_meant
from mechamap.domain.errors import Unavailable

from .own import AuditEntry
from .source import Source

log = logging.getLogger(__name__)

LIMITS = {
    "actor": 191,
    "action": 64,
    "target": 255,
    "outcome": 32,
    "detail": 1000,
    "address": 45,
    "request_id": 64,
}
"""Characters, as the columns have them; longer text is cut, since a row that says less beats no row."""

REFUSED = "refused"
BATCH = 500
"""Rows read or removed at a time: a long log neither fills the memory nor keeps other writers waiting."""
_TABLE = AuditEntry.__table__


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One row as people read it."""

    id: int
    at: datetime
    actor: str
    action: str
    target: str
    outcome: str
    detail: str
    address: str | None
    request_id: str | None

    def public(self) -> dict[str, Any]:
        """For JSON; ``at`` in ISO 8601."""
        return {**asdict(self), "at": self.at.isoformat().replace("+00:00", "Z")}


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which rows are wanted; what is left empty matches all.

    Attributes:
        actor, target: part of them, such as ``admin:7`` or ``user:``.
        action: the beginning of an act's name, such as ``key`` or ``key.create``; rows with a former name of
            that act match too.
        outcome: ``ok``, a code, or ``refused`` for everything but ``ok``.
        since, until: the first moment that is wanted, and the first that is not any more.
    """

    actor: str = ""
    action: str = ""
    target: str = ""
    outcome: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        if self.actor:
            found.append(_TABLE.c.actor.contains(self.actor, autoescape=True))
        if self.action:
            begins = _TABLE.c.action.startswith(self.action, autoescape=True)
            found.append(or_(begins, _TABLE.c.action.in_(names_meant(self.action))))
        if self.target:
            found.append(_TABLE.c.target.contains(self.target, autoescape=True))
        if self.outcome == REFUSED:
            found.append(_TABLE.c.outcome != "ok")
        elif self.outcome:
            found.append(_TABLE.c.outcome == self.outcome)
        if self.since is not None:
            found.append(_TABLE.c.at >= self.since)
        if self.until is not None:
            found.append(_TABLE.c.at < self.until)
        return found


EVERYTHING = AuditFilter()
_COLUMNS = tuple(_TABLE.c[name] for name in AuditRow.__slots__)


class AuditTrail:
    """Rows in ``rt_audit_log``."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def record(
        self,
        actor: str,
        action: Act,
        target: str,
        *,
        outcome: str = "ok",
        detail: str = "",
        address: str | None = None,
        request_id: str | None = None,
    ) -> None:
        """Add a row. A database that is away is logged, never raised: what the row tells already happened."""
        row = {
            "actor": actor,
            "action": action.value,
            "target": target,
            "outcome": outcome,
            "detail": detail,
            "address": address,
            "request_id": request_id,
        }
        values = {name: None if text is None else _cut(text, LIMITS[name]) for name, text in row.items()}
        try:
            with self._source.write() as connection:
                connection.execute(insert(AuditEntry).values(at=datetime.now(UTC), **values))
        except Unavailable as err:
            log.error(
                "audit_not_written",
                extra={
                    "actor": actor,
                    "action": action.value,
                    "target": target,
                    "outcome": outcome,
                    "code": err.code,
                },
            )

    def recent(self, limit: int = 50, offset: int = 0, *, wanted: AuditFilter = EVERYTHING) -> list[AuditRow]:
        """Rows, newest first.

        Raises:
            Unavailable: our database cannot be asked.
        """
        query = select(*_COLUMNS).where(*wanted.conditions()).order_by(_TABLE.c.id.desc())
        with self._source.read() as connection:
            return [AuditRow(*row) for row in connection.execute(query.limit(limit).offset(offset))]

    def each(self, wanted: AuditFilter, most: int) -> Iterator[AuditRow]:
        """Rows one by one, newest first, at most so many; rows that are added meanwhile are not among them.

        Raises:
            Unavailable: our database cannot be asked, or no longer.
        """
        query = select(*_COLUMNS).where(*wanted.conditions()).order_by(_TABLE.c.id.desc())
        left, last = most, None
        while left > 0:
            below = () if last is None else (_TABLE.c.id < last,)
            with self._source.read() as connection:
                rows = connection.execute(query.where(*below).limit(min(BATCH, left))).all()
            yield from (AuditRow(*row) for row in rows)
            if len(rows) < BATCH:
                return
            left, last = left - len(rows), rows[-1].id

    def prune(self, before: datetime) -> int:
        """Remove the rows from before that moment: how many. Several may do it at once.

        Raises:
            Unavailable: our database cannot be asked, or no longer; what was removed stays so.
        """
        removed, old = 0, select(_TABLE.c.id).where(_TABLE.c.at < before).order_by(_TABLE.c.id).limit(BATCH)
        while True:
            with self._source.write() as connection:
                # not one statement: MySQL takes no LIMIT in a subquery
                ids = connection.execute(old).scalars().all()
                if ids:
                    removed += connection.execute(delete(_TABLE).where(_TABLE.c.id.in_(ids))).rowcount
            if len(ids) < BATCH:
                return removed


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
