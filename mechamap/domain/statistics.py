"""What workers measure of themselves, in samples of ten seconds, and what the samples of all say together."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

BUCKET = 10
"""Seconds of one sample."""
HOUR = 3_600
"""Seconds that are kept."""
LAG_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds of the classes of a histogram of delays, in seconds; one more class is above the last."""
MOST_CODES = 40
"""Codes of one kind in one sample; the rarer ones are summed up as ``other``."""

Codes = Mapping[str, Mapping[str, int]]
"""Kind of thing (``connection``, ``subscription``, ``publication``, ``disconnection``) → code → how often."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What one worker counted since it was last asked.

    Attributes:
        events: publications that were accepted.
        deliveries: events queued for browsers.
        lags: publications by the time from acceptance until they were offered to every recipient's socket.
        errors: HTTP answers of 500 and above.
        stall: the longest that the worker's loop was late, in seconds.
    """

    events: int = 0
    deliveries: int = 0
    lags: tuple[int, ...] = (0,) * (len(LAG_BOUNDS) + 1)
    codes: Codes = field(default_factory=dict)
    errors: int = 0
    stall: float = 0.0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.events + other.events,
            self.deliveries + other.deliveries,
            tuple(map(sum, zip(self.lags, other.lags, strict=True))),
            summed((self.codes, other.codes)),
            self.errors + other.errors,
            max(self.stall, other.stall),
        )


@dataclass(frozen=True, slots=True)
class Load:
    """What a worker carries at this moment.

    Attributes:
        slow: connections whose socket takes no more at the moment.
        backlog: bytes that wait for those; ``largest`` is the most that waits for one.
        memory: resident bytes.
        broker: whether its link to the broker works.
    """

    connections: int
    subscriptions: int
    slow: int
    backlog: int
    largest: int
    memory: int
    broker: bool


@dataclass(frozen=True, slots=True)
class Sample:
    """One worker's ten seconds, or the beginning of them.

    Attributes:
        at: when they began, Unix seconds, a multiple of ``BUCKET``.
        seconds: how many of them are in it.
        until: when it ended, Unix seconds.
        place: host and slot: who takes a dead worker's place follows it there.
        connections, slow, backlog: at the end.
    """

    at: int
    seconds: float
    until: float
    place: str
    connections: int
    slow: int
    backlog: int
    tally: Tally


@dataclass(frozen=True, slots=True)
class Pulse:
    """One worker now. ``at`` is when it was measured, the rates are of the ten seconds before."""

    worker: str
    at: float
    load: Load
    events_per_second: float
    deliveries_per_second: float
    stall: float


@dataclass(frozen=True, slots=True)
class Moment:
    """Ten seconds of the whole cluster. The rates are per second, ``p50`` and ``p99`` in seconds and None
    where nothing was delivered."""

    at: int
    connections: int
    events: float
    deliveries: float
    p50: float | None
    p99: float | None
    stall: float
    slow: int
    tally: Tally


def merged(at: int, samples: Sequence[Sample]) -> Moment:
    """What the samples of that time say together.

    Of two workers in one place the later has its connections: the other one is dead.
    """
    tally = sum((sample.tally for sample in samples), Tally())
    latest = {sample.place: sample for sample in sorted(samples, key=lambda each: each.until)}
    events = sum(sample.tally.events / max(sample.seconds, 1.0) for sample in samples)
    deliveries = sum(sample.tally.deliveries / max(sample.seconds, 1.0) for sample in samples)
    return Moment(
        at,
        sum(sample.connections for sample in latest.values()),
        events,
        deliveries,
        quantile(tally.lags, 0.5),
        quantile(tally.lags, 0.99),
        tally.stall,
        sum(sample.slow for sample in latest.values()),
        tally,
    )


def quantile(classes: Sequence[int], part: float) -> float | None:
    """The delay that ``part`` of all stay below, by Prometheus' rule (``histogram_quantile``): linear within
    a class, and never above the last bound. None for an empty histogram."""
    total = sum(classes)
    if not total:
        return None
    wanted, below, lower = part * total, 0, 0.0
    for upper, count in zip(LAG_BOUNDS, classes, strict=False):
        if count and below + count >= wanted:
            return lower + (upper - lower) * (wanted - below) / count
        below += count
        lower = upper
    return LAG_BOUNDS[-1]


def summed(many: Iterable[Codes]) -> dict[str, dict[str, int]]:
    """The counts of all, by kind and code."""
    totals: dict[str, Counter[str]] = {}
    for codes in many:
        for kind, counts in codes.items():
            totals.setdefault(kind, Counter()).update(counts)
    return {kind: _bounded(counts) for kind, counts in totals.items()}


def _bounded(counts: Counter[str]) -> dict[str, int]:
    if len(counts) <= MOST_CODES:
        return dict(counts)
    kept = dict(counts.most_common(MOST_CODES - 1))
    kept["other"] = kept.get("other", 0) + sum(counts.values()) - sum(kept.values())
    return kept
