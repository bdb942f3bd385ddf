"""The HTTP API for publishers, operators and monitors."""

from flask import Flask

from mechamap import health
from mechamap.api import (
    audiences,
    broadcast,
    connections,
    dialects,
    explaining,
    history,
    members,
    monitoring,
    openapi,
    operator,
)
from mechamap.api.application import ApplicationBroadcasts
from mechamap.api.broadcasting import Broadcasts
from mechamap.api.monitoring import Monitored
from mechamap.api.readers import Readers
from mechamap.auth.keyring import BroadcastKeyRing
from mechamap.auth.pusher import AppRegistry
from mechamap.broker.protocol import Broker
from mechamap.edge.networks import Networks
from mechamap.hub.publishing import Publisher
from mechamap.services import Services

from .pusher import register_pusher


def register_api(
    app: Flask,
    services: Services,
    publisher: Publisher,
    broker: Broker,
    keyring: BroadcastKeyRing,
    registry: AppRegistry,
) -> Broadcasts:
    """Answers what takes broadcasts: a faster lane leads there too."""
    settings, metrics, limits = services.settings, services.metrics, services.limits
    operations, parse = services.operations, services.parse_channel
    broadcasts = Broadcasts(publisher, keyring, limits, parse)
    app.register_blueprint(broadcast.blueprint(broadcasts))
    networks = Networks(settings.driver_networks)
    application = ApplicationBroadcasts(publisher, operations, keyring, limits, networks, parse)
    app.register_blueprint(dialects.blueprint(broadcasts, application))
    app.register_blueprint(audiences.blueprint(operations, keyring, limits, parse))
    app.register_blueprint(history.blueprint(broker, keyring, limits, parse))
    app.register_blueprint(members.blueprint(operations, keyring, limits, parse))
    app.register_blueprint(operator.blueprint(operations, settings.secret_key, parse))
    app.register_blueprint(
        explaining.blueprint(services.explaining, services.watching, settings.secret_key, parse)
    )
    register_pusher(app, settings, registry, publisher, operations, limits, metrics, parse)
    app.register_blueprint(openapi.blueprint())
    app.register_blueprint(health.blueprint(services.runtime.checks, metrics.render))
    readers = Readers(keyring, limits, networks)
    app.register_blueprint(connections.blueprint(operations, readers))
    app.register_blueprint(monitoring.blueprint(_monitored(services), readers))
    return broadcasts


def _monitored(services: Services) -> Monitored:
    """What the application's monitors are told."""
    settings, metrics = services.settings, services.metrics
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
        checks=services.runtime.checks,
        figures=metrics.figures,
        render=metrics.render,
        operations=services.operations,
    )
