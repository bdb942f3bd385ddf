"""Prometheus metrics, summed over the workers of this machine.

With ``PROMETHEUS_MULTIPROC_DIR`` set (gunicorn.conf.py does it before any worker starts) values live in files
per process and ``render`` adds them up, those of other workers at most a second old; a dead worker's gauges
go when the arbiter marks it dead.
"""

import os
import time
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

from .domain.statistics import LAG_BOUNDS as BUCKETS
from .domain.statistics import Tally
from .metric_aliases import PEAK, Figures, WithAliases, figures
from .metric_counts import Count, Delays


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
        # publications written when they were queued, those written later, and when that was
        self._at_once, self._later, self._written = Delays(), Delays(), Delays()
        self._deferred = False
        self._late = Delays()
        self._longest = 0.0
        self._tally = Count()
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
        self._write_lag = Histogram(
            "realtime_write_lag_seconds",
            "From the acceptance of a publication until it was offered to a worker's sockets.",
            registry=registry,
            buckets=BUCKETS,
        )
        self._stall = Histogram(
            "realtime_loop_lateness_seconds",
            "How late a timer of the worker's loop comes, twenty times a second.",
            registry=registry,
            buckets=BUCKETS,
        )
        self._slow = Gauge(
            "realtime_slow_consumers",
            "Connections whose socket takes no more.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._backlog = Gauge(
            "realtime_backlog_bytes",
            "Bytes that wait for those connections.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._largest = Gauge(
            "realtime_backlog_largest_bytes",
            "The most that waits for one of them.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._memory = Gauge(
            "realtime_memory_bytes",
            "Resident memory of the workers.",
            registry=registry,
            multiprocess_mode="livesum",
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
        self._kinds = {
            self._connection: "connection",
            self._subscription: "subscription",
            self._publication: "publication",
            self._disconnection: "disconnection",
        }
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
            if self._deferred:
                self._deferred = False
                self._later.observe(seconds)
            else:
                self._at_once.observe(seconds)

    def deferred(self) -> None:
        """The next delivery is not written yet."""
        self._deferred = True

    def written(self, accepted_at: float) -> None:
        """A publication that was accepted then was offered to every recipient's socket."""
        self._written.observe(max(0.0, time.time() - accepted_at))

    def late(self, seconds: float) -> None:
        """The loop came so late to a timer."""
        self._late.observe(seconds)
        if seconds > self._longest:
            self._longest = seconds

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
            self._count(counter, labels, count)
        self._request_seconds.inc(self._seconds)
        self._seconds = 0.0
        tally = self._tally
        self._deliveries.inc(self._delivered)
        self.delivered_total += self._delivered
        tally.deliveries += self._delivered
        self._delivered = 0
        at_once = self._at_once.take()
        written = at_once + self._written.take()
        (at_once + self._later.take()).write_to(self._lag)
        written.write_to(self._write_lag)
        tally.lags += written
        self._late.take().write_to(self._stall)
        tally.stall, self._longest = max(tally.stall, self._longest), 0.0

    def _count(self, counter: Counter, labels: list, count: int) -> None:
        """Note what the statistics want to know of it."""
        if counter is self._requests:
            self._tally.add_requests(labels[-1], count)
        elif counter in self._kinds:
            self._tally.add_code(self._kinds[counter], labels[-1], count)

    def take(self) -> Tally:
        """What this process counted since the last call; what Prometheus is told goes on as before."""
        self.flush()
        count, self._tally = self._tally, Count()
        return count.tally()

    def sample(self, *, connections: int, subscriptions: int, broker_up: bool) -> None:
        """Set the gauges from what was just measured, once a second; counts are written down as well."""
        self.flush()
        self.connections.set(connections)
        self.subscriptions.set(subscriptions)
        self._broker_up.set(1 if broker_up else 0)

    def sample_process(self, *, slow: int, backlog: int, largest: int, memory: int) -> None:
        """Set the gauges of slow consumers (how many, bytes of all and of the worst), and of memory."""
        self._slow.set(slow)
        self._backlog.set(backlog)
        self._largest.set(largest)
        self._memory.set(memory)

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
