"""The load client: one or several `sioload` processes on their own core, started and let go together."""

import json
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path

from servers import CLIENT_CORE, HERE

CONNECT_SECONDS = 120


@cache
def program() -> Path:
    """`sioload`, compiled for this run."""
    path = Path(tempfile.mkdtemp(prefix="bench-load-")) / "sioload"
    subprocess.run(["cc", "-O2", "-o", str(path), str(HERE / "sioload.c")], check=True)
    return path


class Load:
    """One load client. `patient` ones connect, say `ready`, and wait until they are let `go`."""

    def __init__(self, *options: str, patient: bool = False, nice: int = 0) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="bench-load-")
        self._ready, self._go = Path(self._folder.name) / "ready", Path(self._folder.name) / "go"
        wait = ["--ready", str(self._ready), "--wait", str(self._go)] if patient else []
        pin = ["nice", "-n", str(nice), "taskset", "-c", CLIENT_CORE]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([*pin, str(program()), *options, *wait], stdout=pipe, stderr=pipe)

    def ready(self) -> "Load":
        """Wait until everybody is connected."""
        deadline = time.monotonic() + CONNECT_SECONDS
        while not self._ready.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"sioload did not connect: {self.process.communicate()}")
            time.sleep(0.02)
        return self

    def go(self) -> None:
        self._go.touch()

    def kill(self) -> None:
        """All its clients vanish at once."""
        self.process.kill()
        self.process.communicate()

    def result(self) -> dict:
        """What it measured, once it has ended."""
        said, complaint = self.process.communicate()
        self._folder.cleanup()
        try:
            return json.loads(said)
        except ValueError:
            raise SystemExit(f"sioload failed: {said[-500:]!r} {complaint[-500:]!r}") from None


def load(*options: str) -> dict:
    """One run of one load client."""
    return Load(*options).result()
