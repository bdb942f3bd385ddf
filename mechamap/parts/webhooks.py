"""What tells Laravel of its channels."""

from mechamap.auth.pusher import AppRegistry
from mechamap.domain.webhooks import WebhookEvent
from mechamap.metrics import Metrics
from mechamap.settings import Settings
from mechamap.store.webhooks import WebhookFailures
from mechamap.webhooks.delivery import Delivery
from mechamap.webhooks.observer import WebhookObserver
from mechamap.webhooks.occupancy import Occupancy
from mechamap.webhooks.webhooks import LEASE, MARGIN, Webhooks

from .cluster import Cluster
from .leaving import leave


def build_webhooks(
    settings: Settings,
    cluster: Cluster,
    registry: AppRegistry,
    letters: WebhookFailures,
    metrics: Metrics,
) -> Webhooks | None:
    """What tells Laravel of its channels, where it wants to know."""
    app = settings.webhook_app
    if not settings.webhook_urls or app is None:
        return None
    deliveries = [Delivery(url, lambda: registry.signing_keys(app)) for url in settings.webhook_urls]
    queues = cluster.queues([each.name for each in deliveries])
    events = settings.webhook_events
    observer = WebhookObserver(queues, events, metrics)
    occupancy = None
    if WebhookEvent.CHANNEL_OCCUPIED in events or WebhookEvent.CHANNEL_VACATED in events:
        occupancy = Occupancy(cluster.broker.channels, queues, observer.add, events)
    leadership = cluster.leadership("webhooks-leader", LEASE, MARGIN)
    return Webhooks(deliveries, queues, observer, occupancy, letters, leadership, metrics, leave)
