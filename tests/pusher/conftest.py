"""One server for all of Pusher's clients: an app in the settings, others in the table, a path before
``/apps``."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest

from mechamap import create_app
from mechamap.domain.pusher_signature import sign_request
from mechamap.settings import load
from mechamap.store import revisions
from mechamap.store.apps import Apps
from tests.integration.conftest import Site, plan_database, settings
from tests.services.application import Answer, Application
from tests.services.processes import ROOT, private_directory

APP = {"PUSHER_APP_ID": "1001", "PUSHER_APP_KEY": "site-key", "PUSHER_APP_SECRET": "site-secret-site-secret"}
MOUNT = "/behind/proxy"
MAX_BYTES = 20_000


@dataclass(frozen=True, slots=True)
class Caller:
    """Signs as Pusher's libraries do, and lets a test change what they would send."""

    send: Callable[..., Any]
    app_id: str = APP["PUSHER_APP_ID"]
    key: str = APP["PUSHER_APP_KEY"]
    secret: str = APP["PUSHER_APP_SECRET"]

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        signed_path: str | None = None,
        changed: Mapping[str, str | None] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """``body`` is sent as JSON unless it is bytes; ``changed`` replaces parameters after signing."""
        path = path.replace("{app}", f"/apps/{self.app_id}")
        text = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        parameters = {"auth_key": self.key, "auth_timestamp": str(int(time.time())), "auth_version": "1.0"}
        parameters |= query or {}
        if text:
            parameters["body_md5"] = hashlib.md5(text).hexdigest()
        signed = signed_path or path
        parameters["auth_signature"] = sign_request(self.secret, method, signed, parameters)
        parameters = {k: v for k, v in {**parameters, **(changed or {})}.items() if v is not None}
        headers = {"Content-Type": "application/json", **(headers or {})}
        return self.send(method, f"{path}?{urlencode(parameters)}", text or None, headers=headers)

    def event(self, **more: Any) -> Any:
        body = {"name": "news", "channel": "public.news", "data": '{"n": 1}', **more}
        return self("POST", "{app}/events", {k: v for k, v in body.items() if v is not None})


@dataclass(frozen=True, slots=True)
class Place:
    """The server, its app in the settings, and the table of the others."""

    site: Site
    call: Caller
    apps: Apps

    @property
    def server(self) -> Application:
        return self.site.server

    def caller(self, **app: str) -> Caller:
        return Caller(self.server.request, **app)


@pytest.fixture(scope="package")
def _running() -> Iterator[tuple[Application, Apps]]:
    directory = private_directory("pusher")
    given = settings(
        INSTANCE_PATH=str(directory),
        LARAVEL_DATABASE_URL=plan_database(directory / "laravel.sqlite"),
        PUSHER_PATH=MOUNT,
        MAX_BROADCAST_BYTES=str(MAX_BYTES),
        PRESENCE_GRACE_SECONDS="0",
        RATE_LIMITS="off",
        **APP,
    )
    loaded = load(given)
    beside = create_app(loaded)
    revisions.upgrade(beside, loaded)
    services = beside.extensions["mechamap"]
    server = Application(given, app="wsgi:app", config=ROOT / "gunicorn.conf.py", health="/health")
    try:
        server.start()
        yield server, services.apps
        server.stop()
        server.expect_no_traceback()
        assert APP["PUSHER_APP_SECRET"] not in server.log()
        assert "auth_signature" not in server.log()
    finally:
        server.remove()
        services.databases.close()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def place(_running: tuple[Application, Apps], node_client) -> Place:
    server, apps = _running
    return Place(Site(server, node_client), Caller(server.request), apps)


@pytest.fixture
def browser(place: Place):
    """A page of user 2 in ``public.news``."""
    page = place.site.browser(2, transports=["websocket"])
    page.emit("subscribe", {"channel": "public.news"})
    page.wait_for_many("subscribed", 2)
    return page


def refused(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """The body of a refusal, which is JSON and says so."""
    assert (answer.status, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["error"] and answer.json()["success"] is False
    return answer.json()
