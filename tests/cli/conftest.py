"""A server on the demonstration's data, and terminals beside it."""

import logging
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager

import pytest

from mechamap import create_app
from mechamap.settings import load
from tests.services.application import Application
from tests.services.browser_client import BrowserClient
from tests.services.processes import ROOT, private_directory, wait_until

from .terminal import Runner, Terminal

KEY = "command-line-test-key-command-line-test-key"


def settings_in(directory: str, **more: str) -> dict[str, str]:
    """Everything an application needs to start in a folder of its own."""
    return {
        "INSTANCE_PATH": directory,
        "HOST": "127.0.0.1",
        "WEBSOCKET_API_KEY": KEY,
        "LOG_LEVEL": "WARNING",
        # tests ask again and again until a change arrives
        "RATE_LIMITS": "off",
        **more,
    }


@contextmanager
def running_here(settings: Mapping[str, str]) -> Iterator[Runner]:
    """The commands of an application with these settings, in this process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    app = create_app(load(settings))
    # the application's own handler would write to a stream that pytest closes after this test
    root.handlers[:], root.level = handlers, level
    try:
        yield Runner(app)
    finally:
        app.extensions["mechamap"].databases.close()


@pytest.fixture(scope="package")
def server() -> Iterator[Application]:
    """Without Redis: only the server's own door shows its connections. One for all, as starting it costs."""
    directory = private_directory("cli")
    settings = settings_in(str(directory))
    with running_here(settings) as runner:
        runner.flask("db", "upgrade").succeeded()
        runner.flask("demo", "seed").succeeded()
    application = Application(settings, app="wsgi:app", config=ROOT / "gunicorn.conf.py", health="/health")
    try:
        application.start()
        yield application
        application.stop()
        application.expect_no_traceback()
    finally:
        application.remove()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="package")
def here(server: Application) -> Iterator[Runner]:
    """Commands beside the running server, in this process."""
    with running_here(server.settings) as runner:
        yield runner


@pytest.fixture(scope="package")
def terminal(server: Application) -> Terminal:
    """Commands beside the running server, each a process of its own."""
    return Terminal(server.settings)


@pytest.fixture(scope="package")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    """Commands of an installation whose server does not run, and whose tables were never made."""
    with running_here(settings_in(str(tmp_path_factory.mktemp("alone")), PORT="9")) as runner:
        yield runner


@pytest.fixture
def browser(
    server: Application, here: Runner, node_client: Callable[[], BrowserClient]
) -> Callable[[int], BrowserClient]:
    """Connects a browser as a demo user."""

    def connect(user_id: int) -> BrowserClient:
        token = here.flask("tokens", "issue", str(user_id)).succeeded().out.strip()
        # without a polling phase: a kick in the middle of its upgrade is another test's business
        client = node_client().connect(server.url, auth={"token": token}, transports=["websocket"])
        client.wait_for("connected")
        return client

    return connect


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], None]:
    """Waits until something is true."""
    return lambda true: wait_until(true, "it to come true", 10)


@pytest.fixture
def rows(server: Application) -> Callable[[str], list[tuple]]:
    """Rows of the server's own database."""

    def select(sql: str) -> list[tuple]:
        with closing(sqlite3.connect(f"{server.settings['INSTANCE_PATH']}/mechamap.sqlite")) as database:
            return database.execute(sql).fetchall()

    return select
