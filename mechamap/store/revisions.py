"""Bringing our own tables up to date, and telling whether they are."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from alembic import command
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask

from mechamap.settings import Settings

from .source import Source

VERSION_TABLE = "rt_alembic_version"


def pending(app: Flask, own: Source) -> list[str]:
    """The revisions that the database lacks, oldest first, as ``0001 Own tables``; none when it is up to
    date.

    Raises:
        Unavailable: the database cannot be asked.
    """
    with app.app_context():
        script = ScriptDirectory.from_config(app.extensions["migrate"].migrate.get_config())
    with own.read() as connection:
        current = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE}
        ).get_current_heads()
    done = {each.revision for head in current for each in script.iterate_revisions(head, "base")}
    missing = [each for each in script.walk_revisions() if each.revision not in done]
    return [f"{each.revision} {each.doc.rstrip('.')}" for each in reversed(missing)]


def upgrade(app: Flask, settings: Settings) -> None:
    """Run what is pending, like ``flask db upgrade``; processes on this machine that start together take
    turns.
    """
    with _one_at_a_time(settings), app.app_context():
        # not flask_migrate.upgrade: version 4.1 answers an error by ending the process
        command.upgrade(app.extensions["migrate"].migrate.get_config(), "head")


@contextmanager
def _one_at_a_time(settings: Settings) -> Iterator[None]:
    settings.instance_path.mkdir(parents=True, exist_ok=True)
    with (settings.instance_path / "migrations.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
