"""The tests of the services run against `echo_app`, not against the project."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from .application import Application, Serve


@pytest.fixture
def serve_echo(serve: Serve) -> Callable[..., Application]:
    return partial(
        serve, app="tests.services.echo_app:app", config=Path(__file__).with_name("echo_gunicorn.py")
    )


@pytest.fixture(scope="module")
def echo_server(serve_module: Serve) -> Application:
    config = Path(__file__).with_name("echo_gunicorn.py")
    return serve_module(app="tests.services.echo_app:app", config=config)
