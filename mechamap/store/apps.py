"""Apps in our own database: made, listed, their keys changed, switched off, deleted.

Signatures need the secrets themselves, so these are kept, encrypted under SECRET_KEY. They are shown once.
"""

import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from mechamap.domain.apps import APP_ID, APP_KEY, MAX_APP_KEYS, App, secret_problem
from mechamap.domain.errors import Conflict, InvalidField, NotFound
from mechamap.domain.pusher_signature import AppKey

from .own import PusherApp
from .sealing import Seal, Unsealable
from .source import SchemaMismatch, Source

MAX_APPS = 1000
"""Every worker fetches all of them every two seconds while they are in use."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._\-]{0,63}")
_TABLE = PusherApp.__table__


@dataclass(frozen=True, slots=True)
class AppRecord:
    """One row, without secrets. ``keys`` are the public halves, newest first."""

    app_id: str
    name: str
    keys: tuple[str, ...]
    enabled: bool
    legacy: bool
    created_at: datetime
    created_by: str


class Apps:
    """The repository of ``rt_apps``. Every method raises Unavailable when our database is away."""

    def __init__(self, source: Source, secret_key: str, reserved: Collection[str] = ()) -> None:
        """``reserved``: ids of the settings' apps, which no other may have."""
        self._source = source
        self._reserved = reserved
        self._seal = Seal(secret_key, "apps")

    def create(
        self,
        name: str,
        created_by: str,
        *,
        app_id: str | None = None,
        key: str | None = None,
        secret: str | None = None,
        legacy: bool = False,
    ) -> tuple[AppRecord, AppKey]:
        """A new app and its key. What is not given is made; a site that moves here brings its own.

        Raises:
            InvalidField: a value is malformed, in use, or one app too many.
        """
        if not _NAME.fullmatch(name):
            raise InvalidField(
                "name", "name must be 1 to 64 letters, digits, blanks, dots, dashes or underscores."
            )
        # digits only: pusher-http-python takes no other ids
        app_id = app_id if app_id is not None else str(secrets.randbelow(9_000_000) + 1_000_000)
        if not APP_ID.fullmatch(app_id):
            raise InvalidField("id", "id must be 1 to 64 letters, digits, dashes or underscores.")
        if app_id in self._reserved:
            raise InvalidField("id", f"PUSHER_APP_ID has the id {app_id!r} already.", code="app_taken")
        pair = _pair(key, secret)
        values = {
            "app_id": app_id,
            "name": name,
            "keys": [self._row(app_id, pair)],
            "enabled": True,
            "legacy": legacy,
            "created_at": _now(),
            "created_by": created_by[:191],
        }
        with self._source.write() as connection:
            if len(connection.execute(select(_TABLE.c.id).limit(MAX_APPS)).all()) >= MAX_APPS:
                raise InvalidField(
                    "name", f"There are {MAX_APPS} apps, which is the limit.", code="too_many_apps"
                )
            try:
                connection.execute(insert(_TABLE).values(**values))
            except IntegrityError as err:
                raise InvalidField(
                    "id", f"An app already has the id {app_id!r} or the name {name!r}.", code="app_taken"
                ) from err
            return _record(self._one(connection, app_id)), pair

    def list(self) -> list[AppRecord]:
        """The apps, newest first."""
        with self._source.read() as connection:
            return [_record(row) for row in connection.execute(select(_TABLE).order_by(_TABLE.c.id.desc()))]

    def find(self, id_or_name: str) -> AppRecord:
        """The app so called; an id goes before a name.

        Raises:
            NotFound
        """
        with self._source.read() as connection:
            return _record(self._one(connection, id_or_name))

    def rotate(self, id_or_name: str, *, same_key: bool = False) -> tuple[AppRecord, AppKey]:
        """A new key beside those there are; ``same_key``: a new secret for the newest key.

        Raises:
            NotFound
            Conflict: the app has as many keys as it may; ``finish`` first.
        """
        with self._source.write() as connection:
            row = self._one(connection, id_or_name)
            if len(row.keys) >= MAX_APP_KEYS:
                raise Conflict(
                    f"The app has {MAX_APP_KEYS} keys, which is the limit; drop the old ones first.",
                    code="too_many_app_keys",
                )
            pair = _pair(row.keys[0]["key"] if same_key else None, None)
            return self._keep(connection, row, [self._row(row.app_id, pair), *row.keys]), pair

    def finish(self, id_or_name: str) -> AppRecord:
        """Drop all keys but the newest. Workers refuse the others within seconds.

        Raises:
            NotFound
        """
        with self._source.write() as connection:
            row = self._one(connection, id_or_name)
            return self._keep(connection, row, row.keys[:1])

    def switch(self, id_or_name: str, *, enabled: bool) -> AppRecord:
        """Enable or disable an app. Workers follow within seconds.

        Raises:
            NotFound
        """
        with self._source.write() as connection:
            row = self._one(connection, id_or_name)
            connection.execute(update(_TABLE).where(_TABLE.c.id == row.id).values(enabled=enabled))
            return replace(_record(row), enabled=enabled)

    def delete(self, id_or_name: str) -> AppRecord:
        """Remove an app and its secrets.

        Raises:
            NotFound
        """
        with self._source.write() as connection:
            row = self._one(connection, id_or_name)
            connection.execute(delete(_TABLE).where(_TABLE.c.id == row.id))
            return _record(row)

    def all(self) -> dict[str, App]:
        """Every app by its id, with what signatures need; none before the migrations ran."""
        try:
            with self._source.read() as connection:
                rows = connection.execute(select(_TABLE).limit(MAX_APPS)).all()
        except SchemaMismatch:
            return {}
        return {row.app_id: App(row.app_id, self._opened(row), row.enabled, row.legacy) for row in rows}

    def _opened(self, row: object) -> tuple[AppKey, ...]:
        """The keys whose secrets can be read."""
        found = []
        for each in row.keys:
            try:
                secret = self._seal.open(each["secret"], _owner(row.app_id, each["key"]))
            except Unsealable:  # who calls for such an app is told so
                continue
            found.append(AppKey(each["key"], secret))
        return tuple(found)

    def _row(self, app_id: str, pair: AppKey) -> dict[str, str]:
        return {"key": pair.key, "secret": self._seal.seal(pair.secret, _owner(app_id, pair.key))}

    def _keep(self, connection: Connection, row: object, keys: "list[dict[str, str]]") -> AppRecord:
        connection.execute(update(_TABLE).where(_TABLE.c.id == row.id).values(keys=keys))
        return _record(self._one(connection, row.app_id))

    def _one(self, connection: Connection, id_or_name: str) -> object:
        for column in (_TABLE.c.app_id, _TABLE.c.name):
            if (row := connection.execute(select(_TABLE).where(column == id_or_name)).first()) is not None:
                return row
        raise NotFound(
            f"No app has the id or name {id_or_name!r}; `flask apps list` shows them.", code="app_unknown"
        )


def _pair(key: str | None, secret: str | None) -> AppKey:
    key = key if key is not None else secrets.token_hex(10)
    secret = secret if secret is not None else secrets.token_urlsafe(32)
    if not APP_KEY.fullmatch(key):
        raise InvalidField("key", "key must be 1 to 128 letters, digits, dashes or underscores.")
    if (problem := secret_problem(secret)) is not None:
        raise InvalidField("secret", f"The secret {problem}.")
    return AppKey(key, secret)


def _owner(app_id: str, key: str) -> str:
    return f"{app_id}:{key}"


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _record(row: object) -> AppRecord:
    values = {name: getattr(row, name) for name in AppRecord.__slots__}
    return AppRecord(**{**values, "keys": tuple(each["key"] for each in row.keys)})
