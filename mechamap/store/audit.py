"""The audit log in our own database."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import insert, select

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


_COLUMNS = tuple(AuditEntry.__table__.c[name] for name in AuditRow.__slots__)


class AuditTrail:
    """Rows in ``rt_audit_log``."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def record(
        self,
        actor: str,
        action: str,
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
            "action": action,
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
                    "action": action,
                    "target": target,
                    "outcome": outcome,
                    "code": err.code,
                },
            )

    def recent(self, limit: int = 50, offset: int = 0) -> list[AuditRow]:
        """Rows, newest first.

        Raises:
            Unavailable: our database cannot be asked.
        """
        query = select(*_COLUMNS).order_by(AuditEntry.id.desc()).limit(limit).offset(offset)
        with self._source.read() as connection:
            return [AuditRow(*row) for row in connection.execute(query)]


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
