"""The life of one worker: what starts when it does, what goes on every second, and what its health is."""

import logging
import os
import resource
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

import gevent

from .broker.protocol import BrokerLink, InquiriesLink
from .domain.statistics import Load
from .engine import Backlog, Lateness
from .health import Check
from .hub import connection_limit, last_seen, typing
from .hub.connection_limit import ConnectionLimit
from .hub.hub import Hub
from .hub.inquiries import Inquiries
from .hub.last_seen import LastSeen
from .hub.presence import Presence
from .hub.rechecks import Rechecks
from .ingest.ingester import Ingester
from .metrics import Metrics
from .outbox.relay import Relay
from .presence.protocol import MembersLink, RosterLink, WorkerRecord
from .recovery.protocol import SessionsLink
from .statistics import sampler
from .statistics.protocol import Ring
from .statistics.sampler import Sampler
from .webhooks.webhooks import Webhooks

log = logging.getLogger(__name__)

HOUSEKEEPING_SECONDS = 3600
RECONCILE_SECONDS = 5
"""Between comparisons of the books with the transport: a pass over 10,000 connections takes a few
milliseconds."""


def new_worker_id() -> str:
    """Unique among the workers of all machines, and readable in a log."""
    return f"{socket.gethostname()[:40]}.{os.getpid()}.{secrets.token_hex(4)}"


@dataclass(slots=True)
class Runtime:
    """The background of one worker. Built by the composition root, started by gunicorn once the worker is
    ready.

    Attributes:
        slot: this worker's slot number under gunicorn.
        draining: whether the engine is closing its clients.
        ring: where this worker's statistics go.
        backlog: what its clients did not take.
        connection_limit: what ends the connections that a user has too many.
        databases: (name, probe) pairs; a probe answers (ok, one sentence) within about a second.
        ingester: what listens to Laravel's Redis, if anything does.
        outbox: what publishes Laravel's outbox, if that is on.
        webhooks: what tells Laravel of its channels, if that is on.
        last_seen: what notes connected users in Laravel's table, if that is wanted.
        rates: how often, and how, the cluster is told what publishers sent.
        housekeeping: what one worker of each machine does every hour, if anything.
    """

    worker_id: str
    hub: Hub
    rechecks: Rechecks
    sessions: SessionsLink
    broker: BrokerLink
    roster: RosterLink
    members: MembersLink
    presence: Presence
    asking: InquiriesLink
    inquiries: Inquiries
    typing: typing.Typing
    connection_limit: ConnectionLimit
    metrics: Metrics
    recheck_seconds: float
    slot: Callable[[], int]
    draining: Callable[[], bool]
    ring: Ring
    backlog: Callable[[], Backlog]
    databases: tuple[tuple[str, Callable[[], tuple[bool, str]]], ...]
    ingester: Ingester | None = None
    outbox: Relay | None = None
    webhooks: Webhooks | None = None
    last_seen: LastSeen | None = None
    rates: tuple[float, Callable[[], object]] | None = None
    housekeeping: Callable[[], object] | None = None
    _started_at: float = 0.0
    _lateness: Lateness | None = None
    _greenlets: tuple[gevent.Greenlet, ...] = ()

    def start(self) -> None:
        """Begin to hear the broker, keep the lease, and look after live connections."""
        self._started_at = time.time()
        self.hub.commands.recheck = lambda user_id: gevent.spawn(self.rechecks.user, user_id)
        self.hub.commands.survey = lambda command: gevent.spawn(self.connection_limit.answer, command)
        self.hub.arrived = self.connection_limit.arrived
        self.broker.start(self.hub.hearing)
        self.roster.start(self.describe)
        self.members.start(self.presence.announce)
        self.sessions.start()
        self.asking.start(self.inquiries.answer)
        self._lateness = Lateness(self.metrics.late)
        self._lateness.start()
        statistics = Sampler(
            self.ring,
            self.worker_id,
            place=lambda: f"{socket.gethostname()[:40]}/{self.slot()}",
            count=self.metrics.take,
            load=self.load,
        )
        rounds = [
            (sampler.ROUND, statistics.round),
            (1.0, self._second),
            (connection_limit.ROUND, self.connection_limit.look),
            (RECONCILE_SECONDS, self.rechecks.reconcile),
            (self.recheck_seconds, self.rechecks.everyone),
            (typing.ROUND, self.typing.expire),
        ]
        if self.last_seen is not None:
            rounds.append((last_seen.ROUND, self.last_seen.note))
        if self.rates is not None:
            rounds.append(self.rates)
        if self.housekeeping is not None and self.slot() == 0:
            rounds.append((HOUSEKEEPING_SECONDS, self.housekeeping))
        self._greenlets = tuple(gevent.spawn(self._every, *each) for each in rounds)
        if self.ingester is not None:
            self.ingester.start()
        if self.outbox is not None:
            self.outbox.start()
        if self.webhooks is not None:
            self.webhooks.start()
        log.info("worker_ready", extra={"worker": self.worker_id, "slot": self.slot()})

    def stop(self) -> None:
        """Give up what the cluster knows of this worker."""
        if self.ingester is not None:
            self.ingester.stop()
        if self.outbox is not None:
            self.outbox.stop()
        if self.webhooks is not None:
            self.webhooks.stop()
        gevent.killall(self._greenlets)
        self.asking.stop()
        if self._lateness is not None:
            self._lateness.stop()
        self.typing.expire()  # of connections that have just been closed
        self.sessions.stop()
        self.members.stop()
        self.roster.stop()
        self.broker.stop()
        self.metrics.flush()

    def describe(self) -> WorkerRecord:
        return WorkerRecord(
            id=self.worker_id,
            slot=self.slot(),
            pid=os.getpid(),
            host=socket.gethostname(),
            started_at=self._started_at,
            connections=len(self.hub.connections),
            memory=_resident_bytes(),
            draining=self.draining(),
        )

    def load(self) -> Load:
        """What it carries now."""
        connections, backlog = self.hub.connections, self.backlog()
        return Load(
            connections=len(connections),
            subscriptions=connections.subscriptions,
            slow=backlog.connections,
            backlog=backlog.bytes,
            largest=backlog.largest,
            memory=_resident_bytes(),
            broker=self.broker.state().ok,
        )

    def checks(self) -> list[Check]:
        """Every dependency, measured now."""
        broker = self.broker.state()
        found = [Check("broker", broker.ok, broker.detail, essential=True)]
        for name, probe in self.databases:
            ok, detail = probe()
            found.append(Check(name, ok, detail, essential=False))
        if self.ingester is not None:
            ingest = self.ingester.state()
            found.append(Check("laravel_redis", ingest.ok, ingest.detail, essential=False))
        if self.outbox is not None:
            outbox = self.outbox.state()
            found.append(Check("outbox", outbox.ok, outbox.detail, essential=False))
        if self.webhooks is not None:
            webhooks = self.webhooks.state()
            found.append(Check("webhooks", webhooks.ok, webhooks.detail, essential=False))
        draining = self.draining()
        found.append(
            Check("draining", not draining, "the worker is closing" if draining else "no", essential=True)
        )
        return found

    def _second(self) -> None:
        self.rechecks.end_expired()
        self.hub.confirm_received()
        load = self.load()
        self.metrics.sample(
            connections=load.connections, subscriptions=load.subscriptions, broker_up=load.broker
        )
        self.metrics.sample_process(
            slow=load.slow, backlog=load.backlog, largest=load.largest, memory=load.memory
        )
        if self.ingester is not None:
            ingest = self.ingester.state()
            self.metrics.sample_ingest(leader=ingest.leader, waiting=ingest.waiting, lag=ingest.lag)
        if self.outbox is not None:
            outbox = self.outbox.state()
            self.metrics.sample_outbox(leader=outbox.leader, lag=outbox.lag, dead=outbox.dead)
        if self.webhooks is not None:
            state = self.webhooks.state()
            self.metrics.sample_webhooks(
                leader=state.leader, waiting=state.waiting, lag=state.lag, dead=state.dead
            )

    def _every(self, seconds: float, work: Callable[[], object]) -> None:
        """Do ``work`` again and again; a round that fails is logged and the next one tried, so one bad row
        stops nothing."""
        while True:
            gevent.sleep(seconds)
            try:
                work()
            except Exception:
                log.exception("background_round_failed", extra={"work": getattr(work, "__name__", str(work))})


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()
    except OSError:  # not Linux: the peak is what can be had
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
