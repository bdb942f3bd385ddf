"""Webhooks that were given up, in our own database, until somebody has them sent after all or drops them."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from mechamap.domain.errors import NotFound
from mechamap.webhooks.protocol import Letter

from .own import WebhookFailure
from .source import Source

MOST = 1_000
"""Rows that are kept: days of a receiver that is down, 100 MB at the very most."""

_TABLE = WebhookFailure.__table__


@dataclass(frozen=True, slots=True)
class FailedWebhook:
    """One row. ``count`` is the number of its events, ``code`` why the last attempt was vain."""

    id: int
    batch_id: str
    receiver: str
    count: int
    code: str
    attempts: int
    failed_at: datetime


_COLUMNS = tuple(_TABLE.c[name] for name in FailedWebhook.__slots__)


class WebhookFailures:
    """The repository of ``rt_webhook_failures``, and the webhooks' ``DeadLetters``. Every method raises
    Unavailable when our database is away."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def keep(self, letter: Letter) -> None:
        row = {
            "batch_id": letter.batch_id,
            "receiver": letter.receiver,
            "events": f"[{b','.join(letter.events).decode()}]",
            "count": len(letter.events),
            "code": letter.code,
            "attempts": letter.attempts,
            "failed_at": datetime.now(UTC),
        }
        with self._source.write() as connection:
            try:
                [number] = connection.execute(insert(_TABLE).values(**row)).inserted_primary_key
            except IntegrityError:  # the worker that kept it died before it could say so
                return
            connection.execute(delete(_TABLE).where(_TABLE.c.id <= number - MOST))

    def count(self) -> int:
        with self._source.read() as connection:
            return connection.execute(select(func.count()).select_from(_TABLE)).scalar_one()

    def recent(self, limit: int) -> list[FailedWebhook]:
        """The last ones, newest first."""
        query = select(*_COLUMNS).order_by(_TABLE.c.id.desc()).limit(limit)
        with self._source.read() as connection:
            return [FailedWebhook(*row) for row in connection.execute(query)]

    def ids(self) -> tuple[int, ...]:
        """All, oldest first."""
        with self._source.read() as connection:
            return tuple(connection.execute(select(_TABLE.c.id).order_by(_TABLE.c.id)).scalars())

    def find(self, failure_id: int) -> tuple[FailedWebhook, list[dict[str, object]]]:
        """One with its events.

        Raises:
            NotFound
        """
        query = select(*_COLUMNS, _TABLE.c.events).where(_TABLE.c.id == failure_id)
        with self._source.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise NotFound(
                f"No failed webhook has the id {failure_id}; `flask webhooks list` shows them.",
                code="webhook_unknown",
            )
        *about, events = row
        return FailedWebhook(*about), json.loads(events)

    def failed_again(self, failure_id: int, code: str) -> None:
        """One more attempt was vain."""
        with self._source.write() as connection:
            connection.execute(
                update(_TABLE)
                .where(_TABLE.c.id == failure_id)
                .values(attempts=_TABLE.c.attempts + 1, code=code, failed_at=datetime.now(UTC))
            )

    def remove(self, failure_ids: Collection[int]) -> int:
        """Delete them; how many there were."""
        with self._source.write() as connection:
            return connection.execute(delete(_TABLE).where(_TABLE.c.id.in_(failure_ids))).rowcount
