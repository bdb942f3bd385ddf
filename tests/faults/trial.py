"""One run: publishers and clients at work on a real cluster while something is done to it, and its history.

The cluster is several workers behind one port, and one Redis that they reach through ``Proxy``.
"""

import http.client
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import gevent

from mechamap.domain.history import Position
from tests.integration.conftest import KEY, plan_database, settings
from tests.services.application import Application
from tests.services.browser_client import BrowserClient
from tests.services.processes import wait_until
from tests.services.redis import RedisServer

from .clients import EVENT, StockClient, Wanderer
from .histories import Attempt, History, Outcome
from .proxy import Proxy

PEOPLE = (1, 2, 3, 4)
"""Users of the plan's database who may be in every channel below."""
CHANNELS = ("public.a", "public.b", "forum.1")
TRANSPORTS = (["polling"], ["websocket"], ["polling", "websocket"])
"""Of the stock clients, in turn."""
SETTLE = 20.0
"""Seconds after the last publication in which everybody must have everything."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much goes on.

    Attributes:
        cheap, stock: clients of each kind.
        publishers: each publishes ``rate`` events a second, one after the other.
        length: multiplies the times of a scenario.
    """

    cheap: int = 10
    stock: int = 3
    publishers: int = 3
    rate: float = 20.0
    length: float = 1.0


@dataclass(slots=True)
class Cluster:
    """What things are done to."""

    server: Application
    redis: RedisServer
    proxy: Proxy

    def busiest(self) -> int:
        """The process id of the worker with most descriptors: no other is sure to have a client."""
        return max(self.server.workers(), key=lambda pid: len(os.listdir(f"/proc/{pid}/fd")))

    def whole(self) -> None:
        """Wait until every worker is there and ready for the next run."""
        number = int(self.server.settings["WEB_CONCURRENCY"])
        wait_until(lambda: len(self.server.workers()) == number, "all workers", 30)
        for _ in range(2 * number):
            wait_until(self._ready, "a ready server", 30)

    def _ready(self) -> bool:
        try:
            return self.server.get("/health/ready").status == 200
        except (OSError, http.client.HTTPException):
            return False


@contextmanager
def cluster(
    start: Callable[[Mapping[str, str]], Application],
    directory: Path,
    *options: str,
    workers: int = 2,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Cluster]:
    """A cluster with a Redis of its own. ``environment``: more of that of Redis."""
    redis = RedisServer(*options, environment=environment)
    proxy = Proxy(redis.port)
    try:
        redis.start()
        server = start(
            settings(
                REDIS_URL=f"redis://127.0.0.1:{proxy.port}/0",
                WEB_CONCURRENCY=str(workers),
                WS_PING_INTERVAL="1000",
                WS_PING_TIMEOUT="1000",
                RATE_LIMITS="off",
                LARAVEL_DATABASE_URL=plan_database(directory / "laravel.sqlite"),
            )
        )
        yield Cluster(server, redis, proxy)
    finally:
        proxy.stop()
        redis.close_clients()
        redis.remove()


class Publisher:
    """Publishes one event after the other, each to any of the channels, and keeps what it was answered."""

    def __init__(self, server: Application, name: str, channels: list[str], rate: float, seed: str) -> None:
        self.attempts: list[Attempt] = []
        self.padding = 0
        self._server = server
        self._name = name
        self._channels = channels
        self._pause = 1 / rate
        self._dice = random.Random(seed)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(15)

    def _run(self) -> None:
        while not self._stopping.wait(self._pause * self._dice.uniform(0.5, 1.5)):
            key, channel = (self._name, len(self.attempts)), self._dice.choice(self._channels)
            self.attempts.append(attempt(self._server, key, channel, self.padding))


def attempt(server: Application, key: tuple[str, int], channel: str, padding: int = 0) -> Attempt:
    """Publish one event, of about ``padding`` bytes; what came of it."""
    data = {"key": key, "channel": channel, "padding": "x" * padding}
    body = {"channel": channel, "event": EVENT, "data": data}
    began, answer = time.monotonic(), None
    outcome = Outcome.UNSURE
    try:
        answer = server.post("/api/broadcast", body, headers={"Authorization": f"Bearer {KEY}"})
        if answer.status == 200:
            outcome = Outcome.ACCEPTED
        elif answer.status < 500:
            outcome = Outcome.REFUSED
    except (OSError, http.client.HTTPException):
        pass
    ended = time.monotonic()
    if outcome is not Outcome.ACCEPTED:
        return Attempt(key, channel, began, ended, outcome)
    said = answer.json()
    epoch, offset = said.get("epoch"), said.get("offset")
    position = Position(epoch, offset) if epoch is not None and offset is not None else None
    return Attempt(key, channel, began, ended, outcome, said.get("id"), position)


class Trial:
    """Clients in their channels and publishers at work, from the beginning of the ``with`` to its end;
    ``history`` is complete behind it."""

    def __init__(
        self, cluster: Cluster, browser: Callable[[], BrowserClient], seed: str, scale: Scale = Scale()
    ) -> None:
        self.cluster = cluster
        self.scale = scale
        self.dice = random.Random(seed)
        self.history = History()
        self._seed = seed
        self._browser = browser
        self.cheap: list[Wanderer] = []
        self.stock: list[StockClient] = []
        self._publishers: list[Publisher] = []

    def __enter__(self) -> "Trial":
        try:
            self._begin()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: object, *exception: object) -> None:
        try:
            if kind is None:
                self._settle()
        finally:
            self._end()

    def go_on(self, seconds: float) -> None:
        """Let it run."""
        gevent.sleep(seconds * self.scale.length)

    def pad(self, size: int) -> None:
        """From now on events are of about ``size`` bytes."""
        for publisher in self._publishers:
            publisher.padding = size

    def for_a_while(self, seconds: float) -> float:
        """So many seconds, in this scale."""
        return seconds * self.scale.length

    def _begin(self) -> None:
        server, dice, scale = self.cluster.server, self.dice, self.scale
        for number in range(scale.cheap):
            user, some = PEOPLE[number % len(PEOPLE)], self._some_channels()
            seed = f"{self._seed} {number}"
            self.cheap.append(Wanderer(server.port, user, some, f"cheap-{number}", seed))
            if number % 50 == 49:
                gevent.sleep(0.05)
        for number in range(scale.stock):
            user, some = PEOPLE[number % len(PEOPLE)], self._some_channels()
            transports = TRANSPORTS[number % len(TRANSPORTS)]
            name = f"stock-{number} ({'+'.join(transports)})"
            self.stock.append(StockClient(self._browser, server.url, user, some, name, transports))
        wait_until(self._ready, "all clients to be in their channels", 30)
        channels = [*CHANNELS, *(f"private-user.{user}" for user in PEOPLE)]
        self._publishers = [
            Publisher(server, f"p{number}", channels, scale.rate, f"{self._seed} p{number}")
            for number in range(scale.publishers)
        ]
        dice.shuffle(self.cheap)

    def _some_channels(self) -> tuple[str, ...]:
        return tuple(self.dice.sample(CHANNELS, self.dice.randint(1, len(CHANNELS))))

    def _ready(self) -> bool:
        return all(client.ready for client in (*self.cheap, *self.stock))

    def _settle(self) -> None:
        """Stop publishing and wait until everybody is back and has the last event of each channel."""
        for publisher in self._publishers:
            publisher.stop()
        end = time.monotonic() + SETTLE
        while not self._ready() and time.monotonic() < end:
            gevent.sleep(0.05)
        last: dict[str, tuple[str, int]] = {}
        for channel in (*CHANNELS, *(f"private-user.{user}" for user in PEOPLE)):
            while time.monotonic() < end:
                made = attempt(self.cluster.server, ("end", len(self.history.attempts)), channel)
                self.history.attempts.append(made)
                if made.outcome is Outcome.ACCEPTED:
                    last[channel] = made.key
                    break
                gevent.sleep(0.1)
        while time.monotonic() < end and not self._have(last):
            gevent.sleep(0.05)
        gevent.sleep(0.2)  # whatever comes twice has come by then

    def _have(self, last: Mapping[str, tuple[str, int]]) -> bool:
        for client in self.cheap:
            newest = {entry.key for entry in client.log.entries[-20:] if hasattr(entry, "key")}
            if not newest >= {last[channel] for channel in client.log.channels if channel in last}:
                return False
        return all(
            client.received() >= {last[channel] for channel in client.log.channels if channel in last}
            for client in self.stock
        )

    def _end(self) -> None:
        for publisher in self._publishers:
            publisher.stop()
            self.history.attempts.extend(publisher.attempts)
        for client in (*self.cheap, *self.stock):
            client.stop()
            self.history.logs.append(client.log)


def hang_up(pid: int) -> None:
    """A rolling restart of the workers of a gunicorn."""
    os.kill(pid, signal.SIGHUP)
