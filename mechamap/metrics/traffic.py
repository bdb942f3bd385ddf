"""The instruments of what comes and goes: browsers, publications, HTTP requests."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ..domain.statistics import LAG_BOUNDS


class Browsers:
    """Connections of browsers, and what they ask for."""

    def __init__(self, registry: CollectorRegistry) -> None:
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
        self.attempts = Counter(
            "realtime_connection_attempts", "Connection attempts by outcome.", ["code"], registry=registry
        )
        self.ends = Counter(
            "realtime_disconnections", "Ended connections by reason.", ["code"], registry=registry
        )
        self.decisions = Counter(
            "realtime_subscription_decisions",
            "Subscriptions judged, by channel kind and outcome.",
            ["kind", "code"],
            registry=registry,
        )
        self.recoveries = Counter(
            "realtime_recoveries",
            "Clients that returned to their session, by outcome.",
            ["outcome"],
            registry=registry,
        )
        self.gaps = Counter(
            "realtime_channel_gaps",
            "Channels of which a worker may have missed events while its broker link was down.",
            ["reason"],
            registry=registry,
        )
        self.received = Counter(
            "realtime_received_events", "Events sent by browsers.", ["event"], registry=registry
        )

    def sample(self, *, connections: int, subscriptions: int) -> None:
        self.connections.set(connections)
        self.subscriptions.set(subscriptions)


class Publications:
    """What was published, and when it was queued and written."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.outcomes = Counter(
            "realtime_publications", "Publications by outcome.", ["code"], registry=registry
        )
        self.deliveries = Counter("realtime_deliveries", "Events queued for browsers.", registry=registry)
        self.lag = Histogram(
            "realtime_delivery_lag_seconds",
            "From the acceptance of a publication until it was queued for a worker's browsers.",
            registry=registry,
            buckets=LAG_BOUNDS,
        )
        self.write_lag = Histogram(
            "realtime_write_lag_seconds",
            "From the acceptance of a publication until it was offered to a worker's sockets.",
            registry=registry,
            buckets=LAG_BOUNDS,
        )


class Requests:
    """HTTP requests, those of apps, and limits that could not be asked."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.limits_failed = Counter(
            "realtime_rate_limit_failures",
            "Checks let through because their storage was away.",
            registry=registry,
        )
        self.of_apps = Counter(
            "realtime_app_requests",
            "Requests of apps to Pusher's HTTP API, by app, call and outcome.",
            ["app", "call", "code"],
            registry=registry,
        )
        self.answers = Counter(
            "realtime_http_requests",
            "HTTP requests by endpoint and status.",
            ["endpoint", "status"],
            registry=registry,
        )
        self.seconds = Counter(
            "realtime_http_request_seconds", "Seconds that those took together.", registry=registry
        )
