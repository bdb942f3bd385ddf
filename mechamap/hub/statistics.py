"""The last hour and this moment of the whole cluster: what the console, the command line and charts show."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from mechamap.domain.statistics import BUCKET, HOUR, Moment, Pulse, Sample, Tally, merged, quantile, summed
from mechamap.presence.protocol import WorkerRecord
from mechamap.statistics.protocol import Ring

_SETTLED = 60
"""Seconds after which a sample is taken for final, and for how long final ones are not read again."""
_BEGUN = 4
"""Seconds within which all live workers have written of the newest moment: each writes every two."""
_RECENT = 60
"""Seconds over which delays of this moment are taken."""


@dataclass(frozen=True, slots=True)
class WorkerFigures:
    """One live worker. ``pulse`` is None until it has measured itself, two seconds after its start."""

    record: WorkerRecord
    pulse: Pulse | None


@dataclass(frozen=True, slots=True)
class Figures:
    """The cluster now.

    Attributes:
        events, deliveries: per second, over the last ten seconds.
        p50, p99: seconds from acceptance until offered to every recipient's socket, over the last minute;
            None if nothing was delivered in it.
        slow, backlog, largest: clients that do not read, bytes that wait for them, and for the worst.
        stall: the longest that a worker's loop was late in the last ten seconds.
    """

    events: float
    deliveries: float
    p50: float | None
    p99: float | None
    slow: int
    backlog: int
    largest: int
    stall: float


@dataclass(frozen=True, slots=True)
class Overview:
    """``total`` is what was counted in the last hour, ``hour`` its moments, oldest first, the newest
    once all workers have told of it; holes are times without any worker."""

    at: float
    workers: list[WorkerFigures]
    figures: Figures
    total: Tally
    hour: list[Moment]

    def shown(self, *, hour: bool = True) -> dict[str, Any]:
        """For JSON; the moments without what each of them counted."""
        found: dict[str, Any] = {
            "at": self.at,
            "figures": asdict(self.figures),
            "workers": [shown_worker(each) for each in self.workers],
            "last_hour": {
                "events": self.total.events,
                "deliveries": self.total.deliveries,
                "errors": self.total.errors,
                "codes": self.total.codes,
            },
        }
        if hour:
            found["hour"] = [moment_row(moment) for moment in self.hour]
        return found


def shown_worker(worker: WorkerFigures) -> dict[str, Any]:
    """A worker's record, and beside it what it measured."""
    measured = None if worker.pulse is None else asdict(worker.pulse)
    return {**asdict(worker.record), "measured": measured}


def moment_row(moment: Moment) -> dict[str, Any]:
    """One moment for JSON."""
    return {
        "at": moment.at,
        "connections": moment.connections,
        "events": round(moment.events, 2),
        "deliveries": round(moment.deliveries, 2),
        "p50": moment.p50,
        "p99": moment.p99,
        "stall": round(moment.stall, 4),
        "slow": moment.slow,
    }


class ClusterStatistics:
    """Reads what workers wrote. While nobody asks it does nothing; who asks often causes one small read."""

    def __init__(self, ring: Ring, clock: Callable[[], float] = time.time) -> None:
        self._ring = ring
        self._clock = clock
        self._final: dict[int, Moment] = {}
        self._read_at = float("-inf")

    def overview(self, workers: list[WorkerRecord]) -> Overview:
        """The statistics, and these live workers with what they measured.

        Raises:
            BrokerUnavailable
        """
        now = self._clock()
        fresh = now - self._read_at < _SETTLED
        reading = self._ring.read(int(now) - 2 * _SETTLED if fresh else int(now) - HOUR)
        by_time: dict[int, list[Sample]] = {}
        for sample in reading.samples:
            by_time.setdefault(sample.at, []).append(sample)
        found = {at: merged(at, samples) for at, samples in by_time.items()}
        if fresh:
            found = {**self._final, **found}
        else:
            self._read_at = now
        oldest = int(now) - HOUR
        found = {at: found[at] for at in sorted(found) if at >= oldest}
        self._final = {at: moment for at, moment in found.items() if at < now - BUCKET}
        pulses = {pulse.worker: pulse for pulse in reading.pulses}
        rows = [WorkerFigures(worker, pulses.get(worker.id)) for worker in workers]
        hour = list(found.values())
        figures, total = _figures(rows, hour, now), _total(hour)
        if len(hour) > 1 and _incomplete(by_time.get(hour[-1].at, []), rows, now):
            hour = hour[:-1]
        return Overview(now, rows, figures, total, hour)


def _incomplete(samples: list[Sample], workers: list[WorkerFigures], now: float) -> bool:
    """Whether the moment has only begun: shown now, lines would fall to what those say who came first."""
    if not samples or now - samples[0].at >= _BEGUN:
        return False
    measuring = sum(worker.pulse is not None for worker in workers)
    return len(samples) < measuring or any(sample.seconds < 1 for sample in samples)


def _figures(workers: list[WorkerFigures], hour: list[Moment], now: float) -> Figures:
    pulses = [each.pulse for each in workers if each.pulse is not None]
    recent = [moment.tally.lags for moment in hour if moment.at > now - _RECENT - BUCKET]
    lags = [sum(classes) for classes in zip(*recent, strict=True)]
    return Figures(
        sum(pulse.events_per_second for pulse in pulses),
        sum(pulse.deliveries_per_second for pulse in pulses),
        quantile(lags, 0.5),
        quantile(lags, 0.99),
        sum(pulse.load.slow for pulse in pulses),
        sum(pulse.load.backlog for pulse in pulses),
        max((pulse.load.largest for pulse in pulses), default=0),
        max((pulse.stall for pulse in pulses), default=0.0),
    )


def _total(hour: list[Moment]) -> Tally:
    return Tally(
        events=sum(moment.tally.events for moment in hour),
        deliveries=sum(moment.tally.deliveries for moment in hour),
        codes=summed(moment.tally.codes for moment in hour),
        errors=sum(moment.tally.errors for moment in hour),
        stall=max((moment.tally.stall for moment in hour), default=0.0),
    )
