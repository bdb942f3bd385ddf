"""The settings that an environment says, with their defaults and limits."""

import os
from collections.abc import Mapping
from pathlib import Path

from ..domain.connection_limit import DEFAULT
from ..domain.console import ConsoleRoles
from ..domain.roles import Ladder, Level
from ..environment import Environment
from . import values
from .contradictions import refuse_contradictions
from .development import development_secrets
from .settings import AppEnv, SanctumMode, Settings

ROOT = Path(__file__).resolve().parent.parent.parent
PLAN_ORIGINS = ("https://mechamap.com", "https://www.mechamap.com", "https://mechamap.test")


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
        env = env.beneath(development_secrets(instance, env))

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
        laravel_redis_prefix=values.laravel_redis_prefix(env),
        laravel_api_url=env.address("LARAVEL_API_URL", secure=production),
        laravel_api_key=env.text("LARAVEL_API_KEY"),
        laravel_auth_url=env.address("LARAVEL_AUTH_URL", secure=production),
        laravel_group_message_path=values.laravel_path(env, "LARAVEL_GROUP_MESSAGE_PATH"),
        sanctum_mode=SanctumMode(env.choice("SANCTUM_MODE", tuple(SanctumMode), SanctumMode.AUTO)),
        sanctum_cache_seconds=env.number("SANCTUM_CACHE_SECONDS", 300.0, 1.0, 3600.0),
        channel_auth=values.channel_auth(env),
        pusher_app_id=env.text("PUSHER_APP_ID"),
        pusher_app_keys=env.words("PUSHER_APP_KEY"),
        pusher_app_secrets=env.words("PUSHER_APP_SECRET"),
        pusher_path=values.mount(env.text("PUSHER_PATH") or ""),
        webhook_urls=values.webhook_urls(env, secure=production),
        webhook_events=values.webhook_events(env),
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
        driver_networks=values.driver_networks(env),
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
    refuse_contradictions(settings)
    return settings
