"""What an operator may set, and what follows from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from ..domain.apps import App
from ..domain.connection_limit import ConnectionLimits
from ..domain.console import ConsoleRoles
from ..domain.credentials import ChannelAuth
from ..domain.history import Bounds
from ..domain.pusher_signature import AppKey
from ..domain.recovery import STALLED
from ..domain.roles import Ladder, Level
from ..domain.webhooks import WebhookEvent


class AppEnv(StrEnum):
    """Production refuses generated or default secrets and demo data."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"
    TESTING = "testing"


class SanctumMode(StrEnum):
    """Who verifies Sanctum tokens. AUTO: the database, or where it cannot, Laravel over HTTP."""

    DB = "db"
    HTTP = "http"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything an operator may set. Times are seconds, sizes bytes, unless the name says otherwise."""

    app_env: AppEnv
    instance_path: Path
    host: str
    port: int
    workers: int
    secret_key: str = field(repr=False)
    jwt_secret: str = field(repr=False)
    jwt_secret_previous: str | None = field(repr=False)
    jwt_algorithm: str
    api_keys: tuple[str, ...] = field(repr=False)
    server_secret: str | None = field(repr=False)
    redis_url: str | None = field(repr=False)
    laravel_redis_url: str | None = field(repr=False)
    laravel_redis_prefix: str
    laravel_api_url: str | None
    laravel_api_key: str | None = field(repr=False)
    laravel_auth_url: str | None
    laravel_group_message_path: str | None
    sanctum_mode: SanctumMode
    sanctum_cache_seconds: float
    channel_auth: tuple[ChannelAuth, ...]
    pusher_app_id: str | None
    pusher_app_keys: tuple[str, ...]
    pusher_app_secrets: tuple[str, ...] = field(repr=False)
    pusher_path: str
    webhook_urls: tuple[str, ...]
    webhook_events: tuple[WebhookEvent, ...]
    webhook_app: str | None
    history_seconds: float
    history_user_seconds: float
    history_events: int
    recovery_seconds: float
    idempotency_seconds: float
    presence_grace_seconds: float
    outbox: bool
    outbox_poll_ms: int
    outbox_idle_poll_ms: int
    database_url: str = field(repr=False)
    laravel_database_url: str = field(repr=False)
    allowed_origins: tuple[str, ...]
    trusted_proxies: tuple[str, ...]
    driver_networks: tuple[str, ...]
    ssl_cert_path: Path | None
    ssl_key_path: Path | None
    ping_interval_ms: int
    ping_timeout_ms: int
    app_timezone: str
    rate_limits: bool
    log_level: str
    log_format: str
    ladder: Ladder
    console_roles: ConsoleRoles
    private_forum_level: Level
    sanctum_expiration_minutes: int | None
    update_last_seen: bool
    admin_ui: bool
    cache_seconds: float
    recheck_seconds: float
    audit_days: int
    max_connections: int
    max_connections_per_user: int
    max_connections_per_role: Mapping[str, int]
    max_subscriptions: int
    max_broadcast_bytes: int

    @property
    def production(self) -> bool:
        return self.app_env is AppEnv.PRODUCTION

    @property
    def apps(self) -> tuple[App, ...]:
        """The app of the settings, if there is one."""
        if self.pusher_app_id is None:
            return ()
        pairs = zip(self.pusher_app_keys, self.pusher_app_secrets, strict=True)
        return (App(self.pusher_app_id, tuple(AppKey(*pair) for pair in pairs)),)

    @property
    def history(self) -> Bounds:
        """How much of each channel is kept."""
        return Bounds(self.history_seconds, self.history_user_seconds, self.history_events)

    @property
    def connection_limits(self) -> ConnectionLimits:
        """How many connections a user of each role may have."""
        return ConnectionLimits(self.max_connections_per_user, self.max_connections_per_role, self.ladder)

    @property
    def answers_within(self) -> float:
        """Seconds after which a client that is still connected has received what it was sent before: its last
        pong is as old as interval and timeout at most, and answers a ping at most one timeout older; a worker
        that stood still too shortly to know it notices a silent one as much later."""
        return (self.ping_interval_ms + 2 * self.ping_timeout_ms) / 1000 + STALLED + 1

    @property
    def broadcasting_auth_url(self) -> str | None:
        """Where Laravel is asked who may join a channel."""
        if self.laravel_auth_url is not None:
            return self.laravel_auth_url
        return f"{self.laravel_api_url}/broadcasting/auth" if self.laravel_api_url is not None else None

    @property
    def demo(self) -> bool:
        """Whether demo data and the demo page may exist."""
        return not self.production

    @property
    def tls(self) -> bool:
        return self.ssl_cert_path is not None

    @property
    def origins(self) -> tuple[str, ...]:
        """Origins that browsers may call from; outside production also this server's own (demo page)."""
        if self.production:
            return self.allowed_origins
        scheme = "https" if self.tls else "http"
        own = {f"{scheme}://{host}:{self.port}" for host in ("127.0.0.1", "localhost")} | {self.base_url}
        return (*self.allowed_origins, *sorted(own))

    @property
    def base_url(self) -> str:
        """Where this machine reaches the server."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::", "") else self.host
        return f"{'https' if self.tls else 'http'}://{f'[{host}]' if ':' in host else host}:{self.port}"
