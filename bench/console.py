"""What the operators' console costs the server: with nobody watching, and with one viewer."""

import time

from load import Load
from processes import cpu
from viewer import Viewer
from works import Run

BROWSERS = 5_000
EVENTS = 4
"""A second, to all of them: 20,000 deliveries."""


def console(run: Run) -> dict:
    """5,000 browsers in one room, 20,000 deliveries a second: without a viewer, then with one

    The overview is renewed every two seconds and a list is opened as often: more than a person does.
    """
    seconds = max(20.0, run.seconds)
    viewer = Viewer(run.server.port)
    pace = ["--rate", str(EVENTS), "--pub-conns", "1"]
    options = run.room(run.count(BROWSERS), *pace, seconds=2 * seconds + 6)
    clients = Load(*options, patient=True).ready()
    workers = run.server.workers()
    clients.go()
    time.sleep(2)
    alone = _percent(workers, seconds)
    viewer.look()
    time.sleep(1)
    watched = _percent(workers, seconds)
    seen, found = viewer.result(), clients.result()
    return {
        "alone_percent": alone,
        "watched_percent": watched,
        "viewer_percent": watched - alone,
        "live_ms": seen["live_ms"],
        "list_ms": seen["list_ms"],
        "looks": seen["looks"],
        "deliv_per_s": found["deliv_per_s"],
        "lat_p99_ms": found["lat_p99_ms"],
        "lost": found["lost"],
    }


def _percent(workers: list[int], seconds: float) -> float:
    """Of one processor, over so many seconds."""
    spent, began = cpu(workers), time.monotonic()
    time.sleep(seconds)
    return 100 * (cpu(workers) - spent) / (time.monotonic() - began)
