"""A place to test in: the real server on the demonstration's data, and how an operator gets in."""

import http.cookies
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Page

from tests.services.application import Answer, Application, Serve
from tests.services.processes import ROOT, clean_environment, private_directory

KEY = "browser-tests-broadcast-key-browser-tests-key"
FORM_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


@dataclass
class Place:
    """A running server. ``login`` and ``password`` are the demonstration's administrator."""

    server: Application
    login: str
    password: str

    @property
    def url(self) -> str:
        return self.server.url

    def sql(self, statement: str, *values: object) -> None:
        """Change the demonstration's people, as Laravel would, or our own tables."""
        file = Path(self.server.settings["INSTANCE_PATH"]) / "mechamap.sqlite"
        with closing(sqlite3.connect(file)) as database:
            database.execute(statement, values)
            database.commit()

    def broadcast(self, channel: str, event: str, data: Any, key: str = KEY) -> Answer:
        body = {"channel": channel, "event": event, "data": data}
        return self.server.post("/api/broadcast", body, headers={"X-API-Key": key})

    def token(self, user_id: int) -> str:
        """A good one of that user."""
        return self.server.get(f"/demo/{user_id}/token").json()["token"]

    def sign_in(self, page: Page, login: str | None = None) -> None:
        """Give the page's browser the cookie of somebody who signed in."""
        name, _, value = self.operator(login).cookie.partition("=")
        page.context.add_cookies([{"name": name, "value": value, "domain": "127.0.0.1", "path": "/admin"}])

    def operator(self, login: str | None = None) -> "Operator":
        """Somebody signed in, without a browser; the administrator unless another is named."""
        operator = Operator(self.server)
        person = {"login": login or self.login, "password": self.password}
        answer = operator.submit("/admin/login", "/admin/login", **person)
        assert answer.status == 303, answer.text
        return operator


class Operator:
    """A person with a cookie and no JavaScript."""

    def __init__(self, server: Application) -> None:
        self.server = server
        self.cookie = ""

    def get(self, path: str, **headers: str) -> Answer:
        return self._keep(self.server.get(path, headers={**self._headers(), **headers}))

    def submit(self, page: str, action: str, **fields: str) -> Answer:
        """Open ``page``, then send the form it holds, filled in, to ``action``."""
        return self.post(action, csrf_token=self.token(page), **fields)

    def token(self, page: str) -> str:
        """Of the form on this page."""
        token = FORM_TOKEN.search(self.get(page).text)
        assert token is not None, f"{page} has no form"
        return token[1]

    def post(self, path: str, more_headers: Mapping[str, str] | None = None, /, **fields: str) -> Answer:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        headers = {**form, **self._headers(), **(more_headers or {})}
        return self._keep(self.server.request("POST", path, urlencode(fields), headers=headers))

    def _headers(self) -> dict[str, str]:
        return {"Accept": "text/html", **({"Cookie": self.cookie} if self.cookie else {})}

    def _keep(self, answer: Answer) -> Answer:
        for morsel in http.cookies.SimpleCookie(answer.headers.get("set-cookie", "")).values():
            self.cookie = f"{morsel.key}={morsel.value}"
        return answer


@dataclass(frozen=True)
class Seeded:
    """An instance folder with tables and people, made by the product's own commands."""

    folder: Path
    login: str
    password: str

    def place(self, serve: Serve, **more: str) -> Place:
        """A server on a copy of its own."""
        folder = private_directory("pages")
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Place(serve(settings_in(folder, **more)), self.login, self.password)


def seed(folder: Path) -> Seeded:
    settings = settings_in(folder)
    flask(settings, "db", "upgrade")
    printed = json.loads(flask(settings, "demo", "seed", "--json"))["dashboard"]
    return Seeded(folder, printed["login"], printed["password"])


def settings_in(folder: Path, **more: str) -> dict[str, str]:
    return {"INSTANCE_PATH": str(folder), "WEBSOCKET_API_KEY": KEY, "DIRECTORY_CACHE_SECONDS": "0", **more}


def flask(settings: dict[str, str], *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", *words],
        cwd=ROOT,
        env=clean_environment(**settings),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
