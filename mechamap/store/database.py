"""The two databases: our tables on DATABASE_URL, Laravel's on LARAVEL_DATABASE_URL; one pool if equal."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import URL, Engine, event, make_url
from sqlalchemy.exc import ArgumentError

from mechamap.domain.errors import DirectoryUnavailable, Unavailable
from mechamap.settings import ROOT, Settings, SettingsError

from .breaker import Breaker
from .source import Source

LARAVEL = "laravel"
"""Bind key of Laravel's database, when it is not our own."""

# Ten connections per worker are plenty behind the cache. A caller that cannot have one within two seconds is
# better told so.
POOL_SIZE, POOL_OVERFLOW, POOL_TIMEOUT = 5, 5, 2
# MySQL closes idle connections after wait_timeout, 8 hours by default and ten minutes at some hosts.
POOL_RECYCLE = 280
CONNECT_TIMEOUT, READ_TIMEOUT, WRITE_TIMEOUT = 2, 3, 3
SQLITE_BUSY_MS = 2000
"""SQLite waits for another's write without yielding to the hub: this is how long a worker may stand still."""

db = SQLAlchemy()
"""Declarative tables need their metadata at import: the one extension that is not made per application."""


@dataclass(frozen=True, slots=True)
class Databases:
    """What ``configure`` made. Both sources share engine and breaker when the URLs are equal."""

    own: Source
    laravel: Source

    @property
    def shared(self) -> bool:
        return self.own.engine is self.laravel.engine

    def close(self) -> None:
        """Close every pooled connection."""
        for engine in {self.own.engine, self.laravel.engine}:
            engine.dispose()


def configure(app: Flask, settings: Settings) -> Databases:
    """Attach both databases and the ``flask db`` commands to ``app``. Opens no connection.

    Raises:
        SettingsError: a URL that SQLAlchemy or we cannot serve.
    """
    own = address(settings.database_url, "DATABASE_URL")
    laravel = address(settings.laravel_database_url, "LARAVEL_DATABASE_URL")
    app.config["SQLALCHEMY_DATABASE_URI"] = own
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(own)
    app.config["SQLALCHEMY_BINDS"] = (
        {} if laravel == own else {LARAVEL: {"url": laravel, **engine_options(laravel)}}
    )
    db.init_app(app)
    from . import own as _tables  # noqa: F401  the models must be in the metadata before a migration compares

    Migrate(app, db, directory=ROOT / "migrations")
    with app.app_context():
        engines = dict(db.engines)
    breakers = {engine: Breaker() for engine in engines.values()}
    for engine in breakers:
        if engine.dialect.name == "sqlite":
            _prepare_sqlite(engine)
    own_engine, laravel_engine = engines[None], engines.get(LARAVEL, engines[None])
    return Databases(
        own=Source("server's", own_engine, breakers[own_engine], Unavailable),
        laravel=Source("Laravel", laravel_engine, breakers[laravel_engine], DirectoryUnavailable),
    )


def address(url: str, variable: str) -> URL:
    """The URL with the driver we use: ``mysql://`` and ``mariadb://`` mean PyMySQL, in utf8mb4."""
    try:
        parsed = make_url(url)
    except ArgumentError as err:
        raise SettingsError(
            variable, "is not a database URL such as mysql://user:password@host/database"
        ) from err
    backend = parsed.drivername.partition("+")[0]
    if backend in ("mysql", "mariadb"):
        if not parsed.database:
            raise SettingsError(variable, "names no database after the host")
        parsed = parsed.set(drivername="mysql+pymysql")
        return parsed if "charset" in parsed.query else parsed.update_query_dict({"charset": "utf8mb4"})
    if backend == "sqlite":
        return parsed.set(drivername="sqlite")
    raise SettingsError(variable, f"begins with {backend}://; use mysql://, mariadb:// or sqlite://")


def engine_options(url: URL) -> dict[str, Any]:
    """Pool and timeouts for one database."""
    if in_memory(url):
        return {}
    options: dict[str, Any] = {
        "pool_size": POOL_SIZE,
        "max_overflow": POOL_OVERFLOW,
        "pool_timeout": POOL_TIMEOUT,
        "pool_recycle": POOL_RECYCLE,
    }
    if url.drivername == "mysql+pymysql":
        options["pool_pre_ping"] = True
        options["connect_args"] = {
            "connect_timeout": CONNECT_TIMEOUT,
            "read_timeout": READ_TIMEOUT,
            "write_timeout": WRITE_TIMEOUT,
        }
    return options


def in_memory(url: URL) -> bool:
    return url.drivername == "sqlite" and url.database in (None, "", ":memory:")


def _prepare_sqlite(engine: Engine) -> None:
    """The folder; and per connection WAL (readers wait for no writer), a bounded wait, foreign keys."""
    if not in_memory(engine.url) and engine.url.database and not engine.url.database.startswith("file:"):
        Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        # before the journal mode: changing that needs the lock too, and several workers start at once
        cursor.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_MS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()
