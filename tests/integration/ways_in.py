"""Every way in which one event can be published: the same name and content, to the channel of one user."""

import json
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pusher

from mechamap.domain.pusher_signature import AppKey
from tests.browser.place import Operator
from tests.cli.terminal import Terminal
from tests.pusher.conftest import APP
from tests.services.application import Application
from tests.services.node import NodeProcess
from tests.services.processes import ROOT, clean_environment, program
from tests.services.redis import RedisServer

from .conftest import KEY

USER = 2
CHANNEL = f"private-user.{USER}"
EVENT = "order.shipped"
DATA = {
    "type": EVENT,  # what some of the application's senders call the event by
    "id": 5,
    "title": "Xin chào M8×40 / <b>",
    "price": 1.5,
    "whole": 9007199254740991,
    "tags": [],
    "lines": [{"sku": "b-1", "n": 2}, {"a": None, "b": True}],
    "unread_count": 3,
}
PREFIX = "laravel_database_"
ADMINISTRATOR = {"login": "a@x", "password": "correct horse"}
ID, APP_KEY, SECRET = APP.values()


@dataclass(frozen=True, slots=True)
class Publishers:
    """Everyone who publishes to the server."""

    server: Application
    redis: RedisServer
    node: NodeProcess
    legacy: tuple[str, AppKey]
    """An app of the kind of laravel-echo-server: its id, its key."""

    def post(self, path: str, body: Any, **headers: str) -> None:
        answer = self.server.post(path, body, headers=headers or {"Authorization": f"Bearer {KEY}"})
        assert answer.status == 200, answer.text

    def from_driver(self, body: Any) -> None:
        """The application's broadcast driver sends no key."""
        answer = self.server.post("/api/laravel-broadcast", body)
        assert answer.status == 200, answer.text

    def by_node(self, method: str, *arguments: Any) -> None:
        options = {"appId": ID, "key": APP_KEY, "secret": SECRET, "useTLS": False}
        options |= {"host": "127.0.0.1", "port": str(self.server.port)}
        assert self.node.call(method, options=options, args=arguments)["status"] == 200

    @property
    def python(self) -> pusher.Pusher:
        return pusher.Pusher(ID, APP_KEY, SECRET, ssl=False, host="127.0.0.1", port=self.server.port)

    def insert(self) -> None:
        path = self.server.settings["LARAVEL_DATABASE_URL"].removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, timeout=5)) as database:
            row = (CHANNEL, EVENT, json.dumps(DATA))
            database.execute("INSERT INTO rt_outbox (channels, event, data) VALUES (?, ?, ?)", row)
            database.commit()

    def by_legacy(self) -> None:
        app_id, key = self.legacy
        body = {"channel": CHANNEL, "name": EVENT, "data": json.dumps(DATA)}
        self.post(f"/apps/{app_id}/events", body, Authorization=f"Bearer {key.secret}")

    def at_a_terminal(self) -> None:
        Terminal(self.server.settings).flask("broadcast", CHANNEL, EVENT, json.dumps(DATA)).succeeded()

    def in_the_console(self) -> None:
        operator = Operator(self.server)
        assert operator.submit("/admin/login", "/admin/login", **ADMINISTRATOR).status == 303
        page = "/admin/channels/publish"
        answer = operator.submit(page, page, step="send", channel=CHANNEL, event=EVENT, data=json.dumps(DATA))
        assert answer.status in (302, 303), answer.text


def php(script: Path, order: dict[str, Any]) -> str:
    """What the script prints, given ``order`` as JSON."""
    command = [program("php"), "-d", "display_errors=stderr", str(script)]
    ran = subprocess.run(
        command, input=json.dumps(order), env=clean_environment(), capture_output=True, text=True, timeout=30
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def by_redis_driver(by: Publishers) -> None:
    order = {"host": "127.0.0.1", "port": by.redis.port, "prefix": PREFIX}
    php(
        ROOT / "tests" / "services" / "laravel.php",
        {**order, "channels": [CHANNEL], "event": EVENT, "payload": DATA},
    )


def by_pusher_driver(by: Publishers) -> None:
    order = {"base": by.server.url, "path": "", "app": ID, "key": APP_KEY, "secret": SECRET, "socket": None}
    told = php(
        ROOT / "tests" / "pusher" / "laravel.php",
        {**order, "channels": [CHANNEL], "event": EVENT, "payload": DATA},
    )
    assert told == "200 {}\n"


TO_CHANNEL = {"action": "broadcast_to_channel", "channel": CHANNEL}
TO_USER = {"action": "send_to_user", "user_id": USER}
PLAIN = {"channel": CHANNEL, "event": EVENT, "data": DATA}
ITEM = {"channel": CHANNEL, "name": EVENT, "data": DATA}

# The names are those of the table in docs/API.md.
WAYS: dict[str, Callable[[Publishers], None]] = {
    "broadcast": lambda by: by.post("/api/broadcast", PLAIN),
    "batch": lambda by: by.post("/api/broadcast/batch", {"broadcasts": [PLAIN]}),
    "multi": lambda by: by.post("/api/broadcast/multi", {"broadcasts": [PLAIN]}),
    "user path": lambda by: by.post(f"/api/broadcast/user/{USER}", {"event": EVENT, "data": DATA}),
    "notification service": lambda by: by.post(
        "/api/broadcast",
        {
            "event": EVENT,
            "user_id": USER,
            "channel": f"user.{USER}",
            "data": DATA,
            "metadata": {"unread_count": 9},
        },
    ),
    "addressed": lambda by: by.post(
        "/api/broadcast", {"event": EVENT, "to": "user", "user_id": USER, "data": DATA}
    ),
    "broadcast driver": lambda by: by.from_driver(
        {"channels": [{"name": CHANNEL}], "event": EVENT, "data": {**DATA, "socket": None}}
    ),
    "group service": lambda by: by.post(
        "/api/laravel-broadcast", {**TO_CHANNEL, "event": EVENT, "data": DATA}
    ),
    "group service, user": lambda by: by.post(
        "/api/laravel-broadcast", {**TO_USER, "event": EVENT, "data": DATA}
    ),
    "notify": lambda by: by.post("/api/notify", {**TO_CHANNEL, "data": DATA}),
    "notify, user": lambda by: by.post("/api/notify", {**TO_USER, "data": DATA}),
    "redis driver": by_redis_driver,
    "pusher driver": by_pusher_driver,
    "pusher for Node": lambda by: by.by_node("trigger", CHANNEL, EVENT, DATA),
    "pusher for Node, batch": lambda by: by.by_node("triggerBatch", [ITEM]),
    "pusher for Python": lambda by: by.python.trigger(CHANNEL, EVENT, DATA),
    "pusher for Python, batch": lambda by: by.python.trigger_batch([dict(ITEM)]),
    "laravel-echo-server": lambda by: by.by_legacy(),
    "outbox": lambda by: by.insert(),
    "terminal": lambda by: by.at_a_terminal(),
    "console": lambda by: by.in_the_console(),
}
