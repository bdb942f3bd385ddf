"""A terminal: the ``flask`` command as an operator runs it, and in this process where starting it costs."""

import json
import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Flask

from tests.services.processes import ROOT, clean_environment

COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command did. ``out`` is stdout, ``err`` stderr."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err

    def json(self) -> Any:
        return json.loads(self.out)

    def succeeded(self) -> "Outcome":
        assert self.code == 0, self.said
        return self

    def refused(self, *words: str, code: int = 1) -> "Outcome":
        """Ended with ``code`` and a clear sentence that holds ``words``; no traceback, nothing on stdout."""
        assert self.code == code, self.said
        assert "Traceback" not in self.said
        assert self.out == ""
        for word in words:
            assert word in self.err, self.err
        return self


class Terminal:
    """Runs ``.venv/bin/flask`` with the settings of a server."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._environment = clean_environment(
            COLUMNS="80", HOME=settings.get("INSTANCE_PATH", "/tmp"), **settings
        )

    def flask(self, *arguments: str, stdin: str = "") -> Outcome:
        done = subprocess.run(
            [sys.executable, "-m", "flask", *arguments],
            input=stdin,
            env=self._environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    def flask_with_a_person(self, answer: str, *arguments: str) -> Outcome:
        """The same at a real terminal, where somebody types ``answer``; ``out`` is all that they see."""
        ours, theirs = pty.openpty()
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "flask", *arguments],
                env=self._environment,
                cwd=ROOT,
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
            )
            os.close(theirs)
            os.write(ours, f"{answer}\n".encode())
            seen = b""
            # not a blocking read: gevent would not learn of the end of the process meanwhile
            while select.select([ours], [], [], 0.1)[0] or process.poll() is None:
                try:
                    seen += os.read(ours, 4096) if select.select([ours], [], [], 0)[0] else b""
                except OSError:  # how Linux tells that their side was closed
                    break
            return Outcome(process.wait(30), COLOURS.sub("", seen.decode()), "")
        finally:
            os.close(ours)


class Runner:
    """Runs commands of an application in this process."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self._runner = app.test_cli_runner(env={"COLUMNS": "80"})

    def flask(self, *arguments: str, stdin: str | None = None) -> Outcome:
        done = self._runner.invoke(args=list(arguments), input=stdin)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Outcome(done.exit_code, done.stdout, done.stderr)


def widest(text: str) -> int:
    """Columns of the longest line."""
    return max(map(len, text.splitlines()), default=0)
