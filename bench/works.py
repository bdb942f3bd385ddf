"""The works on one server: rooms, private messages, connecting, and what goes wrong."""

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

from load import Load, load
from prober import Prober
from processes import cpu, descriptors, pss
from servers import KEY, Server, most_connections, tokens

ROOM = 1_000
USERS = 5_000
IDLE = 10_000
DATA = '"event":"event","data":{"ts":@TS@,"n":@N@,"title":"t","body":"@PAD@","id":7,"type":"comment"}'
TO_ROOM = '{"channel":"public.room",' + DATA + "}"
TO_USER = '{"channel":"private-user.1@I@",' + DATA + "}"
SETTLED = 10.0  # seconds at most until a server has given back what vanished clients held


@dataclass(frozen=True)
class Run:
    """One measurement. `share` makes it smaller, to try a work out; results are meant for share 1."""

    server: Server
    share: float = 1.0
    seconds: float = 4.0

    def count(self, number: int) -> int:
        """So many clients; what one worker can hold is the most."""
        return min(max(20, int(number * self.share)), most_connections())

    def options(self, number: int, *, seconds: float | None = None) -> list[str]:
        """What every load has: the server, so many signed-in clients, for so long."""
        return [
            "--ports", str(self.server.port), "-n", str(number), "--dur", str(seconds or self.seconds),
            "--pids", ",".join(map(str, self.server.pids())),
            "--auth", '{"token":"@TOK@"}', "--tokens", str(tokens()),
            "--pub-headers", f"Authorization: Bearer {KEY}\r\nContent-Type: application/json\r\n",
        ]  # fmt: skip

    def room(self, number: int, *pace: str, seconds: float | None = None) -> list[str]:
        """Everybody in one room. The C program confirms without naming the room."""
        named = "" if self.server.name == "climit" else ',{"channel":"public.room"'
        return [
            *self.options(number, seconds=seconds),
            "--sub", '42["subscribe",{"channel":"public.room"}]',
            "--sub-wait", f'42["subscribed"{named}',
            "--pub-body", TO_ROOM, *pace,
        ]  # fmt: skip

    def private(
        self, number: int, *pace: str, body: str = TO_USER, seconds: float | None = None
    ) -> list[str]:
        """One recipient per publication."""
        return [
            *self.options(number, seconds=seconds),
            "--pub-body", body, "--targets", str(number), "--fanout", "1", *pace,
        ]  # fmt: skip

    def pauses(self) -> dict[str, float]:
        """Garbage collections since the last call; peers do not tell theirs."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.server.port}/bench/pauses") as answer:
                return json.load(answer)
        except urllib.error.HTTPError:
            return {"count": 0, "longest_ms": 0.0}


def ten(run: Run) -> dict:
    """1,000 browsers in one room, 10 events a second"""
    return load(*run.room(run.count(ROOM), "--rate", "10", "--pub-conns", "1"))


def thirty(run: Run) -> dict:
    """1,000 browsers in one room, 30 events a second, one publisher"""
    return load(*run.room(run.count(ROOM), "--rate", "30", "--pub-conns", "1"))


def two(run: Run) -> dict:
    """1,000 browsers in one room, 2 broadcasts under way"""
    return load(*run.room(run.count(ROOM), "--window", "2", "--pub-conns", "2"))


def sixteen(run: Run) -> dict:
    """1,000 browsers in one room, 16 broadcasts under way"""
    return load(*run.room(run.count(ROOM), "--window", "16", "--pub-conns", "16"))


def fairness(run: Run) -> dict:
    """200 private messages a second beside a room of 5,000 with 8 events a second

    The room's client is the nicer one: that the two share a core must not show in the private latencies.
    """
    users = run.count(200)
    crowd = ["--first", str(users), "--rate", "8", "--pub-conns", "1"]
    room = Load(*run.room(run.count(5_000), *crowd, seconds=run.seconds + 2), patient=True, nice=10).ready()
    few = ["--rate", "200", "--pub-conns", "8"]
    private = Load(*run.private(users, *few), patient=True).ready()
    room.go()
    private.go()
    one, all_of_them = private.result(), room.result()
    return {
        "private_p50_ms": one["lat_p50_ms"],
        "private_p99_ms": one["lat_p99_ms"],
        "room_p50_ms": all_of_them["lat_p50_ms"],
        "room_p99_ms": all_of_them["lat_p99_ms"],
        "lost": one["lost"] + all_of_them["lost"],
        "misorder": all_of_them["misorder"],
        "unsent": one["unsent"] + all_of_them["unsent"],
    }


def private(run: Run) -> dict:
    """5,000 users, one recipient per publication, one HTTP request each, 16 under way"""
    return load(*run.private(run.count(USERS), "--window", "16", "--pub-conns", "16"))


def batch(run: Run) -> dict:
    """5,000 users, one recipient per publication, 50 publications to an HTTP request, 4 requests under way"""
    pace = ["--batch", "50", "--pub-path", "/api/broadcast/batch", "--window", "200", "--pub-conns", "4"]
    return load(*run.private(run.count(USERS), *pace))


def connect(run: Run) -> dict:
    """8,000 browsers connect, 64 at a time: JWT verified, private channel joined"""
    return load(*run.options(run.count(8_000)), "--idle", "0.2")


def idle(run: Run) -> dict:
    """10,000 browsers connect, sign in, and stay"""
    return load(*run.options(run.count(IDLE)), "--idle", "3")


def vanish_5000(run: Run) -> dict:
    """5,000 signed-in browsers vanish at once"""
    return _vanish(run, 5_000)


def vanish_10000(run: Run) -> dict:
    """10,000 signed-in browsers vanish at once"""
    return _vanish(run, 10_000)


def _vanish(run: Run, number: int) -> dict:
    number, pids = run.count(number), run.server.pids()
    workers = run.server.workers()
    load(*run.options(20), "--idle", "0.2")  # what is made once is made before the comparison begins
    time.sleep(1)
    before = descriptors(pids), pss(pids)
    clients = Load(*run.options(number), "--idle", "0.5", patient=True).ready()
    held = descriptors(pids), pss(pids)
    with Prober(run.server.port, 0.005) as prober:
        time.sleep(1)
        spent, began = cpu(workers), time.monotonic()
        clients.kill()
        deadline = time.monotonic() + SETTLED
        while descriptors(pids) > before[0] + 1 and time.monotonic() < deadline:  # one is the prober's
            time.sleep(0.02)
        time.sleep(1)  # handlers may outlive descriptors
        spent, seconds = cpu(workers) - spent, time.monotonic() - began
        slowest = prober.result()
    spent -= _resting(run, workers) * seconds
    time.sleep(0.5)
    return {
        "cpu_us_per_client": max(0.0, spent) * 1e6 / number,
        "slowest_health_ms": slowest["max"],
        "descriptors_held": held[0] - before[0],
        "descriptors_left": descriptors(pids) - before[0],
        "pss_held_mb": (held[1] - before[1]) / 1024,
        "pss_left_mb": (pss(pids) - before[1]) / 1024,
    }


def _resting(run: Run, workers: list[int]) -> float:
    """Processor seconds per second with nothing but the prober."""
    with Prober(run.server.port, 0.005) as prober:
        spent = cpu(workers)
        time.sleep(2)
        spent = cpu(workers) - spent
        prober.result()
    return spent / 2


def stalled(run: Run) -> dict:
    """1,000 in a room, 20 events of 10 KB a second, 100 of them stop reading"""
    number, pids = run.count(ROOM), run.server.pids()
    slow = number // 10
    pace = [
        "--slow", str(slow), "--rcvbuf", "65536", "--pad", "10000", "--rate", "20", "--pub-conns", "1",
        "--idle", "0.5",
    ]  # fmt: skip
    clients = Load(*run.room(number, *pace, seconds=max(10.0, run.seconds)), patient=True).ready()
    held, samples = descriptors(pids), [pss(pids)]
    clients.go()
    left = held
    while clients.process.poll() is None:
        time.sleep(0.25)
        if clients.process.poll() is None:
            samples.append(pss(pids))
            left = min(left, descriptors(pids))
    found = clients.result()
    return {
        "lost": found["lost"],
        "misorder": found["misorder"],
        "cpu_us_per_deliv": found["cpu_us_per_deliv"],
        "lat_p99_ms": found["lat_p99_ms"],
        "stalled_left": max(0, left - (held - slow)),
        "pss_growth_mb": (max(samples) - samples[0]) / 1024,
        "pss_end_mb": (samples[-1] - samples[0]) / 1024,
    }


def collection(run: Run) -> dict:
    """10,000 browsers connect and stay, with 2 events a second to one room of 100: the longest pause"""
    number = run.count(IDLE)
    with Prober(run.server.port, 0.005) as prober:
        run.pauses()
        many = Load(*run.options(number), patient=True).ready()
        connecting = run.pauses()
        few = ["--first", str(number), "--rate", "2", "--pub-conns", "1"]
        load(*run.room(min(100, number), *few, seconds=max(10.0, run.seconds)))
        staying = run.pauses()
        many.kill()
        time.sleep(2)
        leaving = run.pauses()
        probed = prober.result()
    return {
        "longest_connecting_ms": connecting["longest_ms"],
        "longest_staying_ms": staying["longest_ms"],
        "longest_leaving_ms": leaving["longest_ms"],
        "collections": connecting["count"] + staying["count"] + leaving["count"],
        "health_p99_ms": probed["p99"],
        "health_max_ms": probed["max"],
    }
