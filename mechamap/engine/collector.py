"""The collector: garbage collection that never stops a worker for long.

A full collection looks at every container there is: 90 ms with 8,000 connections, in which nothing is read or
written. Here whatever survives one is frozen, so each object is looked at once and a pause depends on what is
new, not on how many clients there are. Reference counting frees frozen objects like all others; only a cycle
of frozen ones would stay, so when far more is frozen than the clients explain, all of it is examined again.
"""

import gc
import logging
import time

LOG = logging.getLogger(__name__)

# At most 1,000 * 10 * 2 new containers between two full collections: 15 ms when all of them live on.
_THRESHOLDS = (1_000, 10, 1)
_PER_CONNECTION = 60  # containers a client may account for, its application's included
_TOLERANCE = 200_000  # frozen containers beyond that, about 20 MB, before a pause is the smaller evil


class Collector:
    """The policy of one process; `start` it when the application is loaded."""

    def __init__(self) -> None:
        self._base = 0
        self._thresholds = gc.get_threshold()

    def start(self) -> None:
        gc.collect()
        gc.freeze()
        self._base = gc.get_freeze_count()
        gc.set_threshold(*_THRESHOLDS)
        gc.callbacks.append(self._collected)

    def stop(self) -> None:
        gc.callbacks.remove(self._collected)
        gc.set_threshold(*self._thresholds)
        gc.unfreeze()

    def look(self, connections: int) -> bool:
        """Examine everything if too much is frozen; whether it was. Meant for once a minute."""
        if gc.get_freeze_count() <= self._base + _TOLERANCE + connections * _PER_CONNECTION:
            return False
        began = time.perf_counter()
        gc.unfreeze()
        found = gc.collect()  # the callback freezes what is left
        LOG.info("gc_thawed", extra={"found": found, "ms": round((time.perf_counter() - began) * 1000)})
        return True

    def _collected(self, phase: str, info: dict[str, int]) -> None:
        if phase == "stop" and info["generation"] == 2:
            gc.freeze()
