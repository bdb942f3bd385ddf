"""Publishers' keys in our own database. A secret is shown once and kept nowhere.

A key is a name; each of its secrets is a row. It has one, and after a rotation the one before beside it until
that ends: ``current`` tells them apart.
"""

import hashlib
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Connection, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from mechamap.domain.errors import Conflict, InvalidField, NotFound
from mechamap.domain.scopes import checked_scopes

from .own import ApiKey
from .source import SchemaMismatch, Source

PREFIX = "mmk_"
"""Makes a leaked key recognisable to scanners and to people."""
MAX_LIVE_KEYS = 1000
"""Every worker compares with every live key, and fetches all of them every two seconds."""

MAX_SECRETS = 4
"""Of one key that work at the same time; two are enough to change one."""
MAX_KEEP = timedelta(days=90)
"""How long the secret before a rotation may go on."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._\-]{0,63}")
_TABLE = ApiKey.__table__


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One row, without its digest. ``live_name`` is the name while it is the key's present secret."""

    id: int
    name: str
    live_name: str | None
    prefix: str
    scopes: tuple[str, ...]
    created_at: datetime
    created_by: str
    last_used_at: datetime | None
    revoked_at: datetime | None
    expires_at: datetime | None

    @property
    def live(self) -> bool:
        return self.revoked_at is None and not self.over

    @property
    def over(self) -> bool:
        """Whether it ended by itself."""
        return self.expires_at is not None and self.expires_at <= datetime.now(UTC)

    @property
    def current(self) -> bool:
        """Whether it is the present secret of a key, not the one before."""
        return self.live_name is not None


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
        scopes = checked_scopes(scopes)
        with self._source.write() as connection:
            try:
                return self._add(connection, name, scopes, created_by)
            except IntegrityError as err:
                raise InvalidField(
                    "name", f"A live key is already called {name!r}.", code="key_name_taken"
                ) from err

    def rotate(self, name_or_id: str | int, keep: timedelta, by: str) -> tuple[KeyRecord, str, KeyRecord]:
        """A new secret for a live key; the one before goes on for ``keep``: (new, secret, the one before).

        Raises:
            NotFound: no live key has this name or id.
            InvalidField: ``keep`` is out of bounds.
            Conflict: it has as many secrets as it may; revoke one first.
        """
        if not timedelta() <= keep <= MAX_KEEP:
            raise InvalidField("keep", f"The secret before may go on for 0 to {MAX_KEEP.days} days.")
        now = _now()
        with self._source.write() as connection:
            found = self._current(connection, name_or_id)
            same = connection.execute(select(_TABLE.c.id).where(_TABLE.c.name == found.name, *_live(now)))
            if len(same.all()) >= MAX_SECRETS:
                raise Conflict(
                    f"The key has {MAX_SECRETS} secrets that work, which is the limit; revoke one first.",
                    code="too_many_secrets",
                )
            ends = {"expires_at": now + keep} if keep else {"revoked_at": now}
            connection.execute(update(_TABLE).where(_TABLE.c.id == found.id).values(live_name=None, **ends))
            record, secret = self._add(connection, found.name, found.scopes, by)
            return record, secret, self._one(connection, found.id)

    def rescope(self, name_or_id: str | int, scopes: Collection[str]) -> KeyRecord:
        """Other scopes for a live key and all its secrets. Workers follow within seconds.

        Raises:
            NotFound: no live key has this name or id.
            InvalidField: a malformed scope, or too many.
        """
        scopes = checked_scopes(scopes)
        with self._source.write() as connection:
            found = self._current(connection, name_or_id)
            connection.execute(
                update(_TABLE).where(_TABLE.c.name == found.name, *_live(_now())).values(scopes=scopes)
            )
            return self._one(connection, found.id)

    def list(self, *, revoked: bool = True) -> list[KeyRecord]:
        """The keys, newest first."""
        query = select(*_COLUMNS).order_by(_TABLE.c.id.desc())
        if not revoked:
            query = query.where(*_live(_now()))
        with self._source.read() as connection:
            return [_record(row) for row in connection.execute(query)]

    def revoke(self, name_or_id: str | int) -> KeyRecord:
        """End a live key with all its secrets, or, by its id, one that was the secret before a rotation.
        Workers refuse it within seconds.

        Raises:
            NotFound: nothing live has this name or id.
        """
        now = _now()
        with self._source.write() as connection:
            found = self._named(connection, name_or_id)
            which = _TABLE.c.name == found.name if found.current else _TABLE.c.id == found.id
            connection.execute(
                update(_TABLE).where(which, *_live(now)).values(revoked_at=now, live_name=None)
            )
            return self._one(connection, found.id)

    def live_digests(self) -> dict[str, KeyRecord]:
        """Every live secret's key by its digest; none before the migrations ran."""
        query = select(_TABLE.c.digest, *_COLUMNS).where(*_live(_now())).limit(MAX_LIVE_KEYS)
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

    def _add(
        self, connection: Connection, name: str, scopes: Collection[str], created_by: str
    ) -> tuple[KeyRecord, str]:
        live = connection.execute(select(_TABLE.c.id).where(*_live(_now())).limit(MAX_LIVE_KEYS))
        if len(live.all()) >= MAX_LIVE_KEYS:
            raise InvalidField(
                "name",
                f"There are {MAX_LIVE_KEYS} live keys, which is the limit; revoke one first.",
                code="too_many_keys",
            )
        secret = PREFIX + secrets.token_urlsafe(32)
        values = {
            "name": name,
            "live_name": name,
            "prefix": secret[: len(PREFIX) + 6],
            "digest": digest_of(secret),
            "scopes": list(scopes),
            "created_at": _now(),
            "created_by": created_by[:191],
        }
        key_id = connection.execute(insert(_TABLE).values(**values)).inserted_primary_key[0]
        return self._one(connection, key_id), secret

    def _current(self, connection: Connection, name_or_id: str | int) -> KeyRecord:
        found = self._named(connection, name_or_id)
        if not found.current:
            raise NotFound(
                f"{name_or_id!r} is the secret that {found.name!r} had before; name the key.",
                code="key_not_found",
            )
        return found

    def _named(self, connection: Connection, name_or_id: str | int) -> KeyRecord:
        wanted = (
            _TABLE.c.id == name_or_id if isinstance(name_or_id, int) else _TABLE.c.live_name == name_or_id
        )
        row = connection.execute(select(*_COLUMNS).where(wanted, *_live(_now()))).first()
        if row is None:
            raise NotFound(f"No live key is called {name_or_id!r}.", code="key_not_found")
        return _record(row)

    def _one(self, connection: Connection, key_id: int) -> KeyRecord:
        return _record(connection.execute(select(*_COLUMNS).where(_TABLE.c.id == key_id)).one())


def _live(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return _TABLE.c.revoked_at.is_(None), or_(_TABLE.c.expires_at.is_(None), _TABLE.c.expires_at > now)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _record(row: object) -> KeyRecord:
    values = {name: getattr(row, name) for name in KeyRecord.__slots__}
    return KeyRecord(**{**values, "scopes": tuple(values["scopes"] or ())})
