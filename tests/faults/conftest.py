"""Fixtures: the engine's test application with short deadlines, and what it holds when nobody is there."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import gevent
import pytest

from tests.engine.conftest import Engine, start
from tests.services.processes import wait_until

HERE = Path(__file__).parent
QUICK = {"ping_interval": 0.3, "ping_timeout": 0.5, "connect_timeout": 0.6, "close_timeout": 0.3}
IMPATIENT = {"WORKER": "tests.engine.impatient.ImpatientWorker"}


class Holding:
    """What the one worker holds now: descriptors, greenlets, sessions, memory."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        [self.pid] = engine.application.workers()
        self.idle = engine.until(lambda s: s["sessions"] == 0, "an idle server", 10)
        self.memory = self.resident()

    def resident(self) -> int:
        """Resident bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def gone(self, timeout: float, *, sessions: int = 0) -> None:
        """Wait until nothing is left beyond `sessions`; fail when it takes longer than `timeout` seconds.

        The one who publishes to them may be having a request under way.
        """

        def nothing(state: dict) -> bool:
            return (
                state["sessions"] == sessions
                and state["environs"] <= sessions
                and state["members"] <= sessions
                and state["greenlets"] <= self.idle["greenlets"] + sessions
                and state["descriptors"] <= self.idle["descriptors"] + 2 * sessions
            )

        state = self.engine.until(nothing, "everything to be gone", timeout)
        assert state["queued_bytes"] < 10_000

    def grown(self) -> int:
        """Bytes of memory more than at the start."""
        return self.resident() - self.memory


class Neighbour:
    """An honest client that gets numbered events all the while, and knows whether each came, in order."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.client = engine.client(timeout=20)
        self.client.join()
        self.client.event()
        self.sent = 0
        self.seen: list[int] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._publish, self._read)]
        for thread in self._threads:
            thread.start()

    def _publish(self) -> None:
        while not self._stop.wait(0.01):
            order = {"rooms": ["everyone"], "event": "n", "args": [self.sent]}
            assert self.engine.post("/deliver", order)["reached"] >= 1
            self.sent += 1

    def _read(self) -> None:
        with suppress(OSError, EOFError):
            while True:
                name, *arguments = self.client.event()
                if name == "n":
                    self.seen.append(arguments[0])

    def check(self) -> None:
        """Stop after a few more, and hold what came against what was sent."""
        enough = self.sent + 10
        wait_until(lambda: self.sent >= enough, "more events to be accepted", 5)
        self._stop.set()
        self._threads[0].join(10)
        with gevent.Timeout(10, False):
            while len(self.seen) < self.sent:
                gevent.sleep(0.02)
        self.client.sock.close()
        self._threads[1].join(10)
        assert self.seen == list(range(self.sent))


@pytest.fixture(scope="module")
def engine(serve_module) -> Engine:
    return start(serve_module, {**QUICK, "cors_allowed_origins": []}, **IMPATIENT)


@pytest.fixture
def holding(engine) -> Holding:
    return Holding(engine)


@pytest.fixture
def neighbour(engine, holding) -> Iterator[Neighbour]:
    """Checked at the end of the test, whatever else the test looks at."""
    made = Neighbour(engine)
    try:
        yield made
        made.check()
    finally:
        made._stop.set()
        made.client.sock.close()


def vanish(sock: socket.socket) -> None:
    """Close without a word: the peer gets a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def together(number: int, work: Callable[[int], object]) -> list:
    """`work(0)` … `work(number - 1)` at the same time; their results."""
    running = [gevent.spawn(work, n) for n in range(number)]
    gevent.joinall(running, raise_error=True)
    return [greenlet.value for greenlet in running]


@contextmanager
def tcp(engine: Engine, timeout: float = 5.0) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", engine.port), timeout=timeout) as sock:
        yield sock
