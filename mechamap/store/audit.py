"""The audit log in our own database."""

import logging
from datetime import UTC, datetime

from sqlalchemy import insert

from ..domain.errors import Unavailable
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
        """Add a row. A database that is away is logged, never raised: the action it describes already happened."""
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


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
