"""A page of the site in Node, with static/js/mechamap.js as it is shipped."""

import json
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.services.processes import clean_environment, program, wait_until

SCRIPT = Path(__file__).with_name("page.mjs")


class Page:
    """Open until `close`; everything that happens on it is kept in order as `[event, *arguments]`."""

    def __init__(self, url: str, tokens: Sequence[str | None], channels: Sequence[str] = ()) -> None:
        scenario = json.dumps({"tokens": list(tokens), "channels": list(channels)})
        self._process = subprocess.Popen(
            [program("node"), SCRIPT, url, scenario],
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.happened: list[list[Any]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, event: str, count: int = 1, timeout: float = 15.0) -> list[Any]:
        """The arguments of the `count`-th event of that name."""
        wait_until(lambda: len(self.events(event)) >= count, f"{event} number {count} on the page", timeout)
        return self.events(event)[count - 1]

    def events(self, event: str) -> list[list[Any]]:
        return [arguments for name, *arguments in list(self.happened) if name == event]

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(5)
        self._reader.join(5)
        self._process.stdout.close()

    def _read(self) -> None:
        for line in self._process.stdout:
            self.happened.append(json.loads(line))
