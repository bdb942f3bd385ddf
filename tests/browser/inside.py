"""The application in this process, and people with cookies in it."""

import logging
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient

from mechamap import create_app
from mechamap.settings import load
from tests.services.processes import clean_environment

from .place import FORM_TOKEN, Seeded, settings_in


class Here:
    """The application in this process, its table of addresses and its database within reach."""

    def __init__(self, app: Flask, seeded: Seeded) -> None:
        self.app = app
        self.services = app.extensions["mechamap"]
        self._seeded = seeded

    def operator(self, login: str | None = None, **environ: str) -> FlaskClient:
        """Somebody signed in; the administrator unless another is named."""
        client = self.app.test_client()
        answer = client.post(
            "/admin/login",
            data={
                "csrf_token": form_token(client, "/admin/login"),
                "login": login or self._seeded.login,
                "password": self._seeded.password,
            },
            environ_base=environ,
        )
        assert answer.status_code == 303, answer.text
        return client

    def sql(self, statement: str) -> None:
        with closing(sqlite3.connect(self.services.settings.instance_path / "mechamap.sqlite")) as database:
            database.execute(statement)
            database.commit()

    def addresses(self) -> list[tuple[str, str]]:
        """Every (method, path) under /admin, with something in place of the variables."""
        found = []
        for rule in self.app.url_map.iter_rules():
            if rule.rule.startswith("/admin"):
                path = re.sub(r"<\w+>", "x", re.sub(r"<int:\w+>", "1", rule.rule))
                assert "<" not in path, f"{rule.rule} has a variable this test does not fill"
                found += [(method, path) for method in rule.methods - {"HEAD", "OPTIONS"}]
        return found


def form_token(client: FlaskClient, page: str) -> str:
    token = FORM_TOKEN.search(client.get(page).text)
    assert token is not None
    return token[1]


@contextmanager
def application(seeded: Seeded, folder: Path, **more: str) -> Iterator[Here]:
    shutil.copytree(seeded.folder, folder, dirs_exist_ok=True)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    app = create_app(load(clean_environment(**settings_in(folder, **{"RATE_LIMITS": "off", **more}))))
    # the application's own handler would write to a stream that pytest closes after this test
    root.handlers[:], root.level = handlers, level
    services = app.extensions["mechamap"]
    services.runtime.start()
    yield Here(app, seeded)
    services.runtime.stop()
    services.databases.close()
