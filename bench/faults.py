"""The fault suite at length: many seeds, more clients, more workers; prints a table and the violations.

    .venv/bin/python bench/faults.py [--rounds 3] [--only killed_worker,clock_jump] [--seed TEXT] [--keep DIR]

The scenarios and the checker are those of tests/faults; ``clock_jump`` needs a C compiler and exists only
here. The exit code is 1 if a promise was broken. docs/RELIABILITY.md tells the promise and what was run.
"""

# As the tests do, and for the same reason: before any other import.
from gevent import monkey

monkey.patch_all()

import argparse
import gc
import secrets
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.faults.checker import Violation, check
from tests.faults.device_checker import check_devices
from tests.faults.devices import DeviceTrial
from tests.faults.histories import History
from tests.faults.scenarios import LONG_SCENARIOS, Scenario, device_sync, device_sync_cut_off
from tests.faults.trial import Cluster, Scale, Trial, cluster
from tests.services.application import Application
from tests.services.browser_client import BrowserClient
from tests.services.node import NodeProcess

LONG = Scale(cheap=60, stock=6, publishers=4, rate=12.0, length=2.0)
STORM = replace(LONG, cheap=1_000, publishers=2, rate=2.0, length=4.0)
"""A client in Python costs 0.1 ms an event, and a thousand of them share a core with everything else."""
DEVICES = replace(LONG, cheap=24)
"""Six devices of each of four users, which mark eight notifications a second each."""
SCALES = {"reconnect_storm": STORM, "device_sync": DEVICES, "device_sync_cut_off": DEVICES}
HOUR = 3_600


class Clock:
    """How far the clock of Redis is ahead, in seconds."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "shift"
        self._library = directory / "clock_shift.so"
        source = ROOT / "bench" / "clock_shift.c"
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", self._library, source], check=True)
        self.set(0)

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self._library), "CLOCK_SHIFT": str(self._file)}

    def set(self, seconds: int) -> None:
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("=q", seconds))


def clock_jump(clock: Clock) -> Scenario:
    def act(trial: Trial) -> None:
        for shift in (HOUR, HOUR - 90, 0, -HOUR, 30, 0):
            trial.go_on(0.4)
            clock.set(shift)
            for client in (*trial.cheap, *trial.stock):
                if trial.dice.random() < 0.3:
                    client.drop()
        trial.go_on(1)

    act.__name__ = "clock_jump"
    act.__doc__ = "The clock of Redis is set forward and back by up to an hour."
    return Scenario(act, lossless=False)


@contextmanager
def a_cluster(workers: int, directory: Path, clock: Clock):
    started: list[Application] = []

    def start(settings: Mapping[str, str]) -> Application:
        config = ROOT / "gunicorn.conf.py"
        started.append(Application(settings, app="wsgi:app", config=config, health="/health"))
        started[-1].start()
        return started[-1]

    try:
        with cluster(start, directory, workers=workers, environment=clock.environment) as made:
            yield made
            made.server.stop()
            made.server.expect_no_traceback()
    finally:
        for application in started:
            application.remove()


def run(
    place: Cluster, node: NodeProcess, scenario: Scenario, seed: str, scale: Scale, keep: Path | None = None
) -> list[Violation]:
    browsers: list[BrowserClient] = []

    def browser() -> BrowserClient:
        browsers.append(BrowserClient(node))
        return browsers[-1]

    begun = time.monotonic()
    place.whole()
    of_devices = scenario.act in (device_sync, device_sync_cut_off)
    with (DeviceTrial if of_devices else Trial)(place, browser, seed, scale) as trial:
        scenario.act(trial)
    for each in browsers:
        each.close()
    if isinstance(trial, DeviceTrial):
        cut = scenario.act is device_sync_cut_off
        violations = check_devices(trial.devices, lossless=scenario.lossless, early_answers=cut)
        figures = trial.devices.figures()
    else:
        violations = check(trial.history, lossless=scenario.lossless)
        figures = trial.history.figures()
        if keep is not None and violations:
            write_down(trial.history, violations, keep / f"{scenario.name}-{seed}.txt")
    cells = [f"{figures.get(name, '-'):>9}" for name in COLUMNS]
    verdict = "ok" if not violations else f"{len(violations)} VIOLATIONS"
    print(f"{scenario.name:19} {seed:14} {time.monotonic() - begun:6.1f}", *cells, verdict, flush=True)
    return violations


def write_down(history: History, violations: list[Violation], path: Path) -> None:
    """Everything that the clients of broken promises saw, and what was published to their channels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        print(*violations, sep="\n", file=file)
        broken = {violation.client for violation in violations}
        for log in history.logs:
            if log.client in broken:
                print("", log.client, sorted(log.channels), *log.entries, sep="\n", file=file)
        print("", *sorted(history.attempts, key=lambda attempt: attempt.began), sep="\n", file=file)


COLUMNS = ("clients", "accepted", "unsure", "received", "returns", "recovered", "told")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="names of scenarios, with commas")
    parser.add_argument("--seed", default=secrets.token_hex(3))
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="a folder for the whole histories of broken promises")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mechamap-faults-") as folder:
        directory = Path(folder)
        clock = Clock(directory)
        of_devices = [Scenario(device_sync), Scenario(device_sync_cut_off)]
        scenarios = [*LONG_SCENARIOS, clock_jump(clock), *of_devices]
        if chosen := set(filter(None, options.only.split(","))):
            scenarios = [scenario for scenario in scenarios if scenario.name in chosen]
        print(f"{'scenario':19} {'seed':14} {'secs':>6}", *(f"{name:>9}" for name in COLUMNS), "verdict")
        found: list[Violation] = []
        node = NodeProcess("driver.mjs")
        try:
            with a_cluster(options.workers, directory, clock) as place:
                for number in range(options.rounds):
                    for scenario in scenarios:
                        seed = f"{options.seed}-{number}"
                        scale = SCALES.get(scenario.name, LONG)
                        found += run(place, node, scenario, seed, scale, options.keep)
                        gc.collect()
        finally:
            node.end()
    for violation in found:
        print(violation)
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
