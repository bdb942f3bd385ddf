"""The audit log's rows for what is done at the command line."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager

from mechamap.domain.acts import Act
from mechamap.domain.errors import RealtimeError
from mechamap.store.protocol import AuditLog


def actor() -> str:
    """Who is at the terminal, as the audit log calls them: ``cli:anna``."""
    try:
        return f"cli:{getpass.getuser()}"
    except (OSError, KeyError):  # a container may run as a number without a name; KeyError before Python 3.13
        import os

        return f"cli:uid {os.getuid()}"


@contextmanager
def audited(log: AuditLog, action: Act, target: str, detail: str = "") -> Iterator[None]:
    """Add a row when the block has ended: ``ok``, or the code of the error that ended it."""
    try:
        yield
    except RealtimeError as err:
        log.record(actor(), action, target, outcome=err.code, detail=detail)
        raise
    log.record(actor(), action, target, detail=detail)
