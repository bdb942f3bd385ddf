"""Prometheus metrics, summed over the workers of this machine.

With ``PROMETHEUS_MULTIPROC_DIR`` set (gunicorn.conf.py does it before any worker starts) values live in files
per process and ``render`` adds them up, those of other workers at most a second old; a dead worker's gauges
go when the arbiter marks it dead.
"""

import os
from bisect import bisect_left
from collections import defaultdict

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

from .metric_aliases import PEAK, Figures, WithAliases, figures

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """The instruments of one process; implements the hub's ``Meter``, the ``IngestMeter``, the
    ``OutboxMeter`` and the ``WebhookMeter``.

    Counts are kept in plain numbers and written down once a second (``sample``), when this process is asked
    (``render``) and at its end: a write to the shared files costs 3 µs, and a broadcast made five.
    """

    def __init__(self) -> None:
        self._pending: defaultdict[tuple, int] = defaultdict(int)
        self._seconds = 0.0
        self._delivered = 0
        # since the start of this process, up to the last second
        self.received_total = self.delivered_total = 0
        self._lags = [0] * (len(BUCKETS) + 1)
        self._lag_sum = 0.0
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
        self._recovery = Counter(
            "realtime_recoveries",
            "Clients that returned to their session, by outcome.",
            ["outcome"],
            registry=registry,
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
        self._ingested = Counter(
            "realtime_ingest_events",
            "Events heard on Laravel's Redis by outcome.",
            ["code"],
            registry=registry,
        )
        self._ingest_leader = Gauge(
            "realtime_ingest_leader",
            "1 in the worker that listens to Laravel's Redis; 1 over all of them when it is well.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._ingest_waiting = Gauge(
            "realtime_ingest_waiting",
            "Messages of Laravel's Redis that were read and not yet published.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._ingest_lag = Gauge(
            "realtime_ingest_lag_seconds",
            "How long the oldest of those has waited.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._relayed = Counter(
            "realtime_outbox_rows",
            "Rows of Laravel's outbox by outcome.",
            ["code"],
            registry=registry,
        )
        self._outbox_leader = Gauge(
            "realtime_outbox_leader",
            "1 in the worker that publishes Laravel's outbox; 1 over all of them when it is well.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._outbox_lag = Gauge(
            "realtime_outbox_lag_seconds",
            "Age of the first row of the outbox that is not published.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._outbox_dead = Gauge(
            "realtime_outbox_dead",
            "Dead letters in the outbox.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._webhook_events = Counter(
            "realtime_webhook_events",
            "Events for webhooks by what became of them.",
            ["outcome"],
            registry=registry,
        )
        self._webhook_attempts = Counter(
            "realtime_webhook_attempts",
            "Attempts to send a webhook by outcome.",
            ["code"],
            registry=registry,
        )
        self._webhook_leader = Gauge(
            "realtime_webhook_leader",
            "1 in the worker that sends the webhooks; 1 over all of them when it is well.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._webhook_waiting = Gauge(
            "realtime_webhook_waiting",
            "Events for webhooks that wait.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._webhook_lag = Gauge(
            "realtime_webhook_lag_seconds",
            "How long the first of those has waited.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._webhook_dead = Gauge(
            "realtime_webhook_dead",
            "Webhooks that were given up and lie in the table.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._app_requests = Counter(
            "realtime_app_requests",
            "Requests of apps to Pusher's HTTP API, by app, call and outcome.",
            ["app", "call", "code"],
            registry=registry,
        )
        self._requests = Counter(
            "realtime_http_requests",
            "HTTP requests by endpoint and status.",
            ["endpoint", "status"],
            registry=registry,
        )
        self._request_seconds = Counter(
            "realtime_http_request_seconds", "Seconds that those took together.", registry=registry
        )
        self._peak = Gauge(PEAK, "See metric_aliases.", registry=registry, multiprocess_mode="max")

    def connection(self, code: str) -> None:
        self._pending[self._connection, code] += 1

    def disconnection(self, code: str) -> None:
        self._pending[self._disconnection, code] += 1

    def subscription(self, kind: str, code: str) -> None:
        self._pending[self._subscription, kind, code] += 1

    def publication(self, code: str, count: int = 1) -> None:
        self._pending[self._publication, code] += count

    def delivery(self, connections: int, seconds: float) -> None:
        if connections:
            self._delivered += connections
            self._lags[bisect_left(BUCKETS, seconds)] += 1
            self._lag_sum += seconds

    def recovery(self, outcome: str) -> None:
        self._recovery.labels(outcome).inc()

    def gap(self, reason: str, channels: int) -> None:
        self._gap.labels(reason).inc(channels)

    def received(self, event: str) -> None:
        self._pending[self._received, event] += 1

    def limits_failed(self) -> None:
        self._pending[(self._limits_failed,)] += 1

    def request(self, endpoint: str, status: int, seconds: float) -> None:
        self._pending[self._requests, endpoint, status] += 1
        self._seconds += seconds

    def app_request(self, app: str, call: str, code: str) -> None:
        self._pending[self._app_requests, app, call, code] += 1

    def ingested(self, code: str, count: int = 1) -> None:
        self._pending[self._ingested, code] += count

    def relayed(self, code: str, count: int = 1) -> None:
        self._pending[self._relayed, code] += count

    def webhook_events(self, outcome: str, count: int = 1) -> None:
        self._pending[self._webhook_events, outcome] += count

    def webhook_attempt(self, code: str) -> None:
        self._pending[self._webhook_attempts, code] += 1

    def flush(self) -> None:
        """Write down what was counted since the last time."""
        pending, self._pending = self._pending, defaultdict(int)
        for (counter, *labels), count in pending.items():
            (counter.labels(*labels) if labels else counter).inc(count)
            if counter is self._received:
                self.received_total += count
        self._request_seconds.inc(self._seconds)
        self._seconds = 0.0
        self._deliveries.inc(self._delivered)
        self.delivered_total += self._delivered
        self._delivered = 0
        # What observe() of prometheus_client 0.26 does, many observations at a time.
        for bucket, count in zip(self._lag._buckets, self._lags, strict=True):
            if count:
                bucket.inc(count)
        self._lag._sum.inc(self._lag_sum)
        self._lags, self._lag_sum = [0] * len(self._lags), 0.0

    def sample(self, *, connections: int, subscriptions: int, broker_up: bool) -> None:
        """Set the gauges from what was just measured, once a second; counts are written down as well."""
        self.flush()
        self.connections.set(connections)
        self.subscriptions.set(subscriptions)
        self._broker_up.set(1 if broker_up else 0)

    def sample_ingest(self, *, leader: bool, waiting: int, lag: float) -> None:
        """Set the gauges of the ingester."""
        self._ingest_leader.set(1 if leader else 0)
        self._ingest_waiting.set(waiting)
        self._ingest_lag.set(lag)

    def sample_outbox(self, *, leader: bool, lag: float, dead: int) -> None:
        """Set the gauges of the relay of the outbox."""
        self._outbox_leader.set(1 if leader else 0)
        self._outbox_lag.set(lag)
        self._outbox_dead.set(dead)

    def sample_webhooks(self, *, leader: bool, waiting: int, lag: float, dead: int) -> None:
        """Set the gauges of the webhooks."""
        self._webhook_leader.set(1 if leader else 0)
        self._webhook_waiting.set(waiting)
        self._webhook_lag.set(lag)
        self._webhook_dead.set(dead)

    def render(self) -> tuple[bytes, str]:
        """(text, content type) for Prometheus."""
        return generate_latest(WithAliases(self._collected(), self._peak)), CONTENT_TYPE_LATEST

    def figures(self) -> Figures:
        """What monitors ask for most."""
        told = figures(self._collected().collect())
        self._peak.set(told.peak)
        return told

    def _collected(self) -> CollectorRegistry:
        self.flush()
        if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            return self._registry
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
        return registry
