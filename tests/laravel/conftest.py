"""The server a site publishes to, the browser that listens, and a server that misbehaves as the test says."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest

from tests.services.application import Application, Serve
from tests.services.browser_client import BrowserClient

from .site import Site

KEY = secrets.token_urlsafe(48)
JWT_SECRET = secrets.token_urlsafe(48)


def token(user_id: int) -> str:
    """A token as Laravel's `/api/user/token` makes it."""
    now = int(time.time())
    return jwt.encode({"userId": user_id, "iat": now, "exp": now + 3600}, JWT_SECRET, algorithm="HS256")


@pytest.fixture(scope="module")
def server(serve_module: Serve) -> Application:
    return serve_module(WEBSOCKET_API_KEY=KEY, JWT_SECRET=JWT_SECRET)


@pytest.fixture
def site(server: Application) -> Site:
    return Site(server.url, KEY)


@pytest.fixture
def browser_of(
    server: Application, node_client: Callable[[], BrowserClient]
) -> Callable[[int], BrowserClient]:
    """Connects a browser signed in as the user of that id."""

    def connect(user_id: int) -> BrowserClient:
        return node_client().connect(server.url, auth={"token": token(user_id)})

    return connect


class ScriptedServer(ThreadingHTTPServer):
    """Answers POSTs with the scripted statuses, in order; a redirect leads to a page that says 200."""

    daemon_threads = True

    def __init__(self, statuses: list[int], delay: float = 0.0) -> None:
        self.requests: list[str] = []
        self.statuses = list(statuses)
        self.delay = delay
        super().__init__(("127.0.0.1", 0), _ScriptedAnswers)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _ScriptedAnswers(BaseHTTPRequestHandler):
    server: ScriptedServer

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(f"{self.command} {self.path}")
        time.sleep(self.server.delay)
        # One request more than scripted is answered as the last one; the test sees it in `requests`.
        self.answer(self.server.statuses.pop(0) if len(self.server.statuses) > 1 else self.server.statuses[0])

    def do_GET(self) -> None:
        self.server.requests.append(f"{self.command} {self.path}")
        self.answer(200)

    def answer(self, status: int) -> None:
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", f"{self.server.url}/welcome")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test looks at `requests`."""


@pytest.fixture
def scripted() -> Iterator[Callable[..., ScriptedServer]]:
    """Starts a ScriptedServer; it is gone after the test."""
    started: list[ScriptedServer] = []

    def start(*statuses: int, delay: float = 0.0) -> ScriptedServer:
        server = ScriptedServer(list(statuses), delay)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.shutdown()
        server.server_close()
