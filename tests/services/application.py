"""The real server under the real gunicorn, on a free port, with the test's own settings: fixture `serve`."""

import http.client
import json
import signal
import ssl
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from .processes import ROOT, Daemon, clean_environment, free_port


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said to one HTTP request. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


class Application(Daemon):
    """One gunicorn master with its workers; its directory is the instance directory."""

    name = "application"

    def __init__(self, settings: Mapping[str, str], *, app: str, config: Path, health: str) -> None:
        super().__init__()
        self.port = int(settings.get("PORT") or free_port())
        self.settings = {"HOST": "127.0.0.1", "INSTANCE_PATH": str(self.directory), **settings}
        self.settings["PORT"] = str(self.port)
        self.health = health
        self._command = [sys.executable, "-m", "gunicorn", "-c", str(config), app]

    @property
    def url(self) -> str:
        scheme = "https" if self.settings.get("SSL_CERT_PATH") else "http"
        return f"{scheme}://127.0.0.1:{self.port}"

    def start(self, *, wait: bool = True) -> None:
        """Start, or start again with the same port, settings and instance directory."""
        environment = clean_environment(HOME=str(self.directory), TMPDIR=str(self.directory), **self.settings)
        self.launch(self._command, environment, cwd=ROOT)
        if wait:
            self.await_ready(self._healthy, timeout=30)

    def workers(self) -> list[int]:
        """Process ids of the workers that live now, oldest first."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return sorted(map(int, children.read_text().split()))

    def request(
        self,
        method: str,
        path: str,
        body: bytes | str | None = None,
        *,
        json_body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 10.0,
    ) -> Answer:
        """One HTTP request on a connection of its own."""
        headers = {"Connection": "close", **(headers or {})}
        if json_body is not None:
            body = json.dumps(json_body)
            headers.setdefault("Content-Type", "application/json")
        with closing(self._connection(timeout)) as connection:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, names, response.read())

    def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, json_body: Any, *, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request("POST", path, json_body=json_body, headers=headers)

    def expect_no_traceback(self) -> None:
        """An unforeseen exception in any worker, or a worker gunicorn had to shoot, fails the test."""
        log = self.log()
        for sign in ("Traceback (most recent call last)", "WORKER TIMEOUT"):
            if (at := log.find(sign)) >= 0:
                raise AssertionError(f"the server logged {sign!r}:\n{log[max(0, at - 500) : at + 6000]}")

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        if not self.url.startswith("https"):
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        anyone = ssl.create_default_context()
        anyone.check_hostname = False
        anyone.verify_mode = ssl.CERT_NONE  # the certificate is one the test made itself
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=anyone)

    def _healthy(self) -> bool:
        try:
            return self.get(self.health).status == 200
        except (OSError, http.client.HTTPException):
            return False


class Serve(Protocol):
    """Starts a server and returns it answering; it is stopped, and its log judged, after the test."""

    def __call__(
        self,
        settings: Mapping[str, str] | None = None,
        *,
        app: str = "wsgi:app",
        config: Path = ROOT / "gunicorn.conf.py",
        health: str = "/health",
        wait: bool = True,
        tracebacks: bool = False,
        **more: str,
    ) -> Application:
        """`settings` and arguments in capitals are the server's whole environment beside PATH and such.

        `wait=False` returns at once, for a server expected to refuse its settings; `tracebacks=True` is for
        the rare test that provokes one.
        """


def _serving() -> Iterator[Serve]:
    started: list[tuple[Application, bool]] = []

    def serve(
        settings: Mapping[str, str] | None = None,
        *,
        app: str = "wsgi:app",
        config: Path = ROOT / "gunicorn.conf.py",
        health: str = "/health",
        wait: bool = True,
        tracebacks: bool = False,
        **more: str,
    ) -> Application:
        application = Application({**(settings or {}), **more}, app=app, config=config, health=health)
        started.append((application, tracebacks))
        application.start(wait=wait)
        return application

    try:
        yield serve
        for application, tracebacks in started:
            if application.running:
                application.stop(signal.SIGTERM)
            if not tracebacks:
                application.expect_no_traceback()
    finally:
        for application, _ in started:
            application.remove()


# One generator, two lifetimes: a server per test by default, one per module where starting it is the cost.
serve: Callable[..., Any] = pytest.fixture(_serving, name="serve")
serve_module: Callable[..., Any] = pytest.fixture(_serving, scope="module", name="serve_module")
