"""Two thousand browsers come, receive and go: nothing of them is left. More of them in `bench/soak.py`."""

import json
import subprocess
import sys

from tests.services.processes import ROOT, clean_environment, free_port


def test_browsers_that_come_and_go_leave_nothing():
    done = subprocess.run(
        [
            sys.executable,
            ROOT / "bench" / "soak.py",
            "--cycles",
            "2000",
            "--port",
            str(free_port()),
            "--json",
        ],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    found = json.loads(done.stdout)
    assert found["received"] == found["cycles"]
    assert found["tracebacks"] == 0
    warm, *_, last = found["samples"][1:]
    assert last["descriptors"] == min(found["descriptors"])
    assert last["greenlets"] <= warm["greenlets"]
    assert last["rss"] - warm["rss"] < 20_000, "in KB: 12 KB for each browser that came after the warm-up"
