"""Pusher's HTTP API."""

from flask import Flask

from mechamap.api import pusher
from mechamap.api.pusher_calls import PusherCalls
from mechamap.api.pusher_gate import PusherGate
from mechamap.auth.pusher import AppRegistry
from mechamap.domain.channels import Parse
from mechamap.edge.limits import RateLimits
from mechamap.hub.operations import ClusterOperations
from mechamap.hub.publishing import Publisher
from mechamap.ingest.pusher import PusherReader
from mechamap.metrics import Metrics
from mechamap.settings import Settings


def register_pusher(
    app: Flask,
    settings: Settings,
    registry: AppRegistry,
    publisher: Publisher,
    operations: ClusterOperations,
    limits: RateLimits,
    metrics: Metrics,
    parse: Parse,
) -> None:
    """Also under its mount where there is one: a proxy may or may not take that away."""
    reader = PusherReader(settings.max_broadcast_bytes, parse)
    gate = PusherGate(registry, limits, settings.pusher_path)
    calls = PusherCalls(publisher, operations, limits, reader)
    api = pusher.blueprint(gate, calls, reader, metrics.app_request)
    app.register_blueprint(api)
    if settings.pusher_path:
        app.register_blueprint(api, url_prefix=settings.pusher_path, name="pusher_mounted")
