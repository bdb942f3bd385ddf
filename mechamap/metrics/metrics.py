"""What one process counts, and what Prometheus is told."""

import os
import time
from collections import defaultdict

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    disable_created_metrics,
    generate_latest,
    multiprocess,
)

from ..domain.statistics import Tally
from .aliases import PEAK, Figures, WithAliases, figures
from .background import Ingest, Outbox, Process, Webhooks
from .counts import Count, Delays
from .traffic import Browsers, Publications, Requests


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
        # connections since the start of this process, up to the last second
        self.came_total = self.went_total = 0
        # publications written when they were queued, those written later, and when that was
        self._at_once, self._later, self._written = Delays(), Delays(), Delays()
        self._deferred = False
        self._late = Delays()
        self._longest = 0.0
        self._tally = Count()
        disable_created_metrics()  # a second series for every counter, which nothing reads
        self._registry = registry = CollectorRegistry()
        self._browsers = Browsers(registry)
        self._publications = Publications(registry)
        self._requests = Requests(registry)
        self._process = Process(registry)
        self._ingest = Ingest(registry)
        self._outbox = Outbox(registry)
        self._webhooks = Webhooks(registry)
        self._kinds = {
            self._browsers.attempts: "connection",
            self._browsers.decisions: "subscription",
            self._publications.outcomes: "publication",
            self._browsers.ends: "disconnection",
        }
        self._peak = Gauge(PEAK, "See aliases.", registry=registry, multiprocess_mode="max")

    def connection(self, code: str) -> None:
        self._pending[self._browsers.attempts, code] += 1

    def disconnection(self, code: str) -> None:
        self._pending[self._browsers.ends, code] += 1

    def subscription(self, kind: str, code: str) -> None:
        self._pending[self._browsers.decisions, kind, code] += 1

    def publication(self, code: str, count: int = 1) -> None:
        self._pending[self._publications.outcomes, code] += count

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
        self._browsers.recoveries.labels(outcome).inc()

    def gap(self, reason: str, channels: int) -> None:
        self._browsers.gaps.labels(reason).inc(channels)

    def received(self, event: str) -> None:
        self._pending[self._browsers.received, event] += 1

    def limits_failed(self) -> None:
        self._pending[(self._requests.limits_failed,)] += 1

    def request(self, endpoint: str, status: int, seconds: float) -> None:
        self._pending[self._requests.answers, endpoint, status] += 1
        self._seconds += seconds

    def app_request(self, app: str, call: str, code: str) -> None:
        self._pending[self._requests.of_apps, app, call, code] += 1

    def ingested(self, code: str, count: int = 1) -> None:
        self._pending[self._ingest.events, code] += count

    def relayed(self, code: str, count: int = 1) -> None:
        self._pending[self._outbox.rows, code] += count

    def webhook_events(self, outcome: str, count: int = 1) -> None:
        self._pending[self._webhooks.events, outcome] += count

    def webhook_attempt(self, code: str) -> None:
        self._pending[self._webhooks.attempts, code] += 1

    def flush(self) -> None:
        """Write down what was counted since the last time."""
        pending, self._pending = self._pending, defaultdict(int)
        for (counter, *labels), count in pending.items():
            (counter.labels(*labels) if labels else counter).inc(count)
            if counter is self._browsers.attempts and labels == ["accepted"]:
                self.came_total += count
            elif counter is self._browsers.ends:
                self.went_total += count
            self._count(counter, labels, count)
        self._requests.seconds.inc(self._seconds)
        self._seconds = 0.0
        tally = self._tally
        self._publications.deliveries.inc(self._delivered)
        tally.deliveries += self._delivered
        self._delivered = 0
        at_once = self._at_once.take()
        written = at_once + self._written.take()
        (at_once + self._later.take()).write_to(self._publications.lag)
        written.write_to(self._publications.write_lag)
        tally.lags += written
        self._late.take().write_to(self._process.stall)
        tally.stall, self._longest = max(tally.stall, self._longest), 0.0

    def _count(self, counter: Counter, labels: list, count: int) -> None:
        """Note what the statistics want to know of it."""
        if counter is self._requests.answers:
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
        self._browsers.sample(connections=connections, subscriptions=subscriptions)
        self._process.broker_up.set(1 if broker_up else 0)

    def sample_process(self, *, slow: int, backlog: int, largest: int, memory: int) -> None:
        """Set the gauges of slow consumers (how many, bytes of all and of the worst), and of memory."""
        self._process.sample(slow=slow, backlog=backlog, largest=largest, memory=memory)

    def sample_ingest(self, *, leader: bool, waiting: int, lag: float) -> None:
        """Set the gauges of the ingester."""
        self._ingest.sample(leader=leader, waiting=waiting, lag=lag)

    def sample_outbox(self, *, leader: bool, lag: float, dead: int) -> None:
        """Set the gauges of the relay of the outbox."""
        self._outbox.sample(leader=leader, lag=lag, dead=dead)

    def sample_webhooks(self, *, leader: bool, waiting: int, lag: float, dead: int) -> None:
        """Set the gauges of the webhooks."""
        self._webhooks.sample(leader=leader, waiting=waiting, lag=lag, dead=dead)

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
