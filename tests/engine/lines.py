"""Connections to one chosen worker of several: what tests of affinity are made of."""

import http.client
import json
import os
import signal
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.services.processes import wait_until

from .conftest import Engine, start
from .wire import TEXT, frame, handshake

PATH = "/socket.io/?EIO=4&transport=polling"
QUIET = {"ping_interval": 20, "ping_timeout": 20, "connect_timeout": 20}


def several(serve, number: int, options: dict | None = None, gunicorn: dict | None = None, **more) -> Engine:
    """The test application with several workers, all of them listening."""
    options = {**QUIET, **(options or {})}
    engine = start(serve, options, WORKERS=str(number), GUNICORN=json.dumps(gunicorn or {}), **more)
    wait_until(lambda: all_listen(engine, number), "all workers")
    return engine


def all_listen(engine: Engine, number: int) -> bool:
    """Whether there are so many workers that take connections from each other."""
    listening = 0
    for door in folder_of(engine).iterdir():
        with socket.socket(socket.AF_UNIX) as probe:
            listening += probe.connect_ex(str(door)) == 0
    return listening == number


def folder_of(engine: Engine) -> Path:
    [folder] = engine.application.directory.glob("realtime-*")
    return folder


@contextmanager
def alone(engine: Engine, worker: int) -> Iterator[None]:
    """Freeze all workers but one: what connects now is accepted by this one."""
    others = [pid for pid in engine.application.workers() if pid != worker]
    for pid in others:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in others:
            os.kill(pid, signal.SIGCONT)


class Line:
    """A connection that one chosen worker has accepted, and that stays open from request to request."""

    def __init__(self, engine: Engine, worker: int, tls: ssl.SSLContext | None = None) -> None:
        port = engine.port
        self.http = (
            http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=tls)
            if tls
            else http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        )
        with alone(engine, worker):
            assert self.json("/health")["pid"] == worker
        self.sock = self.http.sock

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *exception: object) -> None:
        self.http.close()

    def request(self, method: str, path: str, body=None, **headers: str) -> tuple[int, str]:
        self.http.request(method, path, body, headers)
        return self.read()

    def read(self) -> tuple[int, str]:
        answer = self.http.getresponse()
        return answer.status, answer.read().decode()

    def get(self, path: str) -> tuple[int, str]:
        return self.request("GET", path)

    def json(self, path: str) -> dict:
        return json.loads(self.get(path)[1])

    def open(self) -> str:
        """A new session; the path of its requests. It is in this line's worker."""
        status, body = self.get(PATH)
        assert status == 200
        return f"{PATH}&sid={json.loads(body[1:])['sid']}"

    def join(self, path: str) -> None:
        assert self.request("POST", path, b"40") == (200, "ok")
        body = ""
        while '42["hello"]' not in body:
            status, more = self.get(path)
            assert status == 200
            body += more
        assert body.startswith("40{")


@contextmanager
def lines(engine: Engine, **options) -> Iterator[list[Line]]:
    """One line to each worker."""
    with ExitStack() as held:
        yield [held.enter_context(Line(engine, pid, **options)) for pid in engine.application.workers()]


def own(engine: Engine, worker: int, **options) -> str:
    with Line(engine, worker, **options) as line:
        return line.open()


def read_until_close(sock: socket.socket) -> bytes:
    data = b""
    try:
        while more := sock.recv(65_536):
            data += more
    except ConnectionResetError:
        pass
    return data


def read_until(sock: socket.socket, end: bytes) -> bytes:
    data = b""
    while end not in data:
        more = sock.recv(65_536)
        assert more, data
        data += more
    return data


def upgrade(line: Line, path: str) -> None:
    """All of an upgrade up to its probe in one write, as a hasty client may send it."""
    target = path.replace("polling", "websocket")
    line.sock.sendall(handshake(target) + frame(TEXT, b"2probe"))
    assert read_until(line.sock, b"3probe").startswith(b"HTTP/1.1 101 ")
    line.sock.sendall(frame(TEXT, b"5"))


def cost(engine: Engine, **options) -> dict[int, tuple[int, int]]:
    """Descriptors and greenlets of each worker."""
    found = {}
    for pid in engine.application.workers():
        with Line(engine, pid, **options) as line:
            state = line.json("/state")
            found[pid] = (state["descriptors"], state["greenlets"])
    return found


def no_dearer(engine: Engine, before: dict[int, tuple[int, int]], **options) -> bool:
    """Whether no worker holds more than it did."""
    now = cost(engine, **options)
    return all(now[pid][0] <= before[pid][0] and now[pid][1] <= before[pid][1] for pid in before)
