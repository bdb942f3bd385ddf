"""Worker slots: a small stable number for each worker process, handed out by gunicorn's hooks.

gunicorn's own `worker.age` only grows; a slot is the lowest number no living worker holds, so the replacement
of a crashed worker takes over its number. During a reload both generations live side by side and hold
different slots.
"""

from typing import Protocol

SLOT_LIMIT = 9_999  # the id grammar gives the slot four digits


class HasSlot(Protocol):
    """What the hooks need of a gunicorn worker: a place to keep its slot."""

    slot: int


# One process has one slot, fixed by `post_fork` before anything else runs in it; 0 without gunicorn.
_slot = 0


def pre_fork(arbiter, worker: HasSlot) -> None:
    """gunicorn `pre_fork`: runs in the master and picks the lowest free slot."""
    used = {getattr(other, "slot", None) for other in arbiter.WORKERS.values()}
    worker.slot = next(slot for slot in range(SLOT_LIMIT) if slot not in used)


def post_fork(arbiter, worker: HasSlot) -> None:
    """gunicorn `post_fork`: runs in the worker and remembers the slot for the life of the process."""
    global _slot
    _slot = worker.slot


def current_slot() -> int:
    """The slot of this process."""
    return _slot
