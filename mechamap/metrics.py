"""Prometheus metrics, summed over the workers of this machine.

With ``PROMETHEUS_MULTIPROC_DIR`` set (gunicorn.conf.py does it before any worker starts) values live in files
per process and ``render`` adds them up; a dead worker's gauges go when the arbiter marks it dead.
"""

import os

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    multiprocess,
)

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """The instruments of one process; implements the hub's ``Meter``."""

    def __init__(self) -> None:
        disable_created_metrics()  # a second series for every counter, which nothing reads
        self._registry = registry = CollectorRegistry()
        self.connections = Gauge(
            "realtime_connections",
            "Accepted browser connections.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.subscriptions = Gauge(
            "realtime_subscriptions",
            "Subscriptions of those connections.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._broker_up = Gauge(
            "realtime_broker_up",
            "1 while the worker's broker link works.",
            registry=registry,
            multiprocess_mode="livemin",
        )
        self._connection = Counter(
            "realtime_connection_attempts", "Connection attempts by outcome.", ["code"], registry=registry
        )
        self._disconnection = Counter(
            "realtime_disconnections", "Ended connections by reason.", ["code"], registry=registry
        )
        self._subscription = Counter(
            "realtime_subscription_decisions",
            "Subscriptions judged, by channel kind and outcome.",
            ["kind", "code"],
            registry=registry,
        )
        self._publication = Counter(
            "realtime_publications", "Publications by outcome.", ["code"], registry=registry
        )
        self._deliveries = Counter("realtime_deliveries", "Events queued for browsers.", registry=registry)
        self._lag = Histogram(
            "realtime_delivery_lag_seconds",
            "From the acceptance of a publication until it was queued for a worker's browsers.",
            registry=registry,
            buckets=BUCKETS,
        )
        self._gap = Counter(
            "realtime_channel_gaps",
            "Channels of which a worker may have missed events while its broker link was down.",
            ["reason"],
            registry=registry,
        )
        self._received = Counter(
            "realtime_received_events", "Events sent by browsers.", ["event"], registry=registry
        )
        self._limits_failed = Counter(
            "realtime_rate_limit_failures",
            "Checks let through because their storage was away.",
            registry=registry,
        )
        self._requests = Counter(
            "realtime_http_requests",
            "HTTP requests by endpoint and status.",
            ["endpoint", "status"],
            registry=registry,
        )

    def connection(self, code: str) -> None:
        self._connection.labels(code).inc()

    def disconnection(self, code: str) -> None:
        self._disconnection.labels(code).inc()

    def subscription(self, kind: str, code: str) -> None:
        self._subscription.labels(kind, code).inc()

    def publication(self, code: str) -> None:
        self._publication.labels(code).inc()

    def delivery(self, connections: int, seconds: float) -> None:
        self._deliveries.inc(connections)
        if connections:
            self._lag.observe(seconds)

    def gap(self, reason: str, channels: int) -> None:
        self._gap.labels(reason).inc(channels)

    def received(self, event: str) -> None:
        self._received.labels(event).inc()

    def limits_failed(self) -> None:
        self._limits_failed.inc()

    def request(self, endpoint: str, status: int) -> None:
        self._requests.labels(endpoint, str(status)).inc()

    def sample(self, *, connections: int, subscriptions: int, broker_up: bool) -> None:
        """Set the gauges from what was just measured."""
        self.connections.set(connections)
        self.subscriptions.set(subscriptions)
        self._broker_up.set(1 if broker_up else 0)

    def render(self) -> tuple[bytes, str]:
        """(text, content type) for Prometheus."""
        registry = self._registry
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)
        return generate_latest(registry), CONTENT_TYPE_LATEST
