"""The works that need Redis: two workers, and what Laravel publishes there itself."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from load import Load, load
from processes import cpu
from servers import INGEST_PREFIX
from works import DATA, ROOM, USERS, Run

LARAVEL = "{" + DATA + ',"socket":null}'


def ingest(run: Run) -> dict:
    """5,000 users, one recipient per publication, as Laravel's redis driver publishes; 50 to a pipeline"""
    redis = run.server.redis
    pace = [
        "--pub-proto", "redis", "--pub-port", str(redis.port),
        "--pub-chan", INGEST_PREFIX + "private-user.1@I@",
        "--batch", "50", "--window", "800", "--pub-conns", "16",
    ]  # fmt: skip
    spent = cpu([redis.process.pid])
    found = load(*run.private(run.count(USERS), *pace, body=LARAVEL))
    return {**found, "redis_us_per_pub": _per(cpu([redis.process.pid]) - spent, found, "pub_per_s")}


def cluster_room(run: Run) -> dict:
    """1,000 browsers in one room over two workers and Redis, 10 events a second"""
    return _with_redis(run, run.room(run.count(ROOM), "--rate", "10", "--pub-conns", "1"))


def cluster_private(run: Run) -> dict:
    """Two workers over Redis, 200 private messages a second"""
    pace = ["--rate", "200", "--pub-conns", "8"]
    return _with_redis(run, run.private(run.count(200), *pace))


def _with_redis(run: Run, options: list[str]) -> dict:
    """The load's figures, and Redis' share of them, which counts from when all are connected."""
    clients = Load(*options, patient=True).ready()
    redis = [run.server.redis.process.pid]
    spent = cpu(redis)
    clients.go()
    found = clients.result()
    return {**found, "redis_us_per_deliv": _per(cpu(redis) - spent, found, "deliv_per_s")}


def _per(seconds: float, found: dict, rate: str) -> float:
    """Microseconds each; the second of warming up is in `seconds` as well, and the drain costs nothing."""
    number = found[rate] * (found["secs"] + 1)
    return seconds * 1e6 / number if number else 0.0


def cluster_idle(run: Run) -> dict:
    """Two workers over Redis; all members and publishers are on one, with 500 private messages a second"""
    idle, busy = run.server.workers()
    pace = ["--rate", "500", "--pub-conns", "4"]
    with _frozen(idle):  # so the other one accepts them all
        clients = Load(*run.private(run.count(200), *pace), patient=True).ready()
    time.sleep(2)  # it catches up with its heartbeat
    resting = cpu([idle])
    time.sleep(5)
    resting = cpu([idle]) - resting
    clients.go()
    time.sleep(1.5)
    spent, worked = cpu([idle]), cpu([busy])
    began = time.monotonic()
    time.sleep(run.seconds - 1)
    seconds = time.monotonic() - began
    spent, worked = cpu([idle]) - spent, cpu([busy]) - worked
    found = clients.result()
    return {
        "busy_worker_percent": 100 * worked / seconds,
        "idle_worker_percent": 100 * spent / seconds,
        "resting_percent": 100 * resting / 5,
        "pub_per_s": found["pub_per_s"],
        "lat_p99_ms": found["lat_p99_ms"],
        "lost": found["lost"],
    }


@contextmanager
def _frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
