"""What a worker does when its link is back, before it hears anything new: it reads what it missed.

Which logs have news is one question; those of them that this worker follows are read, put in the order of
their numbers and delivered like live messages. Where the logs cannot prove that nothing is missing, that is
said.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import islice
from typing import NamedTuple

from ..domain.history import Gap, Position
from .progress import Progress
from .receiver import COMMANDS
from .sequence import Logs, Synced

log = logging.getLogger(__name__)

READ = 25
"""Logs per round trip: 25 MB, should all of them be as full as they may."""
MOST_ENTRIES = 20_000
"""Entries taken of one log: more than any keeps."""
MOST_BYTES = 33_554_432
"""Bytes of missed messages taken into memory; what is beyond is reported as a gap."""
BURST = 0.01
"""Seconds of delivering after which other greenlets get a turn."""


class _Missed(NamedTuple):
    """One message in the order of delivery; ``part`` 0 is the old epoch, 1 the present one."""

    part: int
    offset: int
    epoch: str
    name: str
    body: bytes


class Backfill:
    """``catch_up`` belongs to the listener's thread; raises redis-py's errors and may then be repeated."""

    def __init__(
        self,
        logs: Logs,
        progress: Progress,
        take: Callable[[str, str, int, bytes], object],
        on_gap: Callable[[Collection[str], Gap], None],
    ) -> None:
        self._logs = logs
        self._progress = progress
        self._take = take
        self._on_gap = on_gap
        self.delivered = 0
        self.gaps = 0

    def catch_up(self, known: Position) -> Position:
        """Deliver everything published since this worker last heard something; where it is then.

        ``known``: the highest position this process was told elsewhere.
        """
        progress = self._progress
        heard = progress.position
        synced = self._logs.sync(heard, progress.witness, known.offset if known.epoch == heard.epoch else 0)
        if heard.epoch:
            missed, gaps = self._missed(heard, synced)
            self._tell(gaps)
            self._deliver(missed)
        progress.reached(synced.position)
        return synced.position

    def _missed(self, heard: Position, synced: Synced) -> tuple[list[_Missed], dict[str, Gap]]:
        followed = self._progress.followed()
        now = synced.position
        gaps: dict[str, Gap] = {}
        found: dict[tuple[int, int], _Missed] = {}
        if now.epoch == heard.epoch:
            rounds = [(1, now, _wanted(followed, synced))]
            gaps |= {
                name: Gap.TOO_OLD
                for name, since in followed.items()
                if since < synced.floor and synced.news is not None and name not in synced.news
            }
        else:
            # What is left of the old epoch, as far as Redis has it, then all of the new one.
            rounds = [(0, heard, followed), (1, now, _wanted(dict.fromkeys(followed, 0), synced))]
        room = MOST_BYTES
        for part, position, wanted in rounds:
            rest = iter(wanted.items())
            while chunk := list(islice(rest, READ)):
                if room <= 0:
                    gaps |= {name: Gap.TOO_MUCH for name, _ in chunk}
                    continue
                head, readings = self._logs.read(position.epoch, chunk, MOST_ENTRIES)
                for (name, _), reading in zip(chunk, readings, strict=True):
                    if part and (gap := reading.gap(head.floor)):
                        gaps[name] = gap
                    for entry in reading.entries:
                        if entry.body and not (part and entry.offset > now.offset):  # later ones come live
                            room -= len(entry.body)
                            key = (part, entry.offset)
                            found.setdefault(key, _Missed(*key, position.epoch, name, entry.body))
        if now.epoch != heard.epoch:
            gaps = dict.fromkeys(followed, Gap.EPOCH)
        return [found[key] for key in sorted(found)], gaps

    def _deliver(self, missed: Iterable[_Missed]) -> None:
        turn = time.monotonic()
        for each in missed:
            self.delivered += 1
            self._take(each.name, each.epoch, each.offset, each.body)
            if time.monotonic() - turn > BURST:
                # A sleep of zero would not let gevent look at its sockets.
                time.sleep(0.00001)
                turn = time.monotonic()

    def _tell(self, gaps: Mapping[str, Gap]) -> None:
        self.gaps += len(gaps)
        for reason, count in Counter(gaps.values()).items():
            names = [name for name, gap in gaps.items() if gap is reason]
            log.warning(
                "broker_gap",
                extra={"reason": reason.value, "channels": names[:20], "count": count},
            )
            channels = [name for name in names if name != COMMANDS]
            if channels:
                self._on_gap(channels, reason)


def _wanted(followed: Mapping[str, int], synced: Synced) -> dict[str, int]:
    """Those of the logs that have news, as far as is known."""
    news = synced.news
    return {name: since for name, since in followed.items() if news is None or name in news}
