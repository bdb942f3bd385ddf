"""Typed, frozen settings: the only reader of the environment. A wrong value stops the start with one sentence
that names the variable."""

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from .domain.apps import APP_ID, APP_KEY, MAX_APP_KEYS, App, secret_problem
from .domain.connection_limit import DEFAULT, ConnectionLimits
from .domain.console import ConsoleRoles
from .domain.credentials import ChannelAuth
from .domain.history import Bounds
from .domain.pusher_signature import AppKey
from .domain.roles import Ladder, Level
from .domain.webhooks import USUAL, WebhookEvent
from .environment import Environment, SettingsError

ROOT = Path(__file__).resolve().parent.parent
PLAN_ORIGINS = ("https://mechamap.com", "https://www.mechamap.com", "https://mechamap.test")
DEV_SECRETS_FILE = "dev-secrets.env"
PLACEHOLDERS = frozenset({"secret", "changeme", "change-me", "your-secret-key", "your-api-key", "password"})
GENERATE = "python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
REDIS_SCHEMES = ("redis", "rediss", "unix")
NO_PREFIX = "none"
"""What LARAVEL_REDIS_PREFIX says where Laravel has none: nobody should hear a whole Redis by mistake."""
LOOPBACK = ("127.0.0.0/8", "::1/128")
NO_NETWORKS = "none"
"""What DRIVER_NETWORKS says where every publisher must have a key."""
MAX_PREFIX_LENGTH = 200
MAX_WEBHOOK_URLS = 4
"""Each has a queue and a thread of its own."""
MAX_WEBHOOK_URL_LENGTH = 255
MIN_SECRET_LENGTH = 32
"""Characters. RFC 7518 3.2 asks for a key at least as long as the HMAC's hash: 32 bytes for HS256."""

__all__ = ["AppEnv", "ChannelAuth", "SanctumMode", "Settings", "SettingsError", "load"]


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
        pong is as old as interval and timeout at most, and answers a ping at most one timeout older."""
        return (self.ping_interval_ms + 2 * self.ping_timeout_ms) / 1000 + 1

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


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from the process environment, with ``.env`` of the project root beneath it.

    Outside production missing secrets are generated once and kept, readable by the owner only, in the
    instance folder, so that workers and the command line share them.

    Raises:
        SettingsError: a value is malformed, contradictory, or missing where production needs it.
    """
    if environ is None:
        from dotenv import dotenv_values

        environ = {**{k: v for k, v in dotenv_values(ROOT / ".env").items() if v is not None}, **os.environ}
    env = Environment(environ)
    app_env = AppEnv(env.choice("APP_ENV", tuple(AppEnv), AppEnv.DEVELOPMENT))
    instance = Path(env.text("INSTANCE_PATH") or ROOT / "instance").resolve()
    production = app_env is AppEnv.PRODUCTION
    if not production:
        env = env.beneath(_development_secrets(instance, env))

    ladder = Ladder().extended(env.levels("ROLE_LEVELS"))
    database_url = env.url("DATABASE_URL") or f"sqlite:///{instance / 'mechamap.sqlite'}"
    settings = Settings(
        app_env=app_env,
        instance_path=instance,
        host=env.text("HOST") or "127.0.0.1",
        port=env.integer("PORT", 3000, 1, 65535),
        workers=env.integer("WEB_CONCURRENCY", 1, 1, 64),
        secret_key=env.required("SECRET_KEY"),
        jwt_secret=env.required("JWT_SECRET"),
        jwt_secret_previous=env.text("JWT_SECRET_PREVIOUS"),
        jwt_algorithm=env.choice("JWT_ALGORITHM", ("HS256", "HS384", "HS512"), "HS256"),
        api_keys=env.words("WEBSOCKET_API_KEY"),
        server_secret=env.text("WEBSOCKET_SERVER_SECRET"),
        redis_url=env.redis_url("REDIS_URL"),
        laravel_redis_url=env.redis_url("LARAVEL_REDIS_URL"),
        laravel_redis_prefix=_laravel_redis_prefix(env),
        laravel_api_url=env.address("LARAVEL_API_URL", secure=production),
        laravel_api_key=env.text("LARAVEL_API_KEY"),
        laravel_auth_url=env.address("LARAVEL_AUTH_URL", secure=production),
        laravel_group_message_path=_path(env, "LARAVEL_GROUP_MESSAGE_PATH"),
        sanctum_mode=SanctumMode(env.choice("SANCTUM_MODE", tuple(SanctumMode), SanctumMode.AUTO)),
        sanctum_cache_seconds=env.number("SANCTUM_CACHE_SECONDS", 300.0, 1.0, 3600.0),
        channel_auth=_channel_auth(env),
        pusher_app_id=env.text("PUSHER_APP_ID"),
        pusher_app_keys=env.words("PUSHER_APP_KEY"),
        pusher_app_secrets=env.words("PUSHER_APP_SECRET"),
        pusher_path=_mount(env.text("PUSHER_PATH") or ""),
        webhook_urls=_webhook_urls(env, secure=production),
        webhook_events=_webhook_events(env),
        webhook_app=env.text("WEBHOOK_APP") or env.text("PUSHER_APP_ID"),
        history_seconds=env.number("HISTORY_SECONDS", 120.0, 1.0, 86_400.0),
        history_user_seconds=env.number("HISTORY_USER_SECONDS", 600.0, 1.0, 86_400.0),
        history_events=env.integer("HISTORY_EVENTS", 500, 1, 10_000),
        recovery_seconds=env.number("RECOVERY_SECONDS", 120.0, 1.0, 86_400.0),
        idempotency_seconds=env.number("IDEMPOTENCY_SECONDS", 600.0, 1.0, 86_400.0),
        presence_grace_seconds=env.number("PRESENCE_GRACE_SECONDS", 5.0, 0.0, 300.0),
        outbox=env.switch("OUTBOX", False),
        outbox_poll_ms=env.integer("OUTBOX_POLL_MS", 50, 10, 10_000),
        outbox_idle_poll_ms=env.integer("OUTBOX_IDLE_POLL_MS", 500, 10, 60_000),
        database_url=database_url,
        laravel_database_url=env.url("LARAVEL_DATABASE_URL") or database_url,
        allowed_origins=env.origins("ALLOWED_ORIGINS") or PLAN_ORIGINS,
        trusted_proxies=env.networks("TRUSTED_PROXIES"),
        driver_networks=_driver_networks(env),
        ssl_cert_path=env.file("SSL_CERT_PATH"),
        ssl_key_path=env.file("SSL_KEY_PATH"),
        ping_interval_ms=env.integer("WS_PING_INTERVAL", 25_000, 100, 300_000),
        ping_timeout_ms=env.integer("WS_PING_TIMEOUT", 20_000, 100, 300_000),
        app_timezone=env.timezone("APP_TIMEZONE", "UTC"),
        rate_limits=env.switch("RATE_LIMITS", True),
        log_level=env.choice("LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR"), "INFO"),
        log_format=env.choice(
            "LOG_FORMAT", ("json", "plain"), "json" if app_env is AppEnv.PRODUCTION else "plain"
        ),
        ladder=ladder,
        console_roles=ConsoleRoles(ladder, env.console_roles("CONSOLE_ROLES")),
        private_forum_level=env.level("PRIVATE_FORUM_LEVEL", Level.MODERATOR),
        sanctum_expiration_minutes=env.optional_integer("SANCTUM_EXPIRATION", 1, 10_000_000),
        update_last_seen=env.switch("UPDATE_LAST_SEEN", False),
        admin_ui=env.switch("ADMIN_UI", False),
        cache_seconds=env.number("DIRECTORY_CACHE_SECONDS", 5.0, 0.0, 300.0),
        recheck_seconds=env.number("RECHECK_SECONDS", 30.0, 0.2, 3600.0),
        audit_days=env.integer("AUDIT_DAYS", 365, 0, 36_500),
        max_connections=env.integer("MAX_CONNECTIONS", 10_000, 1, 1_000_000),
        max_connections_per_user=env.integer("MAX_CONNECTIONS_PER_USER", DEFAULT, 0, 10_000),
        max_connections_per_role=env.numbers("MAX_CONNECTIONS_PER_ROLE", 0, 10_000),
        max_subscriptions=env.integer("MAX_SUBSCRIPTIONS", 100, 1, 10_000),
        max_broadcast_bytes=env.integer("MAX_BROADCAST_BYTES", 100_000, 1_000, 1_000_000),
    )
    _refuse_contradictions(settings)
    return settings


def _driver_networks(env: Environment) -> tuple[str, ...]:
    """Where the application's driver may come from without a key."""
    if env.text("DRIVER_NETWORKS") == NO_NETWORKS:
        return ()
    return env.networks("DRIVER_NETWORKS") or LOOPBACK


def _laravel_redis_prefix(env: Environment) -> str:
    """What Laravel puts before the names it publishes to; empty only where that was said in so many words."""
    name = "LARAVEL_REDIS_PREFIX"
    prefix, url = env.text(name), env.text("LARAVEL_REDIS_URL")
    if prefix is None and url is not None:
        raise SettingsError(
            name,
            "is required with LARAVEL_REDIS_URL: Laravel's database.redis.options.prefix, such as "
            f"laravel_database_; or {NO_PREFIX}, if that is empty and the whole of that Redis may be heard",
        )
    if prefix is not None and url is None:
        raise SettingsError(name, "does nothing without LARAVEL_REDIS_URL")
    if prefix is not None and (len(prefix) > MAX_PREFIX_LENGTH or not prefix.isprintable()):
        raise SettingsError(name, f"must be at most {MAX_PREFIX_LENGTH} printable characters")
    return "" if prefix is None or prefix == NO_PREFIX else prefix


def _channel_auth(env: Environment) -> tuple[ChannelAuth, ...]:
    """The ways of CHANNEL_AUTH in their order, each once."""
    name, known = "CHANNEL_AUTH", [way.value for way in ChannelAuth]
    words = [word.lower() for word in env.words(name)] or [ChannelAuth.RULES.value]
    for word in words:
        if word not in known:
            raise SettingsError(name, f"{word!r} is not one of {', '.join(known)}")
        if words.count(word) > 1:
            raise SettingsError(name, f"names {word} twice")
    return tuple(map(ChannelAuth, words))


def _webhook_urls(env: Environment, *, secure: bool) -> tuple[str, ...]:
    """Where Laravel is told, each once."""
    urls = env.addresses("WEBHOOK_URL", secure=secure)
    if len(urls) > MAX_WEBHOOK_URLS:
        raise SettingsError("WEBHOOK_URL", f"has {len(urls)} entries, at most {MAX_WEBHOOK_URLS} are served")
    if any(len(url) > MAX_WEBHOOK_URL_LENGTH for url in urls):
        raise SettingsError("WEBHOOK_URL", f"must be at most {MAX_WEBHOOK_URL_LENGTH} characters")
    if len(set(urls)) < len(urls):
        raise SettingsError("WEBHOOK_URL", "names an address twice")
    for name in ("WEBHOOK_EVENTS", "WEBHOOK_APP") if not urls else ():
        if env.text(name) is not None:
            raise SettingsError(name, "does nothing without WEBHOOK_URL")
    if urls and env.text("WEBHOOK_APP") is None and env.text("PUSHER_APP_ID") is None:
        raise SettingsError(
            "WEBHOOK_APP",
            "is required with WEBHOOK_URL: the id of the app (PUSHER_APP_ID, or one of `flask apps list`) "
            "whose secret signs the webhooks",
        )
    return urls


def _webhook_events(env: Environment) -> tuple[WebhookEvent, ...]:
    """The events of WEBHOOK_EVENTS, each once."""
    name, known = "WEBHOOK_EVENTS", [event.value for event in WebhookEvent]
    words = [word.lower() for word in env.words(name)]
    for word in words:
        if word not in known:
            raise SettingsError(name, f"{word!r} is not one of {', '.join(known)}")
    return tuple(event for event in WebhookEvent if event.value in words) or USUAL


def _path(env: Environment, name: str) -> str | None:
    """A path on Laravel's address."""
    path = env.text(name)
    if path is not None and not re.fullmatch(r"(?:/[A-Za-z0-9._~\-]+)+", path, re.ASCII):
        raise SettingsError(name, f"is {path!r}; use a path such as /api/websocket-api/group-message")
    return path


def _mount(path: str) -> str:
    """``/prefix`` of a path in any spelling; empty for none."""
    words = path.strip("/")
    if words and not re.fullmatch(r"[A-Za-z0-9._\-]+(?:/[A-Za-z0-9._\-]+)*", words, re.ASCII):
        raise SettingsError("PUSHER_PATH", f"is {path!r}; use a path such as /pusher")
    if words.partition("/")[0] in (
        "api",
        "admin",
        "static",
        "demo",
        "socket.io",
        "health",
        "metrics",
        "apps",
    ):
        raise SettingsError("PUSHER_PATH", f"is {path!r}, where the server has something else")
    return f"/{words}" if words else ""


def _check_app(settings: Settings) -> None:
    """PUSHER_APP_ID, PUSHER_APP_KEY and PUSHER_APP_SECRET are one app, or none of them is there."""
    app_id, keys = settings.pusher_app_id, settings.pusher_app_keys
    given = {
        "PUSHER_APP_ID": app_id,
        "PUSHER_APP_KEY": keys,
        "PUSHER_APP_SECRET": settings.pusher_app_secrets,
    }
    missing = [name for name, value in given.items() if not value]
    if missing and len(missing) < len(given):
        raise SettingsError(missing[0], f"is required with {next(name for name in given if given[name])}")
    if app_id is None:
        return
    if not APP_ID.fullmatch(app_id):
        raise SettingsError("PUSHER_APP_ID", "must be 1 to 64 letters, digits, dashes or underscores")
    if len(keys) != len(settings.pusher_app_secrets) or len(keys) > MAX_APP_KEYS:
        raise SettingsError(
            "PUSHER_APP_SECRET", f"must have as many entries as PUSHER_APP_KEY, at most {MAX_APP_KEYS}"
        )
    if not all(APP_KEY.fullmatch(key) for key in keys):
        raise SettingsError("PUSHER_APP_KEY", "must be 1 to 128 letters, digits, dashes or underscores")
    for secret in settings.pusher_app_secrets if settings.production else ():
        problem = "is a placeholder" if secret.lower() in PLACEHOLDERS else secret_problem(secret)
        if problem is not None:
            raise SettingsError("PUSHER_APP_SECRET", f"{problem}; generate one with: {GENERATE}")


def _refuse_contradictions(settings: Settings) -> None:
    if settings.max_connections_per_role and not settings.max_connections_per_user:
        raise SettingsError("MAX_CONNECTIONS_PER_ROLE", "does nothing with MAX_CONNECTIONS_PER_USER=0")
    if settings.sanctum_mode is SanctumMode.HTTP and settings.laravel_api_url is None:
        raise SettingsError("SANCTUM_MODE", "http needs LARAVEL_API_URL, the address of the Laravel site")
    if ChannelAuth.LARAVEL in settings.channel_auth and settings.broadcasting_auth_url is None:
        raise SettingsError("CHANNEL_AUTH", "laravel needs LARAVEL_AUTH_URL or LARAVEL_API_URL")
    if settings.laravel_group_message_path is not None:
        for name, value in (
            ("LARAVEL_API_URL", settings.laravel_api_url),
            ("LARAVEL_API_KEY", settings.laravel_api_key),
        ):
            if value is None:
                raise SettingsError("LARAVEL_GROUP_MESSAGE_PATH", f"needs {name}")
    if settings.workers > 1 and settings.redis_url is None:
        raise SettingsError(
            "WEB_CONCURRENCY", "more than one worker needs REDIS_URL, or workers would not hear each other"
        )
    if (settings.ssl_cert_path is None) != (settings.ssl_key_path is None):
        raise SettingsError("SSL_KEY_PATH", "SSL_CERT_PATH and SSL_KEY_PATH go together")
    if settings.outbox_idle_poll_ms < settings.outbox_poll_ms:
        raise SettingsError(
            "OUTBOX_IDLE_POLL_MS", f"must be at least OUTBOX_POLL_MS, which is {settings.outbox_poll_ms}"
        )
    _check_app(settings)
    if not settings.production:
        return
    if not settings.rate_limits:
        raise SettingsError("RATE_LIMITS", "cannot be off in production")
    in_use = [
        ("SECRET_KEY", settings.secret_key),
        ("JWT_SECRET", settings.jwt_secret),
        ("JWT_SECRET_PREVIOUS", settings.jwt_secret_previous),
        ("WEBSOCKET_SERVER_SECRET", settings.server_secret),
        *(("WEBSOCKET_API_KEY", key) for key in settings.api_keys),
    ]
    for name, value in in_use:
        if value is None:
            continue
        if value.lower() in PLACEHOLDERS:
            raise SettingsError(name, f"is a placeholder; generate one with: {GENERATE}")
        if len(value) < MIN_SECRET_LENGTH:
            problem = f"has {len(value)} characters; production needs at least {MIN_SECRET_LENGTH}"
            raise SettingsError(name, problem)


def _development_secrets(instance: Path, env: Environment) -> dict[str, str]:
    """Generated secrets for whatever the environment leaves out; kept across restarts so tokens stay
    valid."""
    wanted = [name for name in ("SECRET_KEY", "JWT_SECRET", "WEBSOCKET_API_KEY") if not env.text(name)]
    if not wanted:
        return {}
    path = instance / DEV_SECRETS_FILE
    kept = (
        dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)
        if path.exists()
        else {}
    )
    missing = [name for name in wanted if name not in kept]
    if missing:
        kept.update({name: secrets.token_urlsafe(48) for name in missing})
        instance.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(f"{path.name}.{os.getpid()}")
        scratch.touch(mode=0o600)
        scratch.write_text("".join(f"{name}={value}\n" for name, value in sorted(kept.items())))
        scratch.replace(path)
    return {name: kept[name] for name in wanted}
