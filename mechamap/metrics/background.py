"""The instruments of the workers, and of what they do besides: Laravel's Redis, its outbox, webhooks."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ..domain.statistics import LAG_BOUNDS


class Process:
    """A worker: its link, its loop, its memory, and what its clients do not take."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.broker_up = Gauge(
            "realtime_broker_up",
            "1 while the worker's broker link works.",
            registry=registry,
            multiprocess_mode="livemin",
        )
        self.stall = Histogram(
            "realtime_loop_lateness_seconds",
            "How late a timer of the worker's loop comes: twenty times a second, five times at rest.",
            registry=registry,
            buckets=LAG_BOUNDS,
        )
        self.slow = Gauge(
            "realtime_slow_consumers",
            "Connections whose socket takes no more.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.backlog = Gauge(
            "realtime_backlog_bytes",
            "Bytes that wait for those connections.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.largest = Gauge(
            "realtime_backlog_largest_bytes",
            "The most that waits for one of them.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.memory = Gauge(
            "realtime_memory_bytes",
            "Resident memory of the workers.",
            registry=registry,
            multiprocess_mode="livesum",
        )

    def sample(self, *, slow: int, backlog: int, largest: int, memory: int) -> None:
        self.slow.set(slow)
        self.backlog.set(backlog)
        self.largest.set(largest)
        self.memory.set(memory)


class Ingest:
    """What listens to Laravel's Redis."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.events = Counter(
            "realtime_ingest_events",
            "Events heard on Laravel's Redis by outcome.",
            ["code"],
            registry=registry,
        )
        self.leader = Gauge(
            "realtime_ingest_leader",
            "1 in the worker that listens to Laravel's Redis; 1 over all of them when it is well.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.waiting = Gauge(
            "realtime_ingest_waiting",
            "Messages of Laravel's Redis that were read and not yet published.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.lag = Gauge(
            "realtime_ingest_lag_seconds",
            "How long the oldest of those has waited.",
            registry=registry,
            multiprocess_mode="livemax",
        )

    def sample(self, *, leader: bool, waiting: int, lag: float) -> None:
        self.leader.set(1 if leader else 0)
        self.waiting.set(waiting)
        self.lag.set(lag)


class Outbox:
    """What publishes Laravel's outbox."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.rows = Counter(
            "realtime_outbox_rows",
            "Rows of Laravel's outbox by outcome.",
            ["code"],
            registry=registry,
        )
        self.leader = Gauge(
            "realtime_outbox_leader",
            "1 in the worker that publishes Laravel's outbox; 1 over all of them when it is well.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.lag = Gauge(
            "realtime_outbox_lag_seconds",
            "Age of the first row of the outbox that is not published.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.dead = Gauge(
            "realtime_outbox_dead",
            "Dead letters in the outbox.",
            registry=registry,
            multiprocess_mode="livemax",
        )

    def sample(self, *, leader: bool, lag: float, dead: int) -> None:
        self.leader.set(1 if leader else 0)
        self.lag.set(lag)
        self.dead.set(dead)


class Webhooks:
    """What tells Laravel of its channels."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.events = Counter(
            "realtime_webhook_events",
            "Events for webhooks by what became of them.",
            ["outcome"],
            registry=registry,
        )
        self.attempts = Counter(
            "realtime_webhook_attempts",
            "Attempts to send a webhook by outcome.",
            ["code"],
            registry=registry,
        )
        self.leader = Gauge(
            "realtime_webhook_leader",
            "1 in the worker that sends the webhooks; 1 over all of them when it is well.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.waiting = Gauge(
            "realtime_webhook_waiting",
            "Events for webhooks that wait.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.lag = Gauge(
            "realtime_webhook_lag_seconds",
            "How long the first of those has waited.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.dead = Gauge(
            "realtime_webhook_dead",
            "Webhooks that were given up and lie in the table.",
            registry=registry,
            multiprocess_mode="livemax",
        )

    def sample(self, *, leader: bool, waiting: int, lag: float, dead: int) -> None:
        self.leader.set(1 if leader else 0)
        self.waiting.set(waiting)
        self.lag.set(lag)
        self.dead.set(dead)
