"""What every command here shares: its application's parts, ``--json``, and failures told in one sentence."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

import click
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext

from mechamap.domain.errors import RealtimeError

if TYPE_CHECKING:
    from mechamap.services import Services

EXTENSION = "mechamap.cli"

HINTS = {"schema_mismatch": "Our own tables are made by `flask db upgrade`."}
"""What to do about an error, by its code, where its sentence cannot know that it is read at a terminal."""


class Command(click.Command):
    """A command whose expected failures end it with one sentence and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _errors_only():
                return super().invoke(ctx)
        except RealtimeError as err:
            raise click.ClickException(sentence(err)) from err


class Nouns(AppGroup):
    """A group named after what its commands are about."""

    command_class = Command


def sentence(error: RealtimeError) -> str:
    """The error for somebody at a terminal."""
    return f"{error.message} {HINTS[error.code]}" if error.code in HINTS else error.message


def attach(app: Flask, services: "Services") -> None:
    """Let the commands of ``app`` work with ``services``."""
    app.extensions[EXTENSION] = services


def pass_services(function: Callable[..., Any]) -> Callable[..., Any]:
    """The application's ``Services`` as the first argument."""

    @with_appcontext  # Flask pushes a context for the commands it looks up itself, not for those a test runs
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(current_app.extensions[EXTENSION], *args, **kwargs)

    return call


json_option = click.option("--json", "as_json", is_flag=True, help="Answer in JSON, for programs.")
yes_option = click.option("--yes", is_flag=True, help="Do it without being asked.")


def confirm(question: str, *, yes: bool) -> None:
    """Go on only if a person says so, or ``--yes`` did.

    The question goes to stderr, so that the answer of ``--json`` stays JSON.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(
            f"{question} Nobody is there to answer: add --yes to do it without being asked."
        )
    click.confirm(question, abort=True, err=True)


@contextmanager
def _errors_only() -> Iterator[None]:
    """A command answers in sentences of its own; of the log, only errors are worth a line beside them."""
    log = logging.getLogger("mechamap")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)
