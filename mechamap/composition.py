"""The composition root: which parts there are, and who is given what."""

import logging
import logging.config

import gevent
from flask import Flask

from mechamap import admin, cli, demo, logs
from mechamap.admin.ui_namespace import AdminNamespace
from mechamap.api.lane import BroadcastLane, ExpressLane
from mechamap.auth import jwt
from mechamap.auth.authenticator import TokenAuthenticator
from mechamap.auth.blocklist import Blocklist
from mechamap.auth.keyring import BroadcastKeyRing
from mechamap.auth.passwords import Passwords
from mechamap.auth.pusher import AppRegistry
from mechamap.auth.revoking import Revoking
from mechamap.auth.signin import SignIn
from mechamap.broker.rates import BUCKET
from mechamap.domain.channels import parser
from mechamap.domain.commands import Command
from mechamap.domain.rules import Policy
from mechamap.edge import assets, errors, requests
from mechamap.edge.limits import RateLimits
from mechamap.edge.proxies import TrustedProxies
from mechamap.engine import current_slot
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
from mechamap.hub.typing import Typing
from mechamap.hub.watching import Watching
from mechamap.metrics import Metrics
from mechamap.parts.application import MAX_BODY, build_flask, build_socketio
from mechamap.parts.cluster import build_cluster
from mechamap.parts.http import register_api
from mechamap.parts.ingest import build_ingester
from mechamap.parts.laravel import build_authorization, build_group_messages, build_sanctum
from mechamap.parts.outbox import build_outbox
from mechamap.parts.webhooks import build_webhooks
from mechamap.runtime import Runtime, new_worker_id
from mechamap.services import Services
from mechamap.settings import Settings
from mechamap.sockets.events import Events
from mechamap.sockets.groups import GroupEvents
from mechamap.sockets.transport import EngineTransport
from mechamap.sockets.typing import TypingEvents
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


def compose(settings: Settings) -> Flask:
    """The application with all its parts, none of them started."""
    logging.config.dictConfig(logs.config(settings.log_level, settings.log_format))
    # no line of ours names its thread or process, and finding them out is a sixth of a line's cost
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    app = build_flask(settings)
    metrics = Metrics()
    worker_id = new_worker_id()
    cluster = build_cluster(settings, worker_id)
    broker, roster, members, rates = cluster.broker, cluster.roster, cluster.members, cluster.rates
    limits = RateLimits(on=settings.rate_limits, redis=cluster.limits, seen_failure=metrics.limits_failed)

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
    sanctum = build_sanctum(
        settings, cluster, TokenRows(databases.laravel, settings, directory.schema), directory
    )
    authenticator = TokenAuthenticator(jwts, sanctum, directory, revocations, blocklist)
    keyring = BroadcastKeyRing(settings, api_keys)
    registry = AppRegistry(settings, apps)
    accounts = Accounts(databases.laravel, directory.schema)
    sign_in = SignIn(accounts, directory, settings.console_roles, Passwords(), settings.secret_key)

    # the use cases on the transport
    socketio = build_socketio(app, settings)
    transport = EngineTransport(socketio, metrics)
    authorization = build_authorization(settings, registry)
    policy = Policy(settings.ladder, settings.private_forum_level, site_channels=authorization is not None)
    parse = parser(site_channels=policy.site_channels)
    judge = Judge(directory, policy, authorization)
    webhooks = build_webhooks(settings, cluster, registry, webhook_failures, metrics)
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
        recovery=Recovery(cluster.sessions, broker, judge, answers_within=settings.answers_within),
        presence=presence,
        journal=journal,
        max_connections=-(-settings.max_connections // settings.workers),
        max_subscriptions=settings.max_subscriptions,
        parse=parse,
        observer=observer,
    )
    reading = Reading(hub.connections, broker, notifications, cluster.turns, socketio.start_background_task)
    typing = Typing(hub.connections, broker, cluster.typists, parse)
    hub.on_left = typing.left
    groups = Groups(
        connections=hub.connections,
        broker=broker,
        judge=judge,
        members=group_members,
        messages=build_group_messages(settings),
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
    inquiries = Inquiries(cluster.asking, roster)
    Seeing(hub.connections, transport).register(inquiries)
    inspections = Inspections(broker, roster, inquiries)
    explaining = Explaining(broker, roster, inquiries, parse)
    explaining.answer_with(Tracing(hub.connections, journal, broker, socketio.waiting))
    joining = JoinExplaining(judge, directory, settings.ladder, settings.cache_seconds)
    watching = Watching(inquiries)
    watching.answer_with(journal.tap, worker_id)
    statistics = ClusterStatistics(cluster.ring)
    operations = ClusterOperations(broker, roster, members, publisher, inspections, statistics, parse)
    ingester = build_ingester(settings, cluster, publisher, metrics, parse)
    outbox = build_outbox(settings, cluster, publisher, metrics, outbox_rows, parse)
    seen = LaravelLastSeen(databases.laravel, settings, directory.schema)
    runtime = Runtime(
        worker_id=worker_id,
        hub=hub,
        sessions=cluster.sessions,
        rechecks=Rechecks(hub, judge, directory, transport, blocked=blocklist.ends),
        broker=broker,
        roster=roster,
        members=members,
        presence=presence,
        asking=cluster.asking,
        inquiries=inquiries,
        typing=typing,
        connection_limit=ConnectionLimit(
            hub.connections, broker, roster, transport, settings.connection_limits
        ),
        metrics=metrics,
        recheck_seconds=settings.recheck_seconds,
        slot=current_slot,
        draining=lambda: socketio.draining,
        ring=cluster.ring,
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
    broadcasts = register_api(app, services, publisher, broker, keyring, registry)
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
