"""Connect, subscribe, receive, leave, tens of thousands of times: nothing may be left of any of it.

    .venv/bin/python bench/soak.py [--cycles 50000] [--json]

A cycle is one browser: it signs in, joins a room, gets at least one event, and goes in one of five ways:
politely, by a close frame, by hanging up, by vanishing, by a close packet. One in ten begins with polling
and upgrades, one in ten stays on polling. After every tenth part of the cycles everybody is gone, and what
the worker then holds is noted: memory, descriptors, greenlets. The first two parts are for warming up. Both
counts must come back to what they were, and memory must not grow by more than `LIMIT` bytes a cycle;
otherwise the exit code is 1.
"""

from gevent import monkey

monkey.patch_all()

import argparse
import json
import socket
import statistics
import struct
import sys
import time
import urllib.request
from dataclasses import asdict, dataclass

import gevent
from gevent.pool import Pool
from processes import descriptors, pss, rss
from servers import KEY, ROOT, Server, start, tokens

sys.path.insert(0, str(ROOT))

from tests.engine.peers import PollingPeer, WebSocketPeer
from tests.engine.wire import CLOSE, WebSocket, frame

TOGETHER = 32
USERS = 200  # so that caches of users are full after the warm-up
SAMPLES = 10
WARM = 2
LIMIT = 100  # bytes a cycle: 50,000 cycles that kept one small object each would show
TOO_LONG = 20.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What the worker holds when nobody is connected. Memory in KB, after a full collection, which found
    `garbage` objects since the last one."""

    cycles: int
    seconds: float
    pss: int
    rss: int
    descriptors: int
    greenlets: int
    garbage: int


class Soak:
    def __init__(self, server: Server, cycles: int) -> None:
        self.server = server
        self.cycles = cycles
        self.began = time.monotonic()
        self.pids = server.workers()
        self.tokens = tokens().read_text().split()[:USERS]
        self.received = 0
        self.garbage = 0

    def run(self) -> list[Sample]:
        """A sample after each part."""
        pool, samples = Pool(TOGETHER), []
        publisher = gevent.spawn(self._publish)
        try:
            for part in range(SAMPLES):
                running: list[gevent.Greenlet] = []
                first, last = (self.cycles * n // SAMPLES for n in (part, part + 1))
                for number in range(first, last):
                    running.append(pool.spawn(self._cycle, number))
                gevent.joinall(running, raise_error=True)
                self.garbage = 0
                samples.append(self._sample(last, samples))
        finally:
            publisher.kill()
        return samples

    def _publish(self) -> None:
        body = json.dumps({"channel": "public.soak", "event": "drop", "data": {"text": "x" * 200}}).encode()
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        url = f"http://127.0.0.1:{self.server.port}/api/broadcast"
        while True:
            urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10).read()
            gevent.sleep(0.02)

    def _cycle(self, number: int) -> None:
        kind = PollingPeer if number % 10 < 2 else WebSocketPeer
        with gevent.Timeout(TOO_LONG), kind(self.server.port) as peer:
            peer.send("40" + json.dumps({"token": self.tokens[number % len(self.tokens)]}))
            while not peer.packet().startswith('42["connected"'):
                pass
            if number % 10 == 1:
                self._upgrade(peer, number)
                return
            peer.send('42["subscribe",{"channel":"public.soak"}]')
            while not peer.packet().startswith('42["drop"'):
                pass
            self.received += 1
            if kind is WebSocketPeer:
                _leave(peer, number // 10)
            else:
                peer.send("41", "1")

    def _upgrade(self, peer: PollingPeer, number: int) -> None:
        path = f"/socket.io/?EIO=4&transport=websocket&sid={peer.opening['sid']}"
        with WebSocket(self.server.port, path) as ws:
            ws.send("2probe")
            if ws.text() != "3probe":
                raise RuntimeError("the upgrade was refused")
            ws.send("5")
            ws.send('42["subscribe",{"channel":"public.soak"}]')
            while not str(ws.text()).startswith('42["drop"'):
                pass
            self.received += 1
            _leave(ws, number // 10)

    def _sample(self, cycles: int, before: list[Sample]) -> Sample:
        """What it holds once everybody is gone; after the warm-up, once it is back at what it held."""
        deadline = time.monotonic() + 5
        while True:
            found = self._look(cycles)
            known = before[WARM - 1] if len(before) >= WARM else None
            if known is None:
                back = self._connections() == 0 and time.monotonic() > deadline - 3.5
            else:
                least = min(sample.descriptors for sample in before)  # the publisher may be having one
                back = found.descriptors <= least and found.greenlets <= known.greenlets
            if back or time.monotonic() > deadline:
                return found
            gevent.sleep(0.2)

    def _look(self, cycles: int) -> Sample:
        held = self._ask("/bench/held")
        self.garbage += held["garbage"]
        memory = pss(self.pids), rss(self.pids)
        seconds = round(time.monotonic() - self.began, 1)
        return Sample(cycles, seconds, *memory, descriptors(self.pids), held["greenlets"], self.garbage)

    def _connections(self) -> int:
        text = (
            urllib.request.urlopen(f"http://127.0.0.1:{self.server.port}/metrics", timeout=10).read().decode()
        )
        return int(float(text.partition("\nrealtime_connections ")[2].split()[0]))

    def _ask(self, path: str) -> dict:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.server.port}{path}", timeout=10) as answer:
            return json.load(answer)


def _leave(ws: WebSocket, how: int) -> None:
    match how % 5:
        case 0:
            ws.send("41")
            ws.send_raw(frame(CLOSE, b"\x03\xe8"))
            ws.close_code()
        case 1:
            ws.send_raw(frame(CLOSE, b""))
        case 2:
            ws.sock.shutdown(socket.SHUT_WR)
        case 3:
            ws.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        case _:
            ws.send("1")


def slope(samples: list[Sample], name: str) -> float:
    """Bytes per cycle, by least squares over the samples after the warm-up.

    PSS also counts a page that the worker no longer shares with its master, so RSS is what is judged.
    """
    line = statistics.linear_regression(
        [sample.cycles for sample in samples], [getattr(sample, name) * 1024 for sample in samples]
    )
    return line.slope


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--cycles", type=int, default=50_000)
    options.add_argument("--port", type=int, default=5100)
    options.add_argument("--json", action="store_true", help="print one JSON object")
    chosen = options.parse_args()
    server = start("ours", chosen.port, app="watched:app")
    try:
        soak = Soak(server, chosen.cycles)
        samples = soak.run()
        log = server.log()
    finally:
        server.stop()
    steady = samples[WARM - 1 :]
    found = {
        "cycles": chosen.cycles,
        "received": soak.received,
        "pss_bytes_per_cycle": round(slope(steady, "pss"), 1),
        "rss_bytes_per_cycle": round(slope(steady, "rss"), 1),
        "descriptors": [sample.descriptors for sample in samples],
        "greenlets": [sample.greenlets for sample in samples],
        "garbage_per_cycle": round(sum(sample.garbage for sample in samples) / chosen.cycles, 1),
        "tracebacks": log.count("Traceback (most recent call last)"),
    }
    flat = (
        found["rss_bytes_per_cycle"] <= LIMIT
        and steady[-1].descriptors <= min(sample.descriptors for sample in steady)
        and steady[-1].greenlets <= steady[0].greenlets
        and not found["tracebacks"]
    )
    if chosen.json:
        print(json.dumps({**found, "flat": flat, "samples": [asdict(sample) for sample in samples]}))
    else:
        print("| cycles | seconds | PSS KB | RSS KB | descriptors | greenlets | garbage |")
        print("|---" * 7 + "|")
        for sample in samples:
            print("| " + " | ".join(f"{value:,}" for value in asdict(sample).values()) + " |")
        print(f"\nRSS {found['rss_bytes_per_cycle']:+} bytes a cycle: {'flat' if flat else 'NOT FLAT'}")
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main())
