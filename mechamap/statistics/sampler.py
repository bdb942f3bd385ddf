"""What one worker does about its statistics: every two seconds it measures itself and writes that down.

Nobody has to watch for it: a write of some 500 bytes is all that it costs.
"""

import logging
import time
from collections import deque
from collections.abc import Callable

from mechamap.domain.errors import BrokerUnavailable
from mechamap.domain.statistics import BUCKET, HOUR, Load, Pulse, Sample, Tally

from .protocol import Ring

log = logging.getLogger(__name__)

ROUND = 2.0
"""Seconds between two measurements: as often as an open page asks."""
_RECENT = int(BUCKET / ROUND)


class Sampler:
    """Measures and writes; ``round`` is to be called every ``ROUND`` seconds.

    Args:
        place: host and slot; asked anew each time, because a worker has its slot when it is ready.
        count: what was counted since the last call.
        load: what is carried now.
    """

    def __init__(
        self,
        ring: Ring,
        worker_id: str,
        *,
        place: Callable[[], str],
        count: Callable[[], Tally],
        load: Callable[[], Load],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ring = ring
        self._worker = worker_id
        self._place = place
        self._count = count
        self._load = load
        self._clock = clock
        self._hour: deque[Sample] = deque(maxlen=HOUR // BUCKET)  # to be written again if Redis lost it
        self._written = 0  # samples of the hour that the ring has for certain, from its beginning
        self._recent: deque[tuple[float, Tally]] = deque(maxlen=_RECENT)
        self._began = self._last = clock()
        self._tally = Tally()
        self._newest: Load | None = None

    def round(self) -> None:
        """Measure and write. A ring that is away gets later what it missed."""
        now, tally, load = self._clock(), self._count(), self._load()
        self._close_until(now)
        self._tally += tally
        self._recent.append((max(now - self._last, 0.001), tally))
        self._last = now
        current = self._sample(now, load)
        self._newest = load
        pulse = self._pulse(now, load)
        try:
            kept = self._ring.write(pulse, [*list(self._hour)[self._written :], current])
        except BrokerUnavailable as err:
            log.debug("statistics_not_written", extra={"code": err.code})
            return
        known = len(self._hour)
        self._written = known if kept > known or kept >= HOUR // BUCKET else 0

    def _close_until(self, now: float) -> None:
        """Put what was counted in the ten seconds before into the hour, once they are over."""
        at = _bucket(self._began)
        if _bucket(now) == at:
            return
        if self._newest is not None:
            if len(self._hour) == self._hour.maxlen:
                self._written = max(0, self._written - 1)
            self._hour.append(self._sample(at + BUCKET, self._newest))
        self._began, self._tally = float(_bucket(now)), Tally()

    def _sample(self, now: float, load: Load) -> Sample:
        return Sample(
            _bucket(self._began),
            round(now - self._began, 1),
            round(now, 1),
            self._place(),
            load.connections,
            load.slow,
            load.backlog,
            self._tally,
        )

    def _pulse(self, now: float, load: Load) -> Pulse:
        seconds = sum(length for length, _ in self._recent)
        recent = sum((tally for _, tally in self._recent), Tally())
        return Pulse(
            self._worker, now, load, recent.events / seconds, recent.deliveries / seconds, recent.stall
        )


def _bucket(moment: float) -> int:
    return int(moment) // BUCKET * BUCKET
