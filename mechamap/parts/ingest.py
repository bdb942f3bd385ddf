"""What listens to Laravel's Redis."""

from mechamap.auth.protocol import BroadcastKey
from mechamap.broker.leadership import LEASE, MARGIN
from mechamap.broker.topology import PREFIX
from mechamap.domain.channels import Parse
from mechamap.hub.publishing import Publisher
from mechamap.ingest.ingester import Ingester, Source
from mechamap.ingest.laravel_redis import ORIGIN
from mechamap.metrics import Metrics
from mechamap.settings import Settings

from .cluster import Cluster
from .leaving import leave


def build_ingester(
    settings: Settings, cluster: Cluster, publisher: Publisher, metrics: Metrics, parse: Parse
) -> Ingester | None:
    """What listens to Laravel's Redis, where one is configured."""
    if settings.laravel_redis_url is None:
        return None
    source = Source(
        url=settings.laravel_redis_url,
        prefix=settings.laravel_redis_prefix,
        own=f"{PREFIX}:".encode(),
        max_bytes=settings.max_broadcast_bytes,
        parse=parse,
    )
    key = BroadcastKey(ORIGIN)
    leadership = cluster.leadership("ingester", LEASE, MARGIN)
    return Ingester(source, leadership, lambda series: publisher.publish_many(key, series), metrics, leave)
