"""``users.last_seen_at``: kept as Laravel would, many users in one statement, and nothing else touched."""

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, column, or_, table, update

from mechamap.settings import Settings
from mechamap.store.source import Source

from .clock import wall_clock
from .schema import MAX_ID, LaravelSchema, Schema

BATCH = 500


class LaravelLastSeen:
    """Implements ``store.protocol.SeenUsers``. Without the column it does nothing."""

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

    def seen(self, user_ids: Collection[int], seconds: float) -> None:
        # sorted, so that two workers lock rows in one order
        wanted = sorted(user_id for user_id in user_ids if 0 < user_id <= MAX_ID)
        for start in range(0, len(wanted), BATCH):
            self._note(wanted[start : start + BATCH], seconds)

    def _note(self, ids: list[int], seconds: float) -> None:
        now = self._now()
        present, before = (
            wall_clock(moment, self._zone) for moment in (now, now - timedelta(seconds=seconds))
        )
        last = column("last_seen_at")

        def note(connection: Connection, schema: Schema) -> None:
            if not schema.has("users", "id", "last_seen_at"):
                return
            users = table("users", column("id"), last)
            # a later time is a clock that was set back, or an hour of summer time that came twice
            stale = or_(last.is_(None), last <= before, last > present)
            connection.execute(update(users).where(column("id").in_(ids), stale).values(last_seen_at=present))

        self._schema.write(note)
