"""What the workers share: kept in one process, or in Redis. Nowhere else is that chosen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from redis import ConnectionPool

from mechamap.broker.connection import command_client, command_pool
from mechamap.broker.inquiries import LocalInquiries, RedisInquiries
from mechamap.broker.leadership import Alone, Leadership, LeasedLeadership
from mechamap.broker.memory import MemoryBroker
from mechamap.broker.rates import LocalRates, RedisRates
from mechamap.broker.redis import RedisBroker
from mechamap.broker.topology import PREFIX
from mechamap.broker.turns import LocalTurns, RedisTurns
from mechamap.hub.typing import FORGOTTEN
from mechamap.laravel.shared import RedisUsers, SharedUsers
from mechamap.presence.memory import MemoryRoster
from mechamap.presence.memory_members import MemoryMembers
from mechamap.presence.redis import RedisRoster
from mechamap.presence.redis_members import RedisMembers
from mechamap.presence.redis_typists import RedisTypists
from mechamap.presence.typists import MemoryTypists
from mechamap.recovery.memory import MemorySessions
from mechamap.recovery.redis import RedisSessions
from mechamap.settings import Settings
from mechamap.statistics.memory import MemoryRing
from mechamap.statistics.redis import RedisRing
from mechamap.webhooks.memory_queues import MemoryQueues
from mechamap.webhooks.protocol import Queues
from mechamap.webhooks.redis_queues import RedisQueues

from .leaving import leave


@dataclass(frozen=True, slots=True)
class Cluster:
    """One worker's share of it.

    Attributes:
        limits: connections for the rate limits that all workers keep together; None in one process.
        queues: (names of receivers) → what waits for them.
        leadership: (of what, lease, margin) → who of the workers does what only one may; seconds.
        shared_users: where verified users are remembered for all workers; None in one process.
    """

    worker_id: str
    broker: MemoryBroker | RedisBroker
    roster: MemoryRoster | RedisRoster
    sessions: MemorySessions | RedisSessions
    members: MemoryMembers | RedisMembers
    turns: LocalTurns | RedisTurns
    asking: LocalInquiries | RedisInquiries
    rates: LocalRates | RedisRates
    ring: MemoryRing | RedisRing
    typists: MemoryTypists | RedisTypists
    limits: ConnectionPool | None
    queues: Callable[[Sequence[str]], Queues]
    leadership: Callable[[str, float, float], Leadership]
    shared_users: Callable[[], SharedUsers | None]


def build_cluster(settings: Settings, worker_id: str) -> Cluster:
    """In Redis where one is configured."""
    if settings.redis_url is None:
        return _in_process(settings, worker_id)
    return _on_redis(settings.redis_url, settings, worker_id)


def _in_process(settings: Settings, worker_id: str) -> Cluster:
    return Cluster(
        worker_id=worker_id,
        broker=MemoryBroker(settings.history, remember=settings.idempotency_seconds),
        roster=MemoryRoster(worker_id),
        sessions=MemorySessions(settings.recovery_seconds),
        members=MemoryMembers(settings.presence_grace_seconds),
        turns=LocalTurns(),
        asking=LocalInquiries(worker_id),
        rates=LocalRates(),
        ring=MemoryRing(),
        typists=MemoryTypists(FORGOTTEN),
        limits=None,
        queues=MemoryQueues,
        leadership=lambda of, lease, margin: Alone(),
        shared_users=lambda: None,
    )


def _on_redis(url: str, settings: Settings, worker_id: str) -> Cluster:
    return Cluster(
        worker_id=worker_id,
        broker=RedisBroker(
            url,
            worker_id,
            bounds=settings.history,
            remember=settings.idempotency_seconds,
            on_lost=leave,
        ),
        roster=RedisRoster(url, worker_id, on_lost=leave),
        sessions=RedisSessions(url, settings.recovery_seconds, prefix=PREFIX),
        members=RedisMembers(url, worker_id, settings.presence_grace_seconds, on_lost=leave),
        turns=RedisTurns(command_client(url), PREFIX, worker_id),
        asking=RedisInquiries(url, worker_id, on_lost=leave),
        rates=RedisRates(command_client(url, timeout=0.5), PREFIX),
        ring=RedisRing(url, worker_id),
        typists=RedisTypists(command_client(url), PREFIX, FORGOTTEN),
        limits=command_pool(url, timeout=0.5),
        queues=lambda receivers: RedisQueues(command_client(url), PREFIX, receivers),
        leadership=lambda of, lease, margin: LeasedLeadership(
            command_client(url), f"{PREFIX}:{of}", worker_id, lease, margin
        ),
        shared_users=lambda: RedisUsers(command_pool(url, timeout=0.5), PREFIX, settings.secret_key),
    )
