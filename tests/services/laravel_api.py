"""Laravel's side of HTTP, small and real, and as hostile as a test wants: fixture `laravel_api`."""

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qsl, urlsplit

import gevent
import pytest
from gevent.pool import Pool
from gevent.server import StreamServer


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. Header names are in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict:
        return json.loads(self.body)

    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode()))


Behaviour = Callable[[socket.socket, Asked], None]


def says(
    body: object = b"", status: int = 200, content_type: str = "application/json", **headers: str
) -> Behaviour:
    """An ordinary answer; what is not bytes becomes JSON. Headers are named with `_` for `-`."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [
        f"HTTP/1.1 {status} Whatever",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(content)}",
    ]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    message = "\r\n".join(lines).encode() + b"\r\n\r\n" + content
    return lambda connection, asked: connection.sendall(message)


HTML = says(b"<!DOCTYPE html><title>Login</title>", content_type="text/html; charset=UTF-8")
REDIRECT = says(b"<p>Redirecting", 302, "text/html", Location="/login")
HUGE = says(b'{"user":"' + b"x" * 200_000 + b'"}')


def garbage(connection: socket.socket, asked: Asked) -> None:
    connection.sendall(b"\x00\xff not HTTP at all \r\n\r\n")


def hangs(connection: socket.socket, asked: Asked) -> None:
    gevent.sleep(60)


def drips(connection: socket.socket, asked: Asked) -> None:
    """Never silent for long, never done."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(600):
        connection.sendall(b" ")
        gevent.sleep(0.1)


def breaks_off(connection: socket.socket, asked: Asked) -> None:
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"user":')
    connection.shutdown(socket.SHUT_RDWR)


def hangs_up(connection: socket.socket, asked: Asked) -> None:
    connection.shutdown(socket.SHUT_RDWR)


@dataclass
class LaravelApi:
    """A server in the test's own process. ``behaviour`` may be changed at any time; what has a route of its
    own is answered by that."""

    behaviour: Behaviour = field(default_factory=lambda: says({"message": "Not Found"}, 404))
    asked: list[Asked] = field(default_factory=list)
    _routes: dict[tuple[str, str], Behaviour] = field(default_factory=dict)
    _port: int = 0
    _server: StreamServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def route(self, method: str, path: str, behaviour: Behaviour) -> None:
        self._routes[method, path] = behaviour

    def start(self) -> None:
        """Listen; after a `stop` at the same address again."""
        self._server = StreamServer(("127.0.0.1", self._port), self._serve, spawn=Pool())
        self._server.start()
        self._port = self._server.server_port

    def stop(self) -> None:
        """Refuse connections, and cut those there are."""
        self._server.stop(timeout=0)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _serve(self, connection: socket.socket, address: object) -> None:
        try:
            with connection, connection.makefile("rb") as stream:
                while asked := _read(stream):
                    self.asked.append(asked)
                    behaviour = self._routes.get((asked.method, asked.path), self.behaviour)
                    behaviour(connection, asked)
        except OSError:
            pass  # the client had enough


def _read(stream) -> Asked | None:
    first = stream.readline().decode("latin-1").split()
    if len(first) != 3:
        return None
    method, target, _ = first
    url = urlsplit(target)
    headers = {}
    while line := stream.readline().decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", 0)))
    return Asked(method, url.path, dict(parse_qsl(url.query)), headers, body)


@pytest.fixture
def laravel_api() -> Iterator[LaravelApi]:
    with LaravelApi() as laravel:
        yield laravel
