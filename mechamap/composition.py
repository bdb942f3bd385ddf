"""The composition root: which parts there are, and who is given what."""

import logging
import logging.config
import os
import signal

import gevent
from flask import Flask

from mechamap import admin, cli, demo, health, logs
from mechamap.admin.ui_namespace import AdminNamespace
from mechamap.api import audiences, broadcast, connections, dialects, history, monitoring, openapi, operator
from mechamap.api import explaining as explaining_api
from mechamap.api import members as members_api
from mechamap.api import pusher as pusher_api
from mechamap.api.application import ApplicationBroadcasts
from mechamap.api.broadcasting import Broadcasts
from mechamap.api.lane import BroadcastLane, ExpressLane
from mechamap.api.monitoring import Monitored
from mechamap.api.pusher_calls import PusherCalls
from mechamap.api.pusher_gate import PusherGate
from mechamap.api.readers import Readers
from mechamap.auth import jwt
from mechamap.auth.authenticator import TokenAuthenticator
from mechamap.auth.blocklist import Blocklist
from mechamap.auth.channel_authorization import ChannelAuthorization
from mechamap.auth.channel_laravel import LaravelChannels
from mechamap.auth.channel_signature import ChannelSignatures
from mechamap.auth.keyring import BroadcastKeyRing
from mechamap.auth.passwords import Passwords
from mechamap.auth.protocol import BroadcastKey
from mechamap.auth.pusher import AppRegistry
from mechamap.auth.revoking import Revoking
from mechamap.auth.sanctum import Sanctum
from mechamap.auth.sanctum_http import VERIFY_PATH, SanctumByLaravel
from mechamap.auth.sanctum_modes import SanctumModes
from mechamap.auth.signin import SignIn
from mechamap.broker.connection import command_client, command_pool
from mechamap.broker.inquiries import LocalInquiries, RedisInquiries
from mechamap.broker.leadership import LEASE, MARGIN, Alone, Leadership, LeasedLeadership
from mechamap.broker.memory import MemoryBroker
from mechamap.broker.protocol import Broker
from mechamap.broker.rates import BUCKET, LocalRates, RedisRates
from mechamap.broker.redis import PREFIX, RedisBroker
from mechamap.broker.turns import LocalTurns, RedisTurns
from mechamap.domain.channels import Parse, parser
from mechamap.domain.commands import Command
from mechamap.domain.credentials import ChannelAuth
from mechamap.domain.rules import Policy
from mechamap.domain.webhooks import WebhookEvent
from mechamap.edge import assets, errors, requests
from mechamap.edge.limits import RateLimits
from mechamap.edge.networks import Networks
from mechamap.edge.proxies import TrustedProxies
from mechamap.engine import SocketIO, current_slot
from mechamap.hub.access import Judge
from mechamap.hub.connection_limit import ConnectionLimit
from mechamap.hub.explaining import Explaining
from mechamap.hub.groups import Groups
from mechamap.hub.hub import Hub
from mechamap.hub.inquiries import Inquiries
from mechamap.hub.inspections import Inspections
from mechamap.hub.joining import JoinExplaining
from mechamap.hub.journal import Journal
from mechamap.hub.last_seen import LastSeen
from mechamap.hub.operations import ClusterOperations
from mechamap.hub.orders import Orders
from mechamap.hub.presence import Presence
from mechamap.hub.publishing import Publisher
from mechamap.hub.reading import Reading
from mechamap.hub.rechecks import Rechecks
from mechamap.hub.recovery import Recovery
from mechamap.hub.seeing import Seeing
from mechamap.hub.statistics import ClusterStatistics
from mechamap.hub.tracing import Tracing
from mechamap.hub.typing import FORGOTTEN, Typing
from mechamap.hub.watching import Watching
from mechamap.ingest.ingester import Ingester, Source
from mechamap.ingest.laravel_redis import ORIGIN
from mechamap.ingest.pusher import PusherReader
from mechamap.laravel.client import LaravelClient
from mechamap.laravel.group_messages import LaravelGroupMessages
from mechamap.laravel.shared import RedisUsers
from mechamap.metrics import Metrics
from mechamap.outbox.pace import Pace
from mechamap.outbox.protocol import ORIGIN as OUTBOX
from mechamap.outbox.relay import Relay
from mechamap.presence.memory import MemoryRoster
from mechamap.presence.memory_members import MemoryMembers
from mechamap.presence.redis import RedisRoster
from mechamap.presence.redis_members import RedisMembers
from mechamap.presence.redis_typists import RedisTypists
from mechamap.presence.typists import MemoryTypists
from mechamap.recovery.memory import MemorySessions
from mechamap.recovery.redis import RedisSessions
from mechamap.runtime import Runtime, new_worker_id
from mechamap.services import Services
from mechamap.settings import ROOT, SanctumMode, Settings
from mechamap.sockets.events import Events
from mechamap.sockets.groups import GroupEvents
from mechamap.sockets.transport import EngineTransport
from mechamap.sockets.typing import TypingEvents
from mechamap.statistics.memory import MemoryRing
from mechamap.statistics.redis import RedisRing
from mechamap.store import database
from mechamap.store.apps import Apps
from mechamap.store.audit import AuditTrail
from mechamap.store.blocks import Blocks
from mechamap.store.console_sessions import ConsoleSessions
from mechamap.store.keys import ApiKeys
from mechamap.store.laravel.accounts import Accounts
from mechamap.store.laravel.directory import LaravelDirectory
from mechamap.store.laravel.groups import LaravelGroups
from mechamap.store.laravel.last_seen import LaravelLastSeen
from mechamap.store.laravel.notifications import LaravelNotifications
from mechamap.store.laravel.outbox import OutboxRows
from mechamap.store.laravel.tokens import TokenRows
from mechamap.store.probe import Probe
from mechamap.store.retention import Retention
from mechamap.store.revocations import Revocations
from mechamap.store.webhooks import WebhookFailures
from mechamap.webhooks import webhooks as webhooks_worker
from mechamap.webhooks.delivery import Delivery
from mechamap.webhooks.memory_queues import MemoryQueues
from mechamap.webhooks.observer import WebhookObserver
from mechamap.webhooks.occupancy import Occupancy
from mechamap.webhooks.protocol import Queues
from mechamap.webhooks.redis_queues import RedisQueues
from mechamap.webhooks.webhooks import Webhooks

log = logging.getLogger(__name__)

MAX_BODY = 1_048_576
"""Bytes of one HTTP request: a batch of broadcasts fits, a runaway upload does not."""
MAX_MESSAGE = 65_536
"""Bytes of one message of a browser; OWASP's advice for WebSockets. Its events are names and ids."""


def compose(settings: Settings) -> Flask:
    """The application with all its parts, none of them started."""
    logging.config.dictConfig(logs.config(settings.log_level, settings.log_format))
    # no line of ours names its thread or process, and finding them out is a sixth of a line's cost
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    app = _flask(settings)
    metrics = Metrics()
    limits = RateLimits(
        on=settings.rate_limits,
        redis=command_pool(settings.redis_url, timeout=0.5) if settings.redis_url is not None else None,
        seen_failure=metrics.limits_failed,
    )

    # the databases
    databases = database.configure(app, settings)
    directory = LaravelDirectory(databases.laravel, settings)
    notifications = LaravelNotifications(databases.laravel, settings, directory.schema)
    group_members = LaravelGroups(directory.schema, settings.cache_seconds)
    outbox_rows = OutboxRows(databases.laravel)
    api_keys = ApiKeys(databases.own)
    apps = Apps(databases.own, settings.secret_key, [app.id for app in settings.apps])
    audit = AuditTrail(databases.own)
    webhook_failures = WebhookFailures(databases.own)

    # proof of identity
    jwt.configure(app, settings)
    revocations = Revocations(databases.own, settings.cache_seconds)
    blocklist = Blocklist(Blocks(databases.own))
    jwts = jwt.Jwts(app, settings, revocations)
    sanctum = _sanctum(settings, TokenRows(databases.laravel, settings, directory.schema), directory)
    authenticator = TokenAuthenticator(jwts, sanctum, directory, revocations, blocklist)
    keyring = BroadcastKeyRing(settings, api_keys)
    registry = AppRegistry(settings, apps)
    sign_in = SignIn(
        Accounts(databases.laravel, directory.schema), directory, settings.console_roles, Passwords()
    )

    # order, and who is here
    worker_id = new_worker_id()
    if settings.redis_url is None:
        broker = MemoryBroker(settings.history, remember=settings.idempotency_seconds)
        roster = MemoryRoster(worker_id)
        sessions = MemorySessions(settings.recovery_seconds)
        members = MemoryMembers(settings.presence_grace_seconds)
        turns = LocalTurns()
        asking = LocalInquiries(worker_id)
        rates = LocalRates()
        ring = MemoryRing()
        typists = MemoryTypists(FORGOTTEN)
    else:
        broker = RedisBroker(
            settings.redis_url,
            worker_id,
            bounds=settings.history,
            remember=settings.idempotency_seconds,
            on_lost=_leave,
        )
        roster = RedisRoster(settings.redis_url, worker_id, on_lost=_leave)
        sessions = RedisSessions(settings.redis_url, settings.recovery_seconds, prefix=PREFIX)
        members = RedisMembers(settings.redis_url, worker_id, settings.presence_grace_seconds, on_lost=_leave)
        turns = RedisTurns(command_client(settings.redis_url), PREFIX, worker_id)
        asking = RedisInquiries(settings.redis_url, worker_id, on_lost=_leave)
        rates = RedisRates(command_client(settings.redis_url, timeout=0.5), PREFIX)
        ring = RedisRing(settings.redis_url, worker_id)
        typists = RedisTypists(command_client(settings.redis_url), PREFIX, FORGOTTEN)

    # the use cases on the transport
    socketio = _socketio(app, settings)
    transport = EngineTransport(socketio, metrics)
    authorization = _authorization(settings, registry)
    policy = Policy(settings.ladder, settings.private_forum_level, site_channels=authorization is not None)
    parse = parser(site_channels=policy.site_channels)
    judge = Judge(directory, policy, authorization)
    webhooks = _webhooks(settings, worker_id, broker, registry, webhook_failures, metrics)
    observer = None if webhooks is None else webhooks.observer
    journal = Journal()
    presence = Presence(members, broker, transport, observer, journal.tap)
    hub = Hub(
        worker_id=worker_id,
        transport=transport,
        broker=broker,
        roster=roster,
        judge=judge,
        meter=metrics,
        recovery=Recovery(sessions, broker, judge, answers_within=settings.answers_within),
        presence=presence,
        journal=journal,
        max_connections=-(-settings.max_connections // settings.workers),
        max_subscriptions=settings.max_subscriptions,
        parse=parse,
        observer=observer,
    )
    reading = Reading(hub.connections, broker, notifications, turns, socketio.start_background_task)
    typing = Typing(hub.connections, broker, typists, parse)
    hub.on_left = typing.left
    groups = Groups(
        connections=hub.connections,
        broker=broker,
        judge=judge,
        members=group_members,
        messages=_group_messages(settings),
        parse=parse,
    )
    # half a second more than facts are kept for
    orders = Orders(hub, transport, gevent.spawn, gevent.spawn_later, settings.cache_seconds + 0.5)
    hub.ordered = orders.take

    def barred(command: Command) -> None:
        """What sign-ins remember of our database is out of date."""
        blocklist.forget()
        revocations.forget()

    hub.barred = barred
    publisher = Publisher(broker, metrics, settings.max_broadcast_bytes, rates.count, journal.tap)
    inquiries = Inquiries(asking, roster)
    Seeing(hub.connections, transport).register(inquiries)
    inspections = Inspections(broker, roster, inquiries)
    explaining = Explaining(broker, roster, inquiries, parse)
    explaining.answer_with(Tracing(hub.connections, journal, broker, socketio.waiting))
    joining = JoinExplaining(judge, directory, settings.ladder, settings.cache_seconds)
    watching = Watching(inquiries)
    watching.answer_with(journal.tap, worker_id)
    statistics = ClusterStatistics(ring)
    operations = ClusterOperations(broker, roster, members, publisher, inspections, statistics, parse)
    ingester = _ingester(settings, worker_id, publisher, metrics, parse)
    outbox = _outbox(settings, worker_id, publisher, metrics, outbox_rows, parse)
    seen = LaravelLastSeen(databases.laravel, settings, directory.schema)
    runtime = Runtime(
        worker_id=worker_id,
        hub=hub,
        sessions=sessions,
        rechecks=Rechecks(hub, judge, directory, transport, blocked=blocklist.ends),
        broker=broker,
        roster=roster,
        members=members,
        presence=presence,
        asking=asking,
        inquiries=inquiries,
        typing=typing,
        connection_limit=ConnectionLimit(
            hub.connections, broker, roster, transport, settings.connection_limits
        ),
        metrics=metrics,
        recheck_seconds=settings.recheck_seconds,
        slot=current_slot,
        draining=lambda: socketio.draining,
        ring=ring,
        backlog=socketio.backlog,
        databases=(
            ("database", Probe(databases.own).available),
            ("laravel_database", directory.available),
            *((("sanctum", sanctum.available),) if settings.laravel_api_url is not None else ()),
        ),
        ingester=ingester,
        outbox=outbox,
        webhooks=webhooks,
        last_seen=LastSeen(hub.connections, seen) if settings.update_last_seen else None,
        rates=(BUCKET, rates.tell),
        housekeeping=Retention(audit, settings.audit_days).prune if settings.audit_days else None,
    )
    services = Services(
        settings=settings,
        socketio=socketio,
        runtime=runtime,
        operations=operations,
        inquiries=inquiries,
        explaining=explaining,
        joining=joining,
        watching=watching,
        judge=judge,
        directory=directory,
        sanctum=sanctum,
        authenticator=authenticator,
        revoking=Revoking(authenticator, revocations),
        blocklist=blocklist,
        jwts=jwts,
        sign_in=sign_in,
        api_keys=api_keys,
        apps=apps,
        outbox_rows=outbox_rows,
        webhooks=webhooks,
        webhook_failures=webhook_failures,
        audit=audit,
        rates=rates,
        console_sessions=ConsoleSessions(databases.own),
        limits=limits,
        metrics=metrics,
        databases=databases,
        parse_channel=parse,
    )

    # the edges
    errors.init_app(app)
    assets.init_app(app)
    origins = settings.origins
    requests.init_app(app, allowed_origins=origins, tls=settings.tls, seen=metrics.request)
    Events(
        socketio, hub, reading, authenticator, directory, limits, metrics, ways=settings.channel_auth
    ).register(TypingEvents(typing, limits), GroupEvents(socketio, groups, limits))
    broadcasts = Broadcasts(publisher, keyring, limits, parse)
    app.register_blueprint(broadcast.blueprint(broadcasts))
    networks = Networks(settings.driver_networks)
    application = ApplicationBroadcasts(publisher, operations, keyring, limits, networks, parse)
    app.register_blueprint(dialects.blueprint(broadcasts, application))
    app.register_blueprint(audiences.blueprint(operations, keyring, limits, parse))
    app.register_blueprint(history.blueprint(broker, keyring, limits, parse))
    app.register_blueprint(members_api.blueprint(operations, keyring, limits, parse))
    app.register_blueprint(operator.blueprint(operations, settings.secret_key, parse))
    app.register_blueprint(explaining_api.blueprint(explaining, watching, settings.secret_key, parse))
    _pusher(app, settings, registry, publisher, operations, limits, metrics, parse)
    app.register_blueprint(openapi.blueprint())
    app.register_blueprint(health.blueprint(runtime.checks, metrics.render))
    readers = Readers(keyring, limits, networks)
    app.register_blueprint(connections.blueprint(operations, readers))
    app.register_blueprint(monitoring.blueprint(_monitored(settings, runtime, metrics, operations), readers))
    app.register_blueprint(demo.blueprint(services))
    admin.init_app(app, services)
    if settings.admin_ui:
        AdminNamespace(services).register()
    cli.register(app, services)
    app.extensions["mechamap"] = services
    lane = BroadcastLane(app.wsgi_app, broadcasts, max_body=MAX_BODY, tls=settings.tls, seen=metrics.request)
    app.wsgi_app = proxies = TrustedProxies(lane, settings.trusted_proxies)
    app.extensions["express"] = ExpressLane(lane, proxies.resolve)
    return app


def _flask(settings: Settings) -> Flask:
    app = Flask(
        "mechamap",
        root_path=str(ROOT / "mechamap"),
        instance_path=str(settings.instance_path),
        template_folder=str(ROOT / "templates"),
        static_folder=str(ROOT / "static"),
    )
    app.config.update(
        SECRET_KEY=settings.secret_key,
        MAX_CONTENT_LENGTH=MAX_BODY,
        TESTING=settings.app_env == "testing",
    )
    return app


def _monitored(
    settings: Settings, runtime: Runtime, metrics: Metrics, operations: ClusterOperations
) -> Monitored:
    """What the application's monitors are told."""
    return Monitored(
        environment=settings.app_env.value,
        features={
            "redis": settings.redis_url is not None,
            "ssl": settings.tls,
            "clustering": settings.workers > 1,
            "laravelRedis": settings.laravel_redis_url is not None,
            "outbox": settings.outbox,
            "rateLimiting": settings.rate_limits,
            "connectionLimit": not settings.connection_limits.off,
        },
        checks=runtime.checks,
        figures=metrics.figures,
        render=metrics.render,
        operations=operations,
    )


def _sanctum(settings: Settings, rows: TokenRows, directory: LaravelDirectory) -> SanctumModes:
    """Who verifies Sanctum tokens."""
    by_laravel = None
    if settings.laravel_api_url is not None and settings.sanctum_mode is not SanctumMode.DB:
        shared = None
        if settings.redis_url is not None:
            shared = RedisUsers(command_pool(settings.redis_url, timeout=0.5), PREFIX, settings.secret_key)
        by_laravel = SanctumByLaravel(
            LaravelClient(f"{settings.laravel_api_url}{VERIFY_PATH}"),
            settings.laravel_api_key,
            settings.sanctum_cache_seconds,
            shared,
        )
    return SanctumModes(settings.sanctum_mode, Sanctum(rows, settings), by_laravel, directory.available)


def _authorization(settings: Settings, apps: AppRegistry) -> ChannelAuthorization | None:
    """Who decides on channels in our rules' stead, if anyone."""
    signatures, ways = ChannelSignatures(apps), settings.channel_auth
    url, asked = settings.broadcasting_auth_url, None
    if ChannelAuth.LARAVEL in ways and url is not None:
        asked = LaravelChannels(LaravelClient(url), signatures)
    known = {ChannelAuth.SIGNATURE: signatures, ChannelAuth.LARAVEL: asked}
    others = [known[way] for way in ways if way is not ChannelAuth.RULES]
    if not others:
        return None
    signed = ChannelAuth.SIGNATURE in ways
    return ChannelAuthorization(others, by_rules=ChannelAuth.RULES in ways, again=asked, signed=signed)


def _group_messages(settings: Settings) -> LaravelGroupMessages | None:
    """Who stores what pages of groups send, if anyone."""
    path, key = settings.laravel_group_message_path, settings.laravel_api_key
    if path is None or key is None:
        return None
    return LaravelGroupMessages(LaravelClient(f"{settings.laravel_api_url}{path}", once=True), key)


def _socketio(app: Flask, settings: Settings) -> SocketIO:
    return SocketIO(
        app,
        manage_session=False,
        # a browser's events are handled one after the other: its order is kept, and a flood slows its sender
        async_handlers=False,
        cors_allowed_origins=list(settings.origins),
        ping_interval=settings.ping_interval_ms / 1000,
        ping_timeout=settings.ping_timeout_ms / 1000,
        max_http_buffer_size=MAX_MESSAGE,
        on_drop=lambda sid, reason: log.warning("connection_dropped", extra={"sid": sid, "code": reason}),
    )


def _pusher(
    app: Flask,
    settings: Settings,
    registry: AppRegistry,
    publisher: Publisher,
    operations: ClusterOperations,
    limits: RateLimits,
    metrics: Metrics,
    parse: Parse,
) -> None:
    """Pusher's HTTP API, also under its mount where there is one: a proxy may or may not take that away."""
    reader = PusherReader(settings.max_broadcast_bytes, parse)
    gate = PusherGate(registry, limits, settings.pusher_path)
    calls = PusherCalls(publisher, operations, limits, reader)
    api = pusher_api.blueprint(gate, calls, reader, metrics.app_request)
    app.register_blueprint(api)
    if settings.pusher_path:
        app.register_blueprint(api, url_prefix=settings.pusher_path, name="pusher_mounted")


def _ingester(
    settings: Settings, worker_id: str, publisher: Publisher, metrics: Metrics, parse: Parse
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
    leadership = _leadership(settings, "ingester", worker_id)
    return Ingester(source, leadership, lambda series: publisher.publish_many(key, series), metrics, _leave)


def _outbox(
    settings: Settings, worker_id: str, publisher: Publisher, metrics: Metrics, rows: OutboxRows, parse: Parse
) -> Relay | None:
    """What publishes the rows of Laravel's outbox, where it is on."""
    if not settings.outbox:
        return None
    key = BroadcastKey(OUTBOX)
    return Relay(
        rows,
        _leadership(settings, "outbox", worker_id),
        lambda series: publisher.publish_many(key, series),
        metrics,
        pace=Pace(settings.outbox_poll_ms / 1000, settings.outbox_idle_poll_ms / 1000),
        max_bytes=settings.max_broadcast_bytes,
        on_lost=_leave,
        parse=parse,
    )


def _webhooks(
    settings: Settings,
    worker_id: str,
    broker: Broker,
    registry: AppRegistry,
    letters: WebhookFailures,
    metrics: Metrics,
) -> Webhooks | None:
    """What tells Laravel of its channels, where it wants to know."""
    app = settings.webhook_app
    if not settings.webhook_urls or app is None:
        return None
    deliveries = [Delivery(url, lambda: registry.signing_keys(app)) for url in settings.webhook_urls]
    names = [each.name for each in deliveries]
    queues: Queues = MemoryQueues(names)
    if settings.redis_url is not None:
        queues = RedisQueues(command_client(settings.redis_url), PREFIX, names)
    events = settings.webhook_events
    observer = WebhookObserver(queues, events, metrics)
    occupancy = None
    if WebhookEvent.CHANNEL_OCCUPIED in events or WebhookEvent.CHANNEL_VACATED in events:
        occupancy = Occupancy(broker.channels, queues, observer.add, events)
    leadership = _leadership(
        settings, "webhooks-leader", worker_id, webhooks_worker.LEASE, webhooks_worker.MARGIN
    )
    return Webhooks(deliveries, queues, observer, occupancy, letters, leadership, metrics, _leave)


def _leadership(
    settings: Settings, of: str, worker_id: str, lease: float = LEASE, margin: float = MARGIN
) -> Leadership:
    """Who of the workers does what only one may."""
    if settings.redis_url is None:
        return Alone()
    client = command_client(settings.redis_url)
    return LeasedLeadership(client, f"{PREFIX}:{of}", worker_id, lease, margin)


def _leave(why: str) -> None:
    """A worker deaf to the cluster must not pretend: it says so and ends; the arbiter starts another."""
    log.critical("worker_gives_up", extra={"why": why})
    os.kill(os.getpid(), signal.SIGTERM)
