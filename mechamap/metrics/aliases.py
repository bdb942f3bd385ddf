"""The metric names of the application's former server, with true values, beside ours.

Its ``notifications_total``, which was always 0, is missing: notifications are not told from other events.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

PEAK = "websocket_connections_peak"
_REFUSED = ("token_", "user_", "development_token")
"""How the codes begin that are of a token that was refused, or of its user."""


class Collected(Protocol):
    """Where metrics come from."""

    def collect(self) -> Iterable[Metric]: ...


class Peak(Protocol):
    """Remembers the most there ever was, for all processes."""

    def set(self, value: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Figures:
    """What monitors ask for most, summed over the workers of this machine since it was started.

    Attributes:
        connections, peak: of this moment; the most of the moments at which metrics were read.
        accepted, refused: browsers that signed in; those whose token, or its user, was refused.
        published, delivered: publications accepted here; events queued for browsers.
        requests, request_ms: answers to HTTP requests, and how many milliseconds one took on average.
    """

    connections: int
    peak: int
    accepted: int
    refused: int
    published: int
    delivered: int
    requests: int
    request_ms: float


def figures(metrics: Iterable[Metric]) -> Figures:
    """The figures in metrics that were collected."""
    sums: dict[str, float] = {}
    refused = 0.0
    for metric in metrics:
        for sample in metric.samples:
            code = sample.labels.get("code", "")
            name = sample.name
            if name in ("realtime_connection_attempts_total", "realtime_publications_total"):
                if code.startswith(_REFUSED) and name == "realtime_connection_attempts_total":
                    refused += sample.value
                if code != "accepted":
                    continue
            sums[name] = sums.get(name, 0.0) + sample.value
    connections = int(sums.get("realtime_connections", 0))
    requests = int(sums.get("realtime_http_requests_total", 0))
    seconds = sums.get("realtime_http_request_seconds_total", 0.0)
    return Figures(
        connections=connections,
        peak=max(connections, int(sums.get(PEAK, 0))),
        accepted=int(sums.get("realtime_connection_attempts_total", 0)),
        refused=int(refused),
        published=int(sums.get("realtime_publications_total", 0)),
        delivered=int(sums.get("realtime_deliveries_total", 0)),
        requests=requests,
        request_ms=round(seconds * 1000 / requests, 3) if requests else 0.0,
    )


class WithAliases:
    """What a registry collects, followed by the same under the former names."""

    def __init__(self, collected: Collected, peak: Peak) -> None:
        self._collected = collected
        self._peak = peak

    def collect(self) -> Iterator[Metric]:
        found = list(self._collected.collect())
        told = figures(found)
        self._peak.set(told.peak)
        yield from (metric for metric in found if metric.name != PEAK)
        yield from _aliases(told)


def _aliases(told: Figures) -> Iterator[Metric]:
    yield CounterMetricFamily(
        "websocket_connections", "Former name: browsers that signed in.", value=told.accepted
    )
    yield GaugeMetricFamily(
        "websocket_connections_active", "Former name of realtime_connections.", value=told.connections
    )
    yield GaugeMetricFamily(
        PEAK, "The most connections at one of the moments when metrics were read.", value=told.peak
    )
    yield CounterMetricFamily("http_requests", "Former name: answers to HTTP requests.", value=told.requests)
    yield GaugeMetricFamily(
        "http_request_duration_ms", "Former name: how long one took on average.", value=told.request_ms
    )
    attempts = CounterMetricFamily(
        "auth_attempts", "Former name: browsers that signed in, and that were refused.", labels=["result"]
    )
    attempts.add_metric(["success"], told.accepted)
    attempts.add_metric(["failure"], told.refused)
    yield attempts
