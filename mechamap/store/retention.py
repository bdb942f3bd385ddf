"""How long the audit log is kept. A running server removes older rows every hour."""

import logging
from datetime import UTC, datetime, timedelta

from .audit import AuditTrail

log = logging.getLogger(__name__)


class Retention:
    """Of the audit log, in days."""

    def __init__(self, audit: AuditTrail, days: int) -> None:
        self._audit = audit
        self._days = days

    def prune(self) -> int:
        """Remove what is older: how many rows.

        Raises:
            Unavailable: our database is away.
        """
        removed = self._audit.prune(datetime.now(UTC) - timedelta(days=self._days))
        if removed:
            log.info("audit_pruned", extra={"rows": removed, "days": self._days})
        return removed
