"""A private Redis that keeps its data across a restart: fixture `redis_server`, empty as each test starts."""

import signal
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import redis

from .processes import Daemon, clean_environment, free_port, program


class RedisServer(Daemon):
    """On 127.0.0.1 and on a unix socket. A write is on disk before it is answered (AOF, fsync always)."""

    name = "redis"

    def __init__(self, *options: str, environment: Mapping[str, str] | None = None) -> None:
        """``options`` of the command line and the ``environment``: more of them for redis-server."""
        super().__init__()
        self.port = free_port()
        self.options = options
        self.environment = clean_environment(**(environment or {}))
        self.socket = self.directory / "redis.sock"
        self._clients: list[redis.Redis] = []

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def unix_url(self) -> str:
        return f"unix://{self.socket}?db=0"

    def start(self) -> None:
        """Start, or start again with the data it had, on the same port."""
        command = [
            *(program("redis-server"), "--bind", "127.0.0.1", "--port", str(self.port)),
            *("--unixsocket", self.socket, "--dir", self.directory),
            *("--save", "", "--appendonly", "yes", "--appendfsync", "always"),
            *self.options,
        ]
        self.launch(command, self.environment)
        self.await_ready(self._answers)

    def stop(self, sig: int = signal.SIGTERM, timeout: float = 10.0) -> int:
        return super().stop(sig, timeout)

    def client(self, **options: Any) -> redis.Redis:
        """A new client that fails at once when the server is away; closed for you after the test."""
        options = {"socket_connect_timeout": 2, "socket_timeout": 5, "decode_responses": True, **options}
        client = redis.Redis.from_url(self.url, retry=None, **options)
        self._clients.append(client)
        return client

    def make_fresh(self) -> None:
        """Running, not paused, empty, no client of an earlier test left."""
        self.close_clients()
        if self.running:
            self.resume()
        else:
            self.start()
        client = self.client()
        client.flushall()
        client.function_flush()

    def close_clients(self) -> None:
        for client in self._clients:
            client.close()
        self._clients.clear()

    def _answers(self) -> bool:
        client = redis.Redis.from_url(self.url, retry=None, socket_connect_timeout=1, socket_timeout=1)
        try:
            return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):
            return False
        finally:
            client.close()


def _running() -> Iterator[RedisServer]:
    server = RedisServer()
    try:
        server.start()
        yield server
    finally:
        server.close_clients()
        server.remove()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One Redis for the run; a test that uses it finds it running and empty (see `_fresh_redis`)."""
    yield from _running()


@pytest.fixture(scope="module")
def lasting_redis() -> Iterator[RedisServer]:
    """One that lives as long as the servers that a module shares, and keeps what they keep there."""
    yield from _running()


@pytest.fixture(autouse=True)
def _fresh_redis(request: pytest.FixtureRequest) -> Iterator[None]:
    if "redis_server" not in request.fixturenames:
        yield
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    server.make_fresh()
    yield
    server.close_clients()
