"""Sites: the real server on a Laravel database that holds a handful of people and places."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import jwt
import pytest

from tests.services.application import Answer, Application
from tests.services.browser_client import BrowserClient
from tests.services.echo_page import EchoPage

JWT_SECRET = "integration-jwt-secret-integration-jwt-secret"
KEY = "integration-broadcast-key-integration-key"

# The plan's own assumption of Laravel's tables: nothing but what its code reads.
PLAN_TABLES = """
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, email TEXT, role TEXT);
CREATE TABLE forums (id INTEGER PRIMARY KEY, required_role TEXT);
CREATE TABLE threads (id INTEGER PRIMARY KEY, forum_id INTEGER);
CREATE TABLE notifications (id INTEGER PRIMARY KEY, user_id INTEGER, is_read INTEGER, read_at TEXT);
INSERT INTO users VALUES (1, 'Anna', 'a@x', 'super_admin'), (2, 'Binh', 'b@x', 'member'),
    (3, 'Chi', 'c@x', 'member'), (4, 'Dung', 'd@x', 'moderator'), (6, 'Guest', 'g@x', 'guest');
INSERT INTO forums VALUES (1, NULL), (2, 'senior_member'), (3, 'wizard');
INSERT INTO threads VALUES (10, 1), (20, 2);
INSERT INTO notifications VALUES (100, 2, 0, NULL), (101, 2, 0, NULL), (200, 3, 0, NULL);
"""


def token(user_id: object = 2, *, secret: str = JWT_SECRET, **claims: Any) -> str:
    """A JWT as the plan's Laravel route makes it; a claim given as None is left out."""
    now = int(time.time())
    content = {"userId": user_id, "iat": now, "exp": now + 3600, **claims}
    content = {name: value for name, value in content.items() if value is not None}
    return jwt.encode(content, secret, algorithm="HS256")


@dataclass
class Site:
    """A running server, and how Laravel and browsers reach it."""

    server: Application
    client: Callable[[], BrowserClient]

    def browser(self, user_id: int = 2, **options: Any) -> BrowserClient:
        """A signed-in browser, after its greeting."""
        options = {"auth": {"token": token(user_id)}, **options}
        browser = self.client().connect(self.server.url, **options)
        browser.wait_for("connected")
        return browser

    def refusal(self, **options: Any) -> dict[str, Any]:
        return self.client().connect_error(self.server.url, **options)

    def broadcast(self, channel: str, event: str = "news", data: Any = None, *, key: str = KEY) -> Answer:
        """As the plan's PHP class sends it."""
        body = {"channel": channel, "event": event, "data": data, "timestamp": "2026-11-23T03:12:45.123456Z"}
        return self.server.post("/api/broadcast", body, headers={"Authorization": f"Bearer {key}"})


def settings(**more: str) -> dict[str, str]:
    """Those of a site on which a test may have as many browsers of one user as it likes."""
    own = {"JWT_SECRET": JWT_SECRET, "WEBSOCKET_API_KEY": KEY, "MAX_CONNECTIONS_PER_USER": "0"}
    return {**own, **more}


def plan_database(path) -> str:
    """A SQLite file with the plan's tables; its URL."""
    with closing(sqlite3.connect(path)) as database:
        database.executescript(PLAN_TABLES)
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
def plan_url(tmp_path_factory) -> str:
    """The URL of a module's Laravel database with the plan's tables."""
    return plan_database(tmp_path_factory.mktemp("laravel") / "laravel.sqlite")


@pytest.fixture(scope="module")
def server(serve_module, plan_url) -> Application:
    """One worker on the plan's minimal tables; a module with other needs has its own of this name."""
    return serve_module(settings(LARAVEL_DATABASE_URL=plan_url, DIRECTORY_CACHE_SECONDS="0"))


@pytest.fixture
def site(server, node_client) -> Site:
    """The server, shared by a module's tests."""
    return Site(server, node_client)


def run_sql(server: Application, sql: str, *parameters: object) -> list[tuple]:
    """On the server's Laravel database."""
    path = server.settings["LARAVEL_DATABASE_URL"].removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, timeout=5)) as database:
        rows = database.execute(sql, parameters).fetchall()
        database.commit()
        return rows


@pytest.fixture
def laravel_rows(server) -> Callable[..., list[tuple]]:
    """Run SQL on the Laravel database of ``site``."""
    return partial(run_sql, server)


@pytest.fixture
def echo_page(site, node_driver) -> Iterator[Callable[..., EchoPage]]:
    """Opens pages of Laravel Echo that come back when they are cut off; all are closed after the test."""
    opened: list[EchoPage] = []

    def open_page(**options: Any) -> EchoPage:
        opened.append(EchoPage(node_driver))
        returning = {"reconnection": True, "reconnectionDelay": 20, "reconnectionDelayMax": 50}
        about = {"echo": "2.5", "transports": ["websocket"], **returning, **options}
        opened[-1].connect(site.server.url, **about)
        return opened[-1]

    yield open_page
    for each in opened:
        each.close()
