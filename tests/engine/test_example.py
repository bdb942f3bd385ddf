"""The example is what its first line says, and `SocketIO.run` serves it too."""

import sys

from tests.services.processes import ROOT, Daemon, clean_environment, free_port, wait_until

from .conftest import HERE
from .wire import Client


def connects(port: int) -> bool:
    try:
        with Client(port) as client:
            client.join()
            return client.call("echo", "hello", 1) == ["hello", 1]
    except OSError:
        return False


def test_the_example_echoes_under_gunicorn(serve):
    server = serve(app="examples.echo:app", config=HERE / "gunicorn_settings.py", wait=False)
    wait_until(lambda: connects(server.port), "the example to answer", 20)
    with Client(server.port) as client:
        client.join()
        answer = server.request("POST", "/say", "hey")
        assert answer.json() == {"reached": 1, "connections": 1}
        assert client.event() == ["said", "hey"]


def test_run_serves_websockets_without_gunicorn():
    port, server = free_port(), Daemon()
    lines = [
        "from gevent import monkey; monkey.patch_all()",
        "from examples.echo import app, socketio",
        f"socketio.run(app, port={port})",
    ]
    try:
        server.launch([sys.executable, "-W", "error", "-c", "\n".join(lines)], clean_environment(), cwd=ROOT)
        server.await_ready(lambda: connects(port))
        assert server.log() == ""
    finally:
        server.remove()


def test_the_worker_brings_nothing_into_gunicorns_master_that_patching_would_break():
    code = "import sys, mechamap.engine.worker, mechamap.engine.slots; print('socketio' in sys.modules)"
    server = Daemon()
    try:
        server.launch([sys.executable, "-W", "error", "-c", code], clean_environment(), cwd=ROOT)
        wait_until(lambda: not server.running, "the import", 20)
        assert server.log() == "False\n"
    finally:
        server.remove()
