"""Sessions inside one process. Enough for one worker: they end with it."""

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from mechamap.domain.history import Position
from mechamap.domain.recovery import Kept

from .protocol import Live

MOST_WAITING = 50_000
"""Sessions without a connection; the oldest go first. At some 500 bytes each this is 25 MB."""


@dataclass(slots=True)
class _Shared:
    """A session apart from its connections, which are more than one or do not agree with it."""

    kept: Kept
    lives: list[Live]

    def now(self) -> Kept:
        for live in self.lives:
            self.kept = self.kept.confirmed(live.position, live.joins())
        return self.kept

    def has(self, live: Live) -> bool:
        return any(one is live for one in self.lives)


class MemorySessions:
    """``Sessions`` and ``SessionsLink``. The only connection of a session is asked when needed, so it costs
    an entry; one that returned also the names of its predecessors."""

    def __init__(self, window: float, clock: Callable[[], float] = time.monotonic) -> None:
        """``window``: seconds a session waits for its client."""
        self._window = window
        self._clock = clock
        self._live: dict[str, Live] = {}
        self._former: dict[str, Mapping[str, float]] = {}
        self._shared: dict[str, _Shared] = {}
        self._waiting: OrderedDict[str, tuple[Kept, float]] = OrderedDict()

    def keep(self, live: Live, without: Collection[str] = ()) -> None:
        pid, found, kept = live.pid, self._find(live.pid), live.kept()
        shared = self._shared.pop(pid, None)
        only = self._live.pop(pid, None)
        others = [one for one in (shared.lives if shared else [only]) if one is not None and one is not live]
        self._waiting.pop(pid, None)
        self._former.pop(pid, None)
        merged = found.taken_over(kept, without) if found is not None else kept
        if others or merged.channels != kept.channels or merged.sids[-1] != live.sid:
            self._shared[pid] = _Shared(merged, [*others, live])
            return
        self._live[pid] = live
        if former := dict(list(merged.opened.items())[:-1]):
            self._former[pid] = former

    def joined(self, live: Live, name: str) -> None:
        shared, kept = self._shared.get(live.pid), live.kept()
        if shared is not None and shared.has(live) and name in kept.channels:
            position = Position(kept.position.epoch, kept.channels[name])
            shared.kept = shared.now().joined(name, position)

    def left(self, live: Live, name: str) -> None:
        shared = self._shared.get(live.pid)
        if shared is not None and shared.has(live):
            shared.kept = shared.now().left(name, live.sid)

    def find(self, pid: str, epoch: str | None = None) -> Kept | None:
        return self._find(pid)  # nothing is ever lost here

    def _find(self, pid: str) -> Kept | None:
        live, shared = self._live.get(pid), self._shared.get(pid)
        if live is not None:
            kept = live.kept()
            opened = {**self._former.get(pid, {}), **kept.opened}
            return Kept(kept.user_id, opened, kept.position, dict(kept.channels))
        if shared is not None:
            return shared.now()
        self._expire()
        kept, _ = self._waiting.get(pid, (None, 0.0))
        return kept

    def ended(self, live: Live, *, final: bool) -> None:
        pid, shared = live.pid, self._shared.get(live.pid)
        if self._live.get(pid) is not live and not (shared is not None and shared.has(live)):
            return
        kept = self._find(pid)
        left = [one for one in shared.lives if one is not live] if shared is not None else []
        if left and not (final and kept.sids[-1] == live.sid):
            shared.lives = left
            return
        self._live.pop(pid, None)
        self._shared.pop(pid, None)
        self._former.pop(pid, None)
        if not (final and kept.sids[-1] == live.sid):
            self._waiting[pid] = (kept, self._clock() + self._window)
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
