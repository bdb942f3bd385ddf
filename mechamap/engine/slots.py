"""Worker slots: a small stable number for each worker process, handed out by gunicorn's hooks, and the
private folder in which the workers of one master find each other by it.

gunicorn's own `worker.age` only grows; a slot is the lowest number no living worker holds, so the replacement
of a crashed worker takes over its number. During a reload both generations live side by side and hold
different slots.
"""

import os
import shutil
import tempfile
from typing import Protocol

SLOT_LIMIT = 9_999  # the id grammar gives the slot four digits
_LONGEST_FOLDER = 90  # bytes; a unix socket's whole path may have 107 on Linux and 103 on macOS


class HasSlot(Protocol):
    """What the hooks need of a gunicorn worker: a place to keep its slot and the folder."""

    slot: int
    folder: str | None


# One process has one slot, fixed by `post_fork` before anything else runs in it; 0 without gunicorn.
_slot = 0


def on_starting(arbiter) -> None:
    """gunicorn `on_starting`: makes the folder, for the user the workers will be, and for nobody else."""
    folder = tempfile.mkdtemp(prefix="realtime-", dir=_short(tempfile.gettempdir()))  # mode 0700
    os.chown(folder, arbiter.cfg.uid, arbiter.cfg.gid)
    arbiter.folder = folder


def _short(folder: str) -> str:
    return folder if len(os.fsencode(folder)) <= _LONGEST_FOLDER - len("/realtime-12345678") else "/tmp"


def on_exit(arbiter) -> None:
    """gunicorn `on_exit`: runs in the master after the last worker has gone."""
    if folder := getattr(arbiter, "folder", None):
        shutil.rmtree(folder, ignore_errors=True)


def on_orphaned(folder: str) -> None:
    """For a worker whose master was killed: the last of them removes the folder."""
    try:
        os.rmdir(folder)
    except OSError:
        pass  # the others' sockets are still in it


def pre_fork(arbiter, worker: HasSlot) -> None:
    """gunicorn `pre_fork`: runs in the master and picks the lowest free slot."""
    used = {getattr(other, "slot", None) for other in arbiter.WORKERS.values()}
    worker.slot = next(slot for slot in range(SLOT_LIMIT) if slot not in used)
    worker.folder = getattr(arbiter, "folder", None)


def post_fork(arbiter, worker: HasSlot) -> None:
    """gunicorn `post_fork`: runs in the worker and remembers the slot for the life of the process."""
    global _slot
    _slot = worker.slot


def current_slot() -> int:
    """The slot of this process."""
    return _slot
