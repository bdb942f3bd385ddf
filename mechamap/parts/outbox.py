"""What publishes the rows of Laravel's outbox."""

from mechamap.auth.protocol import BroadcastKey
from mechamap.broker.leadership import LEASE, MARGIN
from mechamap.domain.channels import Parse
from mechamap.hub.publishing import Publisher
from mechamap.metrics import Metrics
from mechamap.outbox.backlog import Backlog
from mechamap.outbox.pace import Pace
from mechamap.outbox.protocol import ORIGIN
from mechamap.outbox.relay import Relay
from mechamap.settings import Settings
from mechamap.store.laravel.outbox import OutboxRows

from .cluster import Cluster
from .leaving import leave


def build_outbox(
    settings: Settings,
    cluster: Cluster,
    publisher: Publisher,
    metrics: Metrics,
    rows: OutboxRows,
    parse: Parse,
) -> Relay | None:
    """What publishes the rows of Laravel's outbox, where it is on."""
    if not settings.outbox:
        return None
    key = BroadcastKey(ORIGIN)
    backlog = Backlog(
        rows,
        lambda series: publisher.publish_many(key, series),
        metrics,
        max_bytes=settings.max_broadcast_bytes,
        parse=parse,
    )
    pace = Pace(settings.outbox_poll_ms / 1000, settings.outbox_idle_poll_ms / 1000)
    return Relay(backlog, cluster.leadership("outbox", LEASE, MARGIN), pace, on_lost=leave)
