"""The whole application in this process, without a server in front of it."""

from collections.abc import Iterator

import pytest
from flask import Flask

from mechamap import create_app
from mechamap.settings import load

KEY = "lane-key-lane-key-lane-key-lane-key"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    instance = tmp_path_factory.mktemp("instance")
    app = create_app(load({"INSTANCE_PATH": str(instance), "WEBSOCKET_API_KEY": KEY, "LOG_LEVEL": "ERROR"}))
    runtime = app.extensions["mechamap"].runtime
    runtime.start()
    runtime.broker._recent._offset = 1_000_000  # so that every answer's offset has as many digits
    yield app
    runtime.stop()
