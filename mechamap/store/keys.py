"""Publishers' keys in our own database: made, listed, revoked. The secret is shown once and kept nowhere."""

import hashlib
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from mechamap.domain.errors import InvalidField, NotFound

from .own import ApiKey
from .source import SchemaMismatch, Source

PREFIX = "mmk_"
"""Makes a leaked key recognisable to scanners and to people."""
MAX_SCOPES = 50
MAX_SCOPE_LENGTH = 200
MAX_LIVE_KEYS = 1000
"""Every worker compares with every live key, and fetches all of them every two seconds."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._\-]{0,63}")
_SCOPE = re.compile(rf"[A-Za-z0-9._\-*]{{1,{MAX_SCOPE_LENGTH}}}")
_TABLE = ApiKey.__table__


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One row, without its digest."""

    id: int
    name: str
    prefix: str
    scopes: tuple[str, ...]
    created_at: datetime
    created_by: str
    last_used_at: datetime | None
    revoked_at: datetime | None

    @property
    def live(self) -> bool:
        return self.revoked_at is None


_COLUMNS = tuple(_TABLE.c[name] for name in KeyRecord.__slots__)


def digest_of(secret: str) -> str:
    """What is stored of a secret. 43 random characters need no slow hash: they cannot be guessed."""
    return hashlib.sha256(secret.encode()).hexdigest()


class ApiKeys:
    """The repository of ``rt_api_keys``. Every method raises Unavailable when our database is away."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def create(self, name: str, scopes: Collection[str], created_by: str) -> tuple[KeyRecord, str]:
        """A new key and its secret, which cannot be had again.

        Args:
            scopes: patterns of channel names such as ``forum.*``; none at all means every channel.

        Raises:
            InvalidField: a name that is malformed or that a live key has; a malformed scope; too many of
                either.
        """
        if not _NAME.fullmatch(name):
            raise InvalidField(
                "name", "name must be 1 to 64 letters, digits, blanks, dots, dashes or underscores."
            )
        if len(scopes) > MAX_SCOPES:
            raise InvalidField("scopes", f"scopes has {len(scopes)} entries; the limit is {MAX_SCOPES}.")
        for scope in scopes:
            if not _SCOPE.fullmatch(scope):
                raise InvalidField(
                    "scopes",
                    f"{scope[:40]!r} is not a pattern of channel names such as forum.* or public.news.",
                )
        secret = PREFIX + secrets.token_urlsafe(32)
        values = {
            "name": name,
            "live_name": name,
            "prefix": secret[: len(PREFIX) + 6],
            "digest": digest_of(secret),
            "scopes": sorted(set(scopes)),
            "created_at": datetime.now(UTC).replace(microsecond=0),
            "created_by": created_by[:191],
        }
        with self._source.write() as connection:
            live = connection.execute(
                select(_TABLE.c.id).where(_TABLE.c.revoked_at.is_(None)).limit(MAX_LIVE_KEYS)
            )
            if len(live.all()) >= MAX_LIVE_KEYS:
                raise InvalidField(
                    "name",
                    f"There are {MAX_LIVE_KEYS} live keys, which is the limit; revoke one first.",
                    code="too_many_keys",
                )
            try:
                key_id = connection.execute(insert(_TABLE).values(**values)).inserted_primary_key[0]
            except IntegrityError as err:
                raise InvalidField(
                    "name", f"A live key is already called {name!r}.", code="key_name_taken"
                ) from err
            return self._one(connection, key_id), secret

    def list(self, *, revoked: bool = True) -> list[KeyRecord]:
        """The keys, newest first."""
        query = select(*_COLUMNS).order_by(_TABLE.c.id.desc())
        if not revoked:
            query = query.where(_TABLE.c.revoked_at.is_(None))
        with self._source.read() as connection:
            return [_record(row) for row in connection.execute(query)]

    def revoke(self, name_or_id: str | int) -> KeyRecord:
        """End a live key. Workers refuse it within seconds.

        Raises:
            NotFound: no live key has this name or id.
        """
        wanted = (
            _TABLE.c.id == name_or_id if isinstance(name_or_id, int) else _TABLE.c.live_name == name_or_id
        )
        with self._source.write() as connection:
            key_id = connection.execute(
                select(_TABLE.c.id).where(wanted, _TABLE.c.revoked_at.is_(None))
            ).scalar()
            if key_id is None:
                raise NotFound(f"No live key is called {name_or_id!r}.", code="key_not_found")
            connection.execute(
                update(_TABLE)
                .where(_TABLE.c.id == key_id)
                .values(revoked_at=datetime.now(UTC), live_name=None)
            )
            return self._one(connection, key_id)

    def find_by_hash(self, digest: str) -> KeyRecord | None:
        """The live key whose secret has this SHA-256."""
        with self._source.read() as connection:
            row = connection.execute(
                select(*_COLUMNS).where(_TABLE.c.digest == digest, _TABLE.c.revoked_at.is_(None))
            ).first()
        return None if row is None else _record(row)

    def live_digests(self) -> dict[str, KeyRecord]:
        """Every live key by the digest of its secret; none before the migrations ran."""
        query = select(_TABLE.c.digest, *_COLUMNS).where(_TABLE.c.revoked_at.is_(None)).limit(MAX_LIVE_KEYS)
        try:
            with self._source.read() as connection:
                return {row.digest: _record(row) for row in connection.execute(query)}
        except SchemaMismatch:
            return {}

    def note_use(self, key_id: int) -> None:
        """Remember that the key was used now."""
        with self._source.write() as connection:
            connection.execute(
                update(_TABLE).where(_TABLE.c.id == key_id).values(last_used_at=datetime.now(UTC))
            )

    def _one(self, connection: Connection, key_id: int) -> KeyRecord:
        return _record(connection.execute(select(*_COLUMNS).where(_TABLE.c.id == key_id)).one())


def _record(row: object) -> KeyRecord:
    values = {name: getattr(row, name) for name in KeyRecord.__slots__}
    return KeyRecord(**{**values, "scopes": tuple(values["scopes"] or ())})
