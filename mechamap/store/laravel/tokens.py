"""Rows of ``personal_access_tokens``. What they prove is judged in ``auth/sanctum.py``."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, column, select, table

from mechamap.settings import Settings
from mechamap.store.cache import FactCache
from mechamap.store.source import Source

from .clock import instant
from .schema import MAX_ID, LaravelSchema, Schema

TABLE = "personal_access_tokens"
NEEDED = ("id", "tokenable_type", "tokenable_id", "token")


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One row. ``expires`` tells NULL (no end) from a text that is no time (``expires_at`` None: it proves
    nothing).

    Attributes:
        digest: lower-case SHA-256 hex of the secret part.
    """

    id: int
    digest: str
    tokenable_type: str
    tokenable_id: int
    created_at: datetime | None
    expires: bool
    expires_at: datetime | None


class TokenRows:
    """Look-ups by id or digest, remembered for ``settings.cache_seconds``: a deleted token passes for no
    longer than that.
    """

    def __init__(self, source: Source, settings: Settings, schema: LaravelSchema | None = None) -> None:
        self._schema = schema or LaravelSchema(source)
        self._zone = settings.app_timezone
        self._by_id: FactCache[int | str, TokenRow] = FactCache(
            partial(self._load, "id"), settings.cache_seconds
        )
        self._by_digest: FactCache[int | str, TokenRow] = FactCache(
            partial(self._load, "token"), settings.cache_seconds
        )

    def exist(self) -> bool:
        """Whether there is such a table.

        Raises:
            DirectoryUnavailable: the database cannot be asked.
        """
        return self._schema.current().has(TABLE, *NEEDED)

    def by_id(self, row_id: int) -> TokenRow | None:
        return self._by_id.get(row_id) if 0 < row_id <= MAX_ID else None

    def by_digest(self, digest: str) -> TokenRow | None:
        return self._by_digest.get(digest)

    def _load(self, key: str, values: Collection[int | str]) -> dict[int | str, TokenRow]:
        def ask(connection: Connection, schema: Schema) -> dict[int | str, TokenRow]:
            if not schema.has(TABLE, *NEEDED):
                return {}
            columns = [*NEEDED, *schema.only(TABLE, "created_at", "expires_at")]
            query = select(*(column(name) for name in columns)).select_from(table(TABLE))
            found: dict[int | str, TokenRow] = {}
            for row in connection.execute(query.where(column(key).in_(values))).mappings():
                expires_at = row.get("expires_at")
                found[row[key]] = TokenRow(
                    id=int(row["id"]),
                    digest=str(row["token"]),
                    tokenable_type=str(row["tokenable_type"]),
                    tokenable_id=int(row["tokenable_id"]),
                    created_at=instant(row.get("created_at"), self._zone),
                    expires=expires_at is not None,
                    expires_at=instant(expires_at, self._zone),
                )
            return found

        return self._schema.read(ask)
