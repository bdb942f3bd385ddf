"""Fixtures: the engine's test application behind the real worker."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.services.application import Application
from tests.services.processes import wait_until

from .wire import Client, anyone

HERE = Path(__file__).parent
QUICK = {
    "ping_interval": 0.5,
    "ping_timeout": 1.0,
    "connect_timeout": 1.5,
    "close_timeout": 0.5,
    "handler_grace": 1.0,
    "max_http_buffer_size": 20_000,
    "max_queue_bytes": 300_000,
    "cors_allowed_origins": ["http://good.test"],
}


class Engine:
    """The test application, running."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.port = application.port
        self.url = application.url

    def state(self) -> dict[str, Any]:
        return self.application.get("/state").json()

    def post(self, path: str, body: object = None) -> dict[str, Any]:
        return self.application.post(path, body).json()

    def client(self, **options: Any) -> Client:
        if self.url.startswith("https"):
            options["tls"] = anyone()
        return Client(self.port, **options)

    def happened(self, kind: str, sid: str) -> list[str]:
        """The reasons recorded for a socket."""
        return [reason for what, who, reason in self.state()["happened"] if (what, who) == (kind, sid)]

    def until(
        self, true: Callable[[dict[str, Any]], object], what: str, timeout: float = 5.0
    ) -> dict[str, Any]:
        state: dict[str, Any] = {}

        def look() -> object:
            state.update(self.state())
            return true(state)

        wait_until(look, what, timeout)
        return state


def start(serve, options: dict | None = None, **settings: str) -> Engine:
    """Start the test application with `serve`; `options` are SocketIO's."""
    application = serve(
        {"ENGINE": json.dumps({**QUICK, **(options or {})}), **settings},
        app="tests.engine.application:app",
        config=HERE / "gunicorn_settings.py",
        tracebacks=True,
    )
    engine = Engine(application)
    with engine.client():  # the clock starts with the first session; what is counted later has it in
        pass
    return engine


@pytest.fixture(scope="module")
def engine(serve_module) -> Engine:
    """One server for the tests of a module: short pings, small limits."""
    return start(serve_module)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> dict[str, str]:
    """As gunicorn is told of it."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
        + ["-keyout", str(key), "-out", str(cert)],
        check=True,
        capture_output=True,
    )
    return {"certfile": str(cert), "keyfile": str(key)}


@pytest.fixture(scope="module")
def secure(serve_module, certificate) -> Engine:
    """One server over TLS."""
    return start(serve_module, GUNICORN=json.dumps(certificate), SSL_CERT_PATH=certificate["certfile"])
