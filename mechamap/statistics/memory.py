"""The hour of one worker, in its own memory: it ends with the process."""

import time
from collections.abc import Callable, Sequence

from mechamap.domain.statistics import BUCKET, HOUR, Pulse, Sample

from .protocol import Reading


class MemoryRing:
    """``Ring`` for a worker that joins no others."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._pulse: Pulse | None = None
        self._samples: dict[int, Sample] = {}  # by the place in the ring
        self._clock = clock

    def write(self, pulse: Pulse, samples: Sequence[Sample]) -> int:
        self._pulse = pulse
        for sample in samples:
            self._samples[sample.at // BUCKET % (HOUR // BUCKET)] = sample
        return len(self._samples)

    def read(self, since: int) -> Reading:
        oldest = max(since, int(self._clock()) - HOUR)
        return Reading(
            () if self._pulse is None else (self._pulse,),
            tuple(sample for sample in self._samples.values() if sample.at >= oldest),
        )
