"""What ``Metrics`` counts in plain numbers before it writes them down: delays, and a tally that grows."""

from bisect import bisect_left
from collections import defaultdict

from prometheus_client import Histogram

from ..domain.statistics import LAG_BOUNDS, Tally


class Delays:
    """Observations of one histogram, in plain numbers until they are written down."""

    __slots__ = ("classes", "sum")

    def __init__(self) -> None:
        self.classes = [0] * (len(LAG_BOUNDS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        self.classes[bisect_left(LAG_BOUNDS, seconds)] += 1
        self.sum += seconds

    def take(self) -> "Delays":
        """All of them; none are left."""
        taken = Delays()
        taken.classes, self.classes = self.classes, taken.classes
        taken.sum, self.sum = self.sum, 0.0
        return taken

    def __add__(self, other: "Delays") -> "Delays":
        both = Delays()
        both.classes = [one + another for one, another in zip(self.classes, other.classes, strict=True)]
        both.sum = self.sum + other.sum
        return both

    def write_to(self, histogram: Histogram) -> None:
        """What observe() of prometheus_client 0.26 does, many observations at a time."""
        for bucket, count in zip(histogram._buckets, self.classes, strict=True):
            if count:
                bucket.inc(count)
        histogram._sum.inc(self.sum)


class Count:
    """A ``Tally`` that grows."""

    def __init__(self) -> None:
        self.events = self.deliveries = self.errors = 0
        self.lags = Delays()
        self.codes: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
        self.stall = 0.0

    def add_code(self, kind: str, code: str, count: int) -> None:
        """So many more of the kind ended in the code."""
        self.codes[kind][str(code)] += count
        if kind == "publication" and code == "accepted":
            self.events += count

    def add_requests(self, status: int, count: int) -> None:
        """So many more HTTP answers of that status."""
        if status >= 500:
            self.errors += count

    def tally(self) -> Tally:
        codes = {kind: dict(counts) for kind, counts in self.codes.items()}
        lags = tuple(self.lags.classes)
        return Tally(self.events, self.deliveries, lags, codes, self.errors, self.stall)
