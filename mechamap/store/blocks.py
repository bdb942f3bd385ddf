"""Users whom an operator keeps out for a time, in our own database."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, insert, select

from mechamap.domain.errors import InvalidField

from .own import BlockedUser
from .source import SchemaMismatch, Source

MOST = 10_000
"""Live blocks: every worker keeps all of them in memory, some 1.5 MB."""
_TABLE = BlockedUser.__table__


@dataclass(frozen=True, slots=True)
class BlockRecord:
    """One row."""

    user_id: int
    until: datetime
    reason: str
    blocked_at: datetime
    blocked_by: str


_COLUMNS = tuple(_TABLE.c[name] for name in BlockRecord.__slots__)


class Blocks:
    """The repository of ``rt_blocked_users``. Every method raises Unavailable when our database is away."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def block(self, user_id: int, until: datetime, reason: str, by: str) -> BlockRecord:
        """Keep the user out until then, instead of what was said before. Rows that are over are removed.

        Raises:
            InvalidField: too many are blocked.
        """
        now = datetime.now(UTC).replace(microsecond=0)
        record = BlockRecord(user_id, until.replace(microsecond=0), reason[:200], now, by[:191])
        with self._source.write() as connection:
            over = (_TABLE.c.until <= now) | (_TABLE.c.user_id == user_id)
            connection.execute(delete(_TABLE).where(over))
            if len(connection.execute(select(_TABLE.c.id).limit(MOST)).all()) >= MOST:
                raise InvalidField(
                    "user_id", f"{MOST} users are blocked, which is the limit.", code="too_many_blocks"
                )
            values = {name: getattr(record, name) for name in BlockRecord.__slots__}
            connection.execute(insert(_TABLE).values(**values))
        return record

    def unblock(self, user_id: int) -> bool:
        """Let the user in again; False if nothing kept them out."""
        with self._source.write() as connection:
            return connection.execute(delete(_TABLE).where(_TABLE.c.user_id == user_id)).rowcount > 0

    def live(self) -> list[BlockRecord]:
        """All that are not over, the newest first; none before the migrations ran."""
        query = select(*_COLUMNS).where(_TABLE.c.until > datetime.now(UTC))
        query = query.order_by(_TABLE.c.blocked_at.desc(), _TABLE.c.id.desc()).limit(MOST)
        try:
            with self._source.read() as connection:
                return [BlockRecord(**row._mapping) for row in connection.execute(query)]
        except SchemaMismatch:
            return []
