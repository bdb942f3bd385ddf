"""A Laravel site's database to read, on SQLite and on MariaDB, and the server's parts on top of it."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, create_engine, event, text

from mechamap.auth import jwt
from mechamap.settings import Settings, load
from mechamap.store import database, revisions
from mechamap.store.database import Databases

from . import shapes

JWT_SECRET = "the-secret-that-laravel-and-this-server-share-0123456789abcdef"
PREVIOUS_SECRET = "the-secret-of-last-month-0123456789abcdef-0123456789abcdef"
API_KEY = "key-of-the-settings-0123456789abcdef"

_numbers = itertools.count()


class Site:
    """One empty database of a Laravel site."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine: Engine = create_engine(url)

    @property
    def sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    def create(self, tables: Sequence[str]) -> None:
        for ddl in tables:
            self.execute(shapes.for_sqlite(ddl) if self.sqlite else ddl)

    def execute(self, sql: str, **parameters: Any) -> list[Any]:
        with self.engine.begin() as connection:
            result = connection.execute(text(sql), parameters)
            return list(result) if result.returns_rows else []

    def add(self, table: str, *rows: dict[str, Any], **values: Any) -> None:
        """Rows with the same columns, or one row of keyword arguments."""
        rows = rows or (values,)
        columns, places = ", ".join(rows[0]), ", ".join(f":{name}" for name in rows[0])
        with self.engine.begin() as connection:
            connection.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({places})"), list(rows))

    def add_user(self, user_id: int, name: str = "", **values: Any) -> None:
        """A user of the application who may sign in, unless `values` say otherwise."""
        name = name or f"user{user_id}"
        row = {"username": name, "email": f"{name}@example.test", "status": "active", **values}
        self.add("users", id=user_id, name=name, **row)


@dataclass(frozen=True, slots=True)
class Server:
    """The server's side: settings, application, and its databases with our own tables made."""

    app: Flask
    settings: Settings
    databases: Databases


Serving = Callable[..., Server]


@pytest.fixture(params=["sqlite", "mariadb"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """An empty database: each test that asks for it runs on both servers."""
    if request.param == "sqlite":
        found = Site(f"sqlite:///{tmp_path / 'laravel.sqlite'}")
    else:
        server = request.getfixturevalue("mariadb_server")
        found = Site(server.create_database(f"laravel{next(_numbers)}"))
    yield found
    found.engine.dispose()


@pytest.fixture
def application_site(site: Site) -> Site:
    """The same with the real application's tables."""
    site.create(shapes.APPLICATION)
    return site


@pytest.fixture
def server_for(tmp_path: Path) -> Iterator[Serving]:
    """Builds the server's side for a database URL and settings in capitals."""
    made: list[Server] = []

    def build(
        url: str | None = None, *, own: str | None = None, migrate: bool = True, **environment: str
    ) -> Server:
        instance = tmp_path / f"instance{len(made)}"
        given = {
            "APP_ENV": "testing",
            "INSTANCE_PATH": str(instance),
            "JWT_SECRET": JWT_SECRET,
            "WEBSOCKET_API_KEY": API_KEY,
            **({"LARAVEL_DATABASE_URL": url} if url else {}),
            **({"DATABASE_URL": own} if own else {}),
            **environment,
        }
        settings = load(given)
        app = Flask("tests", root_path=str(tmp_path))
        server = Server(app, settings, database.configure(app, settings))
        jwt.configure(app, settings)
        if migrate:
            revisions.upgrade(app, settings)
        made.append(server)
        return server

    yield build
    for server in made:
        server.databases.close()


@pytest.fixture(params=["sqlite", "mariadb"])
def own_server(request: pytest.FixtureRequest, server_for: Serving) -> Server:
    """A server whose own tables are empty, on SQLite and on MariaDB (made there once: it takes a second)."""
    if request.param == "sqlite":
        return server_for()
    mariadb = request.getfixturevalue("mariadb_server")
    mariadb.execute("CREATE DATABASE IF NOT EXISTS own_tables")
    server = server_for(own=mariadb.url("own_tables"))
    ours = ("api_keys", "apps", "audit_log", "blocked_users", "console_sessions", "revoked_tokens")
    for table in (f"rt_{name}" for name in (*ours, "webhook_failures")):
        mariadb.execute(f"DELETE FROM {table}", database="own_tables")
    return server


class Statements(list[str]):
    """The SELECTs that an engine ran on tables of the site, in order."""


@pytest.fixture
def watch() -> Callable[[Engine], Statements]:
    """Starts to note the statements of an engine."""

    def start(engine: Engine) -> Statements:
        seen = Statements()

        @event.listens_for(engine, "before_cursor_execute")
        def _note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            if "information_schema" not in statement and "sqlite_master" not in statement:
                seen.append(statement)

        return seen

    return start
