"""An application that only writes down the requests nginx makes to it: fixture `start_upstream`."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it left nginx. Header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]


class Upstream(ThreadingHTTPServer):
    """Answers 200 to everything."""

    daemon_threads = True

    def __init__(self) -> None:
        self.received: list[Received] = []
        super().__init__(("127.0.0.1", 0), _Answers)

    @property
    def port(self) -> int:
        return self.server_port

    @property
    def only(self) -> Received:
        [one] = self.received
        return one


class _Answers(BaseHTTPRequestHandler):
    server: Upstream
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.received.append(Received(self.command, self.path, headers))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test looks at `received`."""


@pytest.fixture
def start_upstream() -> Iterator[Callable[[], Upstream]]:
    """Starts an Upstream; all are gone after the test."""
    started: list[Upstream] = []

    def start() -> Upstream:
        upstream = Upstream()
        threading.Thread(target=upstream.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        started.append(upstream)
        return upstream

    yield start
    for upstream in started:
        upstream.shutdown()
        upstream.server_close()
