"""Workers of every kind of broker and roster, stopped after the test."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from mechamap.broker.memory import MemoryBroker
from mechamap.broker.redis import RedisBroker
from mechamap.domain.history import Bounds
from mechamap.domain.members import Announcement
from mechamap.presence.memory import MemoryRoster
from mechamap.presence.memory_members import MemoryMembers
from mechamap.presence.protocol import WorkerRecord
from mechamap.presence.redis import RedisRoster
from mechamap.presence.redis_members import RedisMembers
from tests.contract.recorder import Recorder
from tests.services.processes import ROOT, clean_environment, wait_until
from tests.services.redis import RedisServer

LEASE = 1.5
"""Seconds instead of ten, so that a test sees it end."""
GRACE = 0.5
"""Seconds in which members may return in a test."""


@dataclass(slots=True)
class Worker:
    """A started broker and what it delivered."""

    broker: Any
    got: Recorder

    def heard(self, *events: str) -> None:
        """Wait until exactly these events have arrived, in this order."""
        wait_until(lambda: len(self.got.events) >= len(events), f"{events}; got {self.got.events}", 3)
        assert self.got.events == list(events)


Hire = Callable[..., Worker]


@pytest.fixture
def redis_worker(redis_server: RedisServer) -> Iterator[Hire]:
    """Start another worker on the test's Redis; it is connected when the call returns."""
    numbers, hired = count(1), []

    def hire(worker_id: str | None = None, **options: Any) -> Worker:
        broker = RedisBroker(
            redis_server.url, worker_id or f"w{next(numbers)}", **{"lease": LEASE, **options}
        )
        worker = Worker(broker, Recorder())
        hired.append(broker)
        broker.start(worker.got)
        wait_until(lambda: broker.state().ok, "the broker to connect", 3)
        return worker

    yield hire
    if redis_server.running:
        redis_server.resume()  # stopping would wait for a paused one
    for broker in hired:
        broker.stop()


@pytest.fixture
def process(redis_server: RedisServer) -> Iterator[subprocess.Popen]:
    """A worker in its own process, unpatched, with two subscribers of ``public:news`` and one connection."""
    command = [sys.executable, "-m", "tests.contract.worker", redis_server.url, "apart", str(LEASE)]
    child = subprocess.Popen(
        [*command, "public:news", "public:news"],
        cwd=ROOT,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout.readline() == "ready\n"
        yield child
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


@pytest.fixture(params=["memory", "redis"])
def bounded(request: pytest.FixtureRequest, redis_worker: Hire) -> Iterator[Hire]:
    """Start one worker of each kind of broker, with ``bounds`` of its logs."""
    if request.param == "redis":
        yield redis_worker
        return
    hired = []

    def hire(bounds: Bounds | None = None, **options: Any) -> Worker:
        worker = Worker(MemoryBroker(bounds, **options), Recorder())
        hired.append(worker.broker)
        worker.broker.start(worker.got)
        return worker

    yield hire
    for broker in hired:
        broker.stop()


@pytest.fixture
def worker(bounded: Hire) -> Worker:
    """One worker of each kind of broker."""
    return bounded()


@pytest.fixture
def outsider(redis_server: RedisServer) -> Iterator[RedisBroker]:
    """A broker that was never started, as a command line has it."""
    broker = RedisBroker(redis_server.url, "cli")
    yield broker
    broker.stop()


def calls(server: RedisServer, command: str) -> int:
    """How often Redis carried the command out."""
    found = server.client().info("commandstats").get(f"cmdstat_{command}")
    return found["calls"] if found else 0


def describe(worker_id: str, slot: int = 1) -> WorkerRecord:
    return WorkerRecord(worker_id, slot, 4711, "host", 1000.0, 3, 50_000_000)


@pytest.fixture
def redis_roster(redis_server: RedisServer) -> Iterator[Callable[..., RedisRoster]]:
    """Start another worker's roster on the test's Redis; ``started=False`` for one that only reads."""
    made = []

    def make(worker_id: str, *, slot: int = 1, started: bool = True) -> RedisRoster:
        roster = RedisRoster(redis_server.url, worker_id, lease=LEASE)
        made.append(roster)
        if started:
            roster.start(lambda: describe(worker_id, slot))
        return roster

    yield make
    if redis_server.running:
        redis_server.resume()
    for roster in made:
        roster.stop()


@pytest.fixture(params=["memory", "redis"])
def roster(request, redis_roster):
    """One worker's started roster of each kind."""
    if request.param == "redis":
        yield redis_roster("a")
        return
    started = MemoryRoster("a")
    started.start(lambda: describe("a"))
    yield started
    started.stop()


@dataclass(slots=True)
class Place:
    """One worker's members and what they announced, here or together with other workers."""

    members: Any
    said: list[Announcement]
    ids: list[str]

    def told(self) -> list[tuple[str, str, int]]:
        """Every announcement so far: the event's last word, channel, user."""
        return [(a.change.partition(":")[2], a.channel, a.member.user_id) for a in self.said]


@pytest.fixture
def redis_members(redis_server: RedisServer) -> Iterator[Callable[..., Place]]:
    """Start another worker's members on the test's Redis; all announce into one list, as a broker would."""
    made, said, ids = [], [], []

    def announce(some) -> int:
        said.extend(some)
        ids.extend(each.id for each in some)
        return len(some)

    def make(worker_id: str = "a", *, grace: float = GRACE, started: bool = True, announce=announce) -> Place:
        members = RedisMembers(redis_server.url, worker_id, grace, lease=LEASE)
        made.append(members)
        if started:
            members.start(announce)
        return Place(members, said, ids)

    yield make
    if redis_server.running:
        redis_server.resume()
    for members in made:
        members.stop()


@pytest.fixture(params=["memory", "redis"])
def place(request: pytest.FixtureRequest, redis_members: Callable[..., Place]) -> Iterator[Place]:
    """One worker's started members of each kind."""
    if request.param == "redis":
        yield redis_members()
        return
    said: list[Announcement] = []

    def announce(some) -> int:
        said.extend(some)
        return len(some)

    members = MemoryMembers(GRACE)
    members.start(announce)
    yield Place(members, said, [])
    members.stop()
