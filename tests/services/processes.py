"""A child process that serves: started, watched, paused, stopped, with its output in a file."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dotenv import dotenv_values

ROOT = Path(__file__).resolve().parents[2]

# The virtualenv first: set-up puts Node there on a machine without a recent one. At the end what an ordinary
# user's PATH lacks: Debian keeps daemons in sbin.
SEARCH_PATH = os.pathsep.join(
    [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath), "/usr/local/sbin:/usr/sbin:/sbin"]
)


def program(*names: str) -> str:
    """The first of the named programs that is installed; its full path."""
    for name in names:
        if found := shutil.which(name, path=SEARCH_PATH):
            return found
    raise RuntimeError(f"{names[0]} is not installed: `make test` installs it or says how")


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def private_directory(name: str) -> Path:
    """A new short directory: pytest's own are longer than the 108 bytes a unix socket path may have."""
    return Path(tempfile.mkdtemp(prefix=f"mechamap-{name}-"))


def wait_until(true: Callable[[], object], what: str, timeout: float = 10.0) -> None:
    """Poll until `true()` is; fail naming `what` was awaited."""
    deadline = time.monotonic() + timeout
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s in vain for {what}")
        time.sleep(0.02)


def clean_environment(**settings: str) -> dict[str, str]:
    """An environment without anything of the developer's: no settings, no secrets, nothing out of `.env`.

    Settings are read from `.env` beneath the environment and an empty value counts as absent, so a name that
    `.env` sets is blanked here.
    """
    return {
        **dict.fromkeys(dotenv_values(ROOT / ".env"), ""),
        "PATH": SEARCH_PATH,
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        **settings,
    }


class Daemon:
    """One long-running child. Subclasses say how it is started and when it is ready."""

    name = "daemon"

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory or private_directory(self.name)
        self.log_file = self.directory / f"{self.name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self, command: Sequence[str | Path], env: Mapping[str, str], cwd: Path | None = None) -> None:
        if self.running:
            raise RuntimeError(f"{self.name} is already running")
        # The kernel ends the child when pytest dies, however it dies; where setpriv is missing (macOS)
        # a killed pytest leaves it behind.
        guard = [setpriv, "--pdeathsig", "TERM"] if (setpriv := shutil.which("setpriv")) else []
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*guard, *map(str, command)],
                env=dict(env),
                cwd=cwd or self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def await_ready(self, ready: Callable[[], bool], timeout: float = 20.0) -> None:
        """Wait until the child answers; a child that exits instead fails at once, showing its log."""

        def answered_or_gone() -> bool:
            return not self.running or ready()

        try:
            wait_until(answered_or_gone, f"{self.name} to answer", timeout)
        except AssertionError as err:
            tail = self.log()[-4000:]
            self.kill()
            raise AssertionError(f"{err}; its log ends:\n{tail}") from None
        if not self.running:
            raise AssertionError(
                f"{self.name} exited with {self.exit_code()}; its log ends:\n{self.log()[-4000:]}"
            )

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        if self.process is None:
            raise RuntimeError(f"{self.name} was never started")
        return self.process.pid

    def exit_code(self) -> int | None:
        return None if self.process is None else self.process.poll()

    def log(self) -> str:
        """Everything the process printed so far."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def pause(self) -> None:
        """Freeze the process as a stalled machine would: connections stay open, nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def stop(self, sig: int = signal.SIGTERM, timeout: float = 20.0) -> int:
        """Send `sig` and wait for the end; the exit code. One that outlives `timeout` is killed and fails."""
        if self.process is None:
            raise RuntimeError(f"{self.name} was never started")
        if self.running:
            self.resume()
            self.process.send_signal(sig)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(
                    f"{self.name} was still running {timeout:g} s after {signal.Signals(sig).name}; "
                    f"its log ends:\n{self.log()[-4000:]}"
                ) from None
        return self.process.returncode

    def kill(self) -> None:
        """End it without a word, as an out-of-memory kill or a power cut would."""
        if self.process is not None and self.running:
            self.process.kill()
            self.process.wait(5)

    def remove(self) -> None:
        """End the process if need be and delete its directory."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
