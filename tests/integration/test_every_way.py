"""The same event by every way in, on two workers, to every kind of client: once each, the same bytes, in one
order."""

import json
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

import bcrypt
import pytest
import requests
import socketio

from mechamap import create_app
from mechamap.settings import load
from mechamap.store import revisions
from mechamap.store.laravel.outbox_sql import outbox_sql
from tests.pusher.conftest import APP
from tests.services.application import Application
from tests.services.browser_client import BrowserClient
from tests.services.echo_page import EchoPage
from tests.services.node import NodeProcess
from tests.services.processes import ROOT, wait_until

from .conftest import Site, plan_database, settings, token
from .ways_in import ADMINISTRATOR, CHANNEL, DATA, EVENT, PREFIX, USER, WAYS, Publishers

BYTES = json.dumps(DATA, ensure_ascii=False, separators=(",", ":"))
END = "the-end"
WEBSOCKET, POLLING = {"transports": ["websocket"]}, {"transports": ["polling"], "upgrade": False}
SIGNED_IN = {"auth": {"token": token(USER)}}
ECHO_SIGNED_IN = {"auth": {"headers": {"Authorization": f"Bearer {token(USER)}"}}}


class PythonPage:
    """python-socketio's client, with what ``Listener`` needs of it."""

    def __init__(self, url: str) -> None:
        self._http = requests.Session()
        self._client = socketio.Client(reconnection=False, http_session=self._http)
        self._texts: list[str] = []
        take = self._client._handle_eio_message

        def keep_and_take(text: str) -> None:
            self._texts.append(text)
            take(text)

        self._client.eio.on("message", keep_and_take)
        self._client.connect(url, auth=SIGNED_IN["auth"], transports=["websocket"])

    def texts(self) -> list[str]:
        return self._texts

    @property
    def id(self) -> str:
        return self._client.get_sid()

    def close(self) -> None:
        self._client.disconnect()
        self._client.eio.wait()
        self._http.close()


@dataclass
class Listener:
    """A client that hears what is published, and the packets in which it came."""

    page: BrowserClient | PythonPage
    echo: bool = False
    taken: int = field(default=0)

    @property
    def worker(self) -> str:
        return self.page.id.partition(".")[0][:-16]

    def packets(self, event: str) -> list[str]:
        """All of that event so far."""
        return [text for text in self.page.texts() if text.startswith(f'2["{event}",')]

    def take(self) -> list[str]:
        """Where each event stands that came since last time; each is exactly what was published."""
        new = self.packets(EVENT)[self.taken :]
        self.taken += len(new)
        channel = f'"{CHANNEL}",' if self.echo else ""
        whole = re.compile(re.escape(f'2["{EVENT}",{channel}{BYTES},') + r'"([^"]+)"\]')
        found = [whole.fullmatch(text) for text in new]
        assert all(found), new
        return [match[1] for match in found]


def plan(*names: str, **options) -> Callable[..., Listener]:
    """socket.io-client, subscribed to these names of what is its own channel anyway."""

    def start(node: NodeProcess, url: str) -> Listener:
        page = BrowserClient(node).connect(url, raw=True, **SIGNED_IN, **options)
        for name in names:
            assert page.emit_ack("subscribe", {"channel": name})["status"] == "success"
        return Listener(page)

    return start


def echo(version: str) -> Callable[..., Listener]:
    def start(node: NodeProcess, url: str) -> Listener:
        page = EchoPage(node)
        page.connect(url, echo=version, raw=True, **ECHO_SIGNED_IN, **WEBSOCKET)
        page.listen("private", f"user.{USER}", f".{EVENT}")
        while page.wait_for("subscribed")[0]["channel"] != CHANNEL:
            pass
        return Listener(page, echo=True)

    return start


# The names are those of the table in docs/API.md.
CLIENTS: dict[str, Callable[[NodeProcess, str], Listener]] = {
    "socket.io-client, WebSocket": plan(**WEBSOCKET),
    "socket.io-client, polling": plan(**POLLING),
    "socket.io-client, two names": plan(f"user.{USER}", CHANNEL, **WEBSOCKET),
    "Laravel Echo 2.0": echo("2.0"),
    "Laravel Echo 2.5": echo("2.5"),
    "python-socketio": lambda node, url: Listener(PythonPage(url)),
}


@pytest.fixture(scope="module")
def publishers(serve_module, lasting_redis, tmp_path_factory) -> Iterator[Publishers]:
    folder = tmp_path_factory.mktemp("site")
    url = plan_database(folder / "laravel.sqlite")
    hashed = bcrypt.hashpw(ADMINISTRATOR["password"].encode(), bcrypt.gensalt(4)).decode()
    with closing(sqlite3.connect(folder / "laravel.sqlite")) as database:
        database.executescript(outbox_sql("sqlite"))
        database.execute("ALTER TABLE users ADD COLUMN password TEXT")
        database.execute("UPDATE users SET password = ? WHERE id = 1", (hashed.replace("$2b$", "$2y$"),))
        database.commit()
    given = settings(
        INSTANCE_PATH=str(folder),
        SECRET_KEY="k" * 48,
        REDIS_URL=lasting_redis.url,
        WEB_CONCURRENCY="2",
        LARAVEL_DATABASE_URL=url,
        LARAVEL_REDIS_URL=lasting_redis.url,
        LARAVEL_REDIS_PREFIX=PREFIX,
        OUTBOX="on",
        RATE_LIMITS="off",
        **APP,
    )
    loaded = load(given)
    beside = create_app(loaded)
    revisions.upgrade(beside, loaded)
    services = beside.extensions["mechamap"]
    record, key = services.apps.create("legacy", "test", legacy=True)
    services.databases.close()
    node = NodeProcess("pusher.mjs")
    try:
        server: Application = serve_module(given)
        redis = lasting_redis.client()
        wait_until(lambda: redis.publish(f"{PREFIX}probe", "") == 1, "a worker to hear Laravel", 10)
        yield Publishers(server, lasting_redis, node, (record.app_id, key))
    finally:
        node.end()


@pytest.fixture(scope="module")
def listeners(publishers: Publishers, node_driver: NodeProcess) -> Iterator[dict[str, Listener]]:
    """One client of each kind, or more, so that each worker has some."""
    url = publishers.server.url
    started = {name: start(node_driver, url) for name, start in CLIENTS.items()}
    while len({listener.worker for listener in started.values()}) < 2:
        started[f"more {len(started)}"] = plan(**WEBSOCKET)(node_driver, url)
    yield started
    for listener in started.values():
        listener.page.close()


@pytest.fixture
def everyone(listeners: dict[str, Listener]) -> list[Listener]:
    """All clients, which have forgotten what came before this test."""
    for listener in listeners.values():
        listener.taken = len(listener.packets(EVENT))
    return list(listeners.values())


def heard_by_all(publishers: Publishers, everyone: list[Listener], number: int) -> list[list[str]]:
    """What each was told, once ``number`` events reached one of them and a last one all of them."""
    first = everyone[0]
    wait_until(lambda: len(first.packets(EVENT)) >= first.taken + number, f"{number} events")
    ends = len(first.packets(END))
    Site(publishers.server, BrowserClient).broadcast(CHANNEL, END)
    for listener in everyone:
        wait_until(lambda one=listener: len(one.packets(END)) > ends, "the last event")
    return [listener.take() for listener in everyone]


@pytest.mark.parametrize("way", WAYS)
def test_an_event_reaches_every_kind_of_client_once_and_byte_for_byte(publishers, everyone, way):
    WAYS[way](publishers)
    [place, *others] = heard_by_all(publishers, everyone, 1)
    assert len(place) == 1
    assert others == [place] * len(others)


def test_events_by_all_ways_at_once_come_in_one_order(publishers, everyone):
    failed: list[BaseException] = []

    def publish(way: Callable[[Publishers], None]) -> None:
        try:
            for _ in range(3):
                way(publishers)
        except BaseException as err:
            failed.append(err)

    # One process each for `flask` is a second of a processor.
    at_once = [way for name, way in WAYS.items() if name != "terminal"]
    running = [threading.Thread(target=publish, args=(way,)) for way in at_once]
    for each in running:
        each.start()
    for each in running:
        each.join()
    assert failed == []
    [order, *others] = heard_by_all(publishers, everyone, 3 * len(at_once))
    numbers = [int(place.rpartition(".")[2]) for place in order]
    assert len(numbers) == 3 * len(at_once)
    assert numbers == sorted(set(numbers))
    assert others == [order] * len(others)


@pytest.mark.parametrize("version", ["2.0", "2.5"])
def test_a_listener_of_echo_is_called_with_the_same_content(publishers, listeners, version):
    listener = listeners[f"Laravel Echo {version}"]
    before = len(listener.packets(EVENT))
    WAYS["redis driver"](publishers)
    wait_until(lambda: len(listener.packets(EVENT)) > before, "the event")
    called = listener.page.heard(CHANNEL, f".{EVENT}")
    assert len(called) == before + 1
    assert {json.dumps(content) for content in called} == {json.dumps(DATA)}


def test_the_table_in_the_documents_is_what_is_tested_here():
    text = (ROOT / "docs" / "API.md").read_text()
    section = text.partition("## Every way in, every client\n")[2].partition("\n## ")[0]
    named = re.findall(r"^\| \*\*(.+?)\*\* \|", section, re.MULTILINE)
    assert named == [*WAYS, *CLIENTS]
