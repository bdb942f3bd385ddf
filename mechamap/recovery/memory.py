"""Sessions inside one process. Enough for one worker: they end with it."""

import time
from collections import OrderedDict
from collections.abc import Callable

from mechamap.domain.recovery import Kept

from .protocol import Live

MOST_WAITING = 50_000
"""Sessions without a connection; the oldest go first. At some 500 bytes each this is 25 MB."""


class MemorySessions:
    """``Sessions`` and ``SessionsLink``. A live connection is asked when needed, so it costs an entry."""

    def __init__(self, window: float, clock: Callable[[], float] = time.monotonic) -> None:
        """``window``: seconds a session waits for its client."""
        self._window = window
        self._clock = clock
        self._live: dict[str, Live] = {}
        self._waiting: OrderedDict[str, tuple[Kept, float]] = OrderedDict()

    def keep(self, live: Live) -> None:
        self._live[live.pid] = live
        self._waiting.pop(live.pid, None)

    def find(self, pid: str) -> Kept | None:
        live = self._live.get(pid)
        if live is not None:
            return live.kept()
        self._expire()
        kept, _ = self._waiting.get(pid, (None, 0.0))
        return kept

    def ended(self, live: Live, *, final: bool) -> None:
        if self._live.get(live.pid) is not live:
            return
        del self._live[live.pid]
        if not final:
            self._waiting[live.pid] = (live.kept(), self._clock() + self._window)
            self._expire()

    def start(self) -> None:
        """Nothing to do."""

    def stop(self) -> None:
        """Nothing to do."""

    def _expire(self) -> None:
        now = self._clock()
        while self._waiting:
            pid, (_, end) = next(iter(self._waiting.items()))
            if end > now and len(self._waiting) <= MOST_WAITING:
                return
            del self._waiting[pid]
