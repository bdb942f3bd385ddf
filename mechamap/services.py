"""What the composition root hands to the edges for people: the dashboard, the demo page, the command line."""

from dataclasses import dataclass

from mechamap.auth.authenticator import TokenAuthenticator
from mechamap.auth.blocklist import Blocklist
from mechamap.auth.jwt import Jwts
from mechamap.auth.revoking import Revoking
from mechamap.auth.sanctum_modes import SanctumModes
from mechamap.auth.signin import SignIn
from mechamap.broker.rates import Rates
from mechamap.domain.channels import Parse
from mechamap.edge.limits import RateLimits
from mechamap.engine import SocketIO
from mechamap.hub.access import Judge
from mechamap.hub.explaining import Explaining
from mechamap.hub.inquiries import Inquiries
from mechamap.hub.joining import JoinExplaining
from mechamap.hub.operations import Operations
from mechamap.hub.watching import Watching
from mechamap.metrics import Metrics
from mechamap.runtime import Runtime
from mechamap.settings import Settings
from mechamap.store.apps import Apps
from mechamap.store.audit import AuditTrail
from mechamap.store.console_sessions import ConsoleSessions
from mechamap.store.database import Databases
from mechamap.store.keys import ApiKeys
from mechamap.store.laravel.directory import LaravelDirectory
from mechamap.store.laravel.outbox import OutboxRows
from mechamap.store.webhooks import WebhookFailures
from mechamap.webhooks.webhooks import Webhooks


@dataclass(frozen=True, slots=True)
class Services:
    """One application's parts, by what they are for. ``app.extensions["mechamap"]`` holds them."""

    settings: Settings
    socketio: SocketIO
    runtime: Runtime
    operations: Operations
    inquiries: Inquiries
    explaining: Explaining
    joining: JoinExplaining
    watching: Watching
    judge: Judge
    directory: LaravelDirectory
    sanctum: SanctumModes
    authenticator: TokenAuthenticator
    revoking: Revoking
    blocklist: Blocklist
    jwts: Jwts
    sign_in: SignIn
    api_keys: ApiKeys
    apps: Apps
    outbox_rows: OutboxRows
    webhooks: Webhooks | None
    webhook_failures: WebhookFailures
    audit: AuditTrail
    rates: Rates
    console_sessions: ConsoleSessions
    limits: RateLimits
    metrics: Metrics
    databases: Databases
    parse_channel: Parse
