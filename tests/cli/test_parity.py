"""What the console shows and does, a command does too."""

import re

import click
import pytest

from tests.services.processes import ROOT

from .terminal import Runner

ROW = re.compile(r"^\| `(/admin[^`]*)` \| ([A-Z ]+) \| `\w+` \|(.*)\|$", re.MULTILINE)
ROWS = ROW.findall((ROOT / "docs" / "CONSOLE.md").read_text())
HARMLESS = {"flask clients unblock", "flask apps enable", "flask broadcast", "flask channels show"}
"""The console asks before these too, as its form needs a page; they close and delete nothing."""


def command_of(app, words: list[str]) -> click.Command:
    command: click.Command = app.cli
    for word in words:
        assert isinstance(command, click.Group), word
        found = command.get_command(click.Context(command), word)
        assert found is not None, " ".join(words)
        command = found
    assert not isinstance(command, click.Group), words
    return command


def options(command: click.Command) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


def test_the_document_lists_the_console():
    """That it lists all of it, `tests/browser/test_permissions.py` sees to."""
    assert len(ROWS) >= 40


@pytest.mark.parametrize(("address", "methods", "cell"), ROWS, ids=[row[0] for row in ROWS])
def test_every_page_and_act_has_its_command(alone: Runner, address: str, methods: str, cell: str):
    named = re.findall(r"`(flask [^`]+)`", cell)
    assert named, f"{address} names no command"
    for each in named:
        words = each.removeprefix("flask ").split()
        flags = {word for word in words if word.startswith("--")}
        command = command_of(alone.app, [word for word in words if word not in flags])
        offered = options(command)
        assert flags <= offered, each
        assert "--json" in offered or each == "flask audit export", each  # whose lines are JSON already
        if "GET POST" in methods and each not in HARMLESS:
            assert "--yes" in offered, each
