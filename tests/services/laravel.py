"""A real HTTP server in Laravel's place, answering call-backs as the test says: fixture `fake_laravel`."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from .processes import free_port


@dataclass(frozen=True, slots=True)
class Call:
    """One request Laravel received. Header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def form(self) -> dict[str, list[str]]:
        return parse_qs(self.body.decode(), keep_blank_values=True)


@dataclass(frozen=True, slots=True)
class Reply:
    """What Laravel answers: `body` is sent as it is if bytes, as text if str, as JSON otherwise."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def encoded(self) -> tuple[bytes, str]:
        if isinstance(self.body, bytes):
            return self.body, "application/octet-stream"
        if isinstance(self.body, str):
            return self.body.encode(), "text/html; charset=utf-8"
        return json.dumps(self.body).encode(), "application/json"


class FakeLaravel:
    """Routes are set per test; an unknown one answers 404 as Laravel's JSON error does."""

    def __init__(self) -> None:
        self.port = free_port()
        self.calls: list[Call] = []
        self._routes: dict[tuple[str, str], Callable[[Call], Reply]] = {}
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def route(self, method: str, path: str, reply: Reply | Callable[[Call], Reply]) -> None:
        """Answer `method path` with a Reply, or with what a function of the Call returns (it may sleep)."""
        self._routes[method, path] = reply if callable(reply) else lambda _: reply

    def start(self) -> None:
        laravel = self

        class Handler(BaseHTTPRequestHandler):
            # HTTP/1.0, the class's default: no connection is kept alive, so that `stop()` is final at once.

            def answer(self) -> None:
                address = urlsplit(self.path)
                call = Call(
                    method=self.command,
                    path=address.path,
                    query=parse_qs(address.query, keep_blank_values=True),
                    headers={name.lower(): value for name, value in self.headers.items()},
                    body=self.rfile.read(int(self.headers.get("Content-Length", 0))),
                )
                laravel.calls.append(call)
                route = laravel._routes.get((call.method, call.path))
                reply = route(call) if route else Reply(404, {"message": "Not Found"})
                body, content_type = reply.encoded()
                self.send_response(reply.status)
                for name, value in {"Content-Type": content_type, **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = answer

            def log_message(self, *_: Any) -> None:
                """Calls are kept in `calls`; nothing is printed."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *_: Any) -> None:
                """A caller that hung up before the answer is what some tests provoke."""

        self._server = Server(("127.0.0.1", self.port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Laravel is away: connections are refused until `start()`."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(5)
            self._server = None


@pytest.fixture
def fake_laravel() -> Iterator[FakeLaravel]:
    laravel = FakeLaravel()
    laravel.start()
    yield laravel
    laravel.stop()
