"""``flask top``: the overview in a terminal."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from contextlib import suppress

import pytest

from mechamap.cli import top
from mechamap.domain.statistics import Tally
from tests.services.application import Application
from tests.services.processes import ROOT, clean_environment, wait_until

from .conftest import KEY
from .terminal import Runner, widest


@pytest.fixture
def busy(browser, server: Application, here: Runner) -> dict:
    """A server that has delivered and refused something, as soon as its statistics tell of it; they."""
    browser(2)
    for number in range(12):
        body = {"channel": "private-user.2", "event": "news", "data": number}
        assert server.post("/api/broadcast", body, headers={"X-API-Key": KEY}).status == 200
    body = {"channel": "no.such", "event": "news", "data": 1}
    assert server.post("/api/broadcast", body, headers={"X-API-Key": KEY}).status == 422
    told: dict = {}

    before = here.flask("top", "--json").succeeded().json()["last_hour"]["codes"].get("publication", {})

    def measured() -> bool:
        told.update(here.flask("top", "--json").succeeded().json())
        publications = told["last_hour"]["codes"].get("publication", {})
        [worker] = told["workers"]
        return (
            publications.get("accepted", 0) >= max(12, before.get("accepted", 0))
            and publications.get("channel_unknown", 0) >= 1
            and worker["measured"]["load"]["connections"] == told["totals"]["connections"] == 1
            and "realtime_connections 1.0" in server.get("/metrics").text
        )

    wait_until(measured, "the statistics")
    return told


def test_it_tells_what_the_server_tells_prometheus(busy, server: Application):
    lines = server.get("/metrics").text.splitlines()
    counted = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[0] != "#"}
    assert (
        busy["last_hour"]["codes"]["publication"]["accepted"]
        == counted['realtime_publications_total{code="accepted"}']
    )
    assert busy["last_hour"]["deliveries"] == counted["realtime_deliveries_total"]
    assert busy["totals"]["connections"] == counted["realtime_connections"]
    [worker] = busy["workers"]
    assert worker["measured"]["load"]["connections"] == counted["realtime_connections"]
    assert worker["measured"]["load"]["broker"] is True
    assert busy["figures"]["p50"] <= busy["figures"]["p99"]
    assert [moment["at"] % 10 for moment in busy["hour"]] == [0] * len(busy["hour"])


def test_it_fits_a_terminal(busy, here: Runner):
    shown = here.flask("top", "--once").succeeded()
    assert widest(shown.out) <= 80
    for words in ("1 connection of 1 user,", "events/s in", "publication channel_unknown", "serving", "p99"):
        assert words in " ".join(shown.out.split())  # wherever a line ends


def test_at_a_terminal_it_goes_on_until_somebody_stops_it(server: Application):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 70, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "top", "--interval", "0.5"],
        cwd=ROOT,
        env=clean_environment(**server.settings),
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
    )
    os.close(theirs)
    os.set_blocking(ours, False)
    seen = b""

    def read() -> bytes:
        nonlocal seen
        with suppress(BlockingIOError, OSError):
            seen += os.read(ours, 65_536)
        return seen

    try:
        wait_until(lambda: read().count(top.HOME.encode()) >= 2, "the screen to be renewed")
        process.send_signal(signal.SIGINT)
        wait_until(lambda: read() and process.poll() is not None, "the command to end")
        read()
        assert (process.returncode, process.stderr.read()) == (0, b"")
    finally:
        process.kill()
        process.stderr.close()
        os.close(ours)
    screen = seen.decode().split(top.HOME)[1].split(top.TO_SCREEN_END)[0]
    assert " of " in screen
    assert len(screen.splitlines()) <= 11
    assert widest(screen.replace(top.TO_LINE_END, "")) <= 70
    assert seen.decode().endswith(top.BACK)


def test_without_a_server_it_says_so(alone: Runner):
    alone.flask("top", "--once").refused("The server does not answer")


def test_bars_tell_nothing_measured_from_nothing_to_tell():
    assert top.bars([None, 0, 1, 2, 4, None]) == " ▁▃▅█ "
    assert top.bars([0.0, None]) == "▁ "


def test_reasons_are_those_of_refusals_the_most_frequent_first():
    codes = {
        "connection": {"accepted": 90, "token_expired": 2},
        "publication": {"accepted": 90, "duplicate": 9, "key_scope": 7},
        "disconnection": {"client disconnect": 50, "slow_consumer": 3},
    }
    told = top.reasons(Tally(codes=codes))
    assert told == "publication key_scope 7, closed slow_consumer 3, connection token_expired 2"
