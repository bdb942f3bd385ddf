"""The settings in effect, as an operator may see them: of a secret only its length and fingerprint."""

import hashlib
from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from urllib.parse import parse_qsl, urlencode

from mechamap.domain.console import NOBODY, ConsoleRoles
from mechamap.domain.roles import DEFAULT_LEVELS, Ladder
from mechamap.settings import MIN_SECRET_LENGTH, Settings

VARIABLES: Mapping[str, str] = {
    "app_env": "APP_ENV",
    "instance_path": "INSTANCE_PATH",
    "host": "HOST",
    "port": "PORT",
    "workers": "WEB_CONCURRENCY",
    "secret_key": "SECRET_KEY",
    "jwt_secret": "JWT_SECRET",
    "jwt_secret_previous": "JWT_SECRET_PREVIOUS",
    "jwt_algorithm": "JWT_ALGORITHM",
    "api_keys": "WEBSOCKET_API_KEY",
    "server_secret": "WEBSOCKET_SERVER_SECRET",
    "redis_url": "REDIS_URL",
    "laravel_redis_url": "LARAVEL_REDIS_URL",
    "laravel_redis_prefix": "LARAVEL_REDIS_PREFIX",
    "laravel_api_url": "LARAVEL_API_URL",
    "laravel_api_key": "LARAVEL_API_KEY",
    "laravel_auth_url": "LARAVEL_AUTH_URL",
    "laravel_group_message_path": "LARAVEL_GROUP_MESSAGE_PATH",
    "sanctum_mode": "SANCTUM_MODE",
    "sanctum_cache_seconds": "SANCTUM_CACHE_SECONDS",
    "channel_auth": "CHANNEL_AUTH",
    "pusher_app_id": "PUSHER_APP_ID",
    "pusher_app_keys": "PUSHER_APP_KEY",
    "pusher_app_secrets": "PUSHER_APP_SECRET",
    "pusher_path": "PUSHER_PATH",
    "webhook_urls": "WEBHOOK_URL",
    "webhook_events": "WEBHOOK_EVENTS",
    "webhook_app": "WEBHOOK_APP",
    "history_seconds": "HISTORY_SECONDS",
    "history_user_seconds": "HISTORY_USER_SECONDS",
    "history_events": "HISTORY_EVENTS",
    "recovery_seconds": "RECOVERY_SECONDS",
    "idempotency_seconds": "IDEMPOTENCY_SECONDS",
    "presence_grace_seconds": "PRESENCE_GRACE_SECONDS",
    "outbox": "OUTBOX",
    "outbox_poll_ms": "OUTBOX_POLL_MS",
    "outbox_idle_poll_ms": "OUTBOX_IDLE_POLL_MS",
    "database_url": "DATABASE_URL",
    "laravel_database_url": "LARAVEL_DATABASE_URL",
    "allowed_origins": "ALLOWED_ORIGINS",
    "trusted_proxies": "TRUSTED_PROXIES",
    "driver_networks": "DRIVER_NETWORKS",
    "ssl_cert_path": "SSL_CERT_PATH",
    "ssl_key_path": "SSL_KEY_PATH",
    "ping_interval_ms": "WS_PING_INTERVAL",
    "ping_timeout_ms": "WS_PING_TIMEOUT",
    "app_timezone": "APP_TIMEZONE",
    "rate_limits": "RATE_LIMITS",
    "log_level": "LOG_LEVEL",
    "log_format": "LOG_FORMAT",
    "ladder": "ROLE_LEVELS",
    "console_roles": "CONSOLE_ROLES",
    "private_forum_level": "PRIVATE_FORUM_LEVEL",
    "sanctum_expiration_minutes": "SANCTUM_EXPIRATION",
    "update_last_seen": "UPDATE_LAST_SEEN",
    "admin_ui": "ADMIN_UI",
    "cache_seconds": "DIRECTORY_CACHE_SECONDS",
    "recheck_seconds": "RECHECK_SECONDS",
    "audit_days": "AUDIT_DAYS",
    "max_connections": "MAX_CONNECTIONS",
    "max_connections_per_user": "MAX_CONNECTIONS_PER_USER",
    "max_connections_per_role": "MAX_CONNECTIONS_PER_ROLE",
    "max_subscriptions": "MAX_SUBSCRIPTIONS",
    "max_broadcast_bytes": "MAX_BROADCAST_BYTES",
}
"""Field → variable; the few whose names differ by more than case are why this is a table."""
SECRETS = frozenset(
    {
        "secret_key",
        "jwt_secret",
        "jwt_secret_previous",
        "api_keys",
        "server_secret",
        "laravel_api_key",
        "pusher_app_secrets",
    }
)
URLS = frozenset({"redis_url", "laravel_redis_url", "database_url", "laravel_database_url"})
_SAFE_OPTIONS = frozenset({"db", "charset", "unix_socket", "mode", "timeout", "protocol"})


def effective(settings: Settings) -> dict[str, str]:
    """Every setting by its variable, as text that may be shown."""
    return {
        VARIABLES.get(field.name, field.name.upper()): shown(field.name, getattr(settings, field.name))
        for field in fields(settings)
    }


def shown(name: str, value: object) -> str:
    """One value as text that may be shown; nothing for what is not set."""
    if value is None or value == ():
        return ""
    if name in SECRETS:
        return ", ".join(map(disguised, value if isinstance(value, tuple) else (value,)))
    if name in URLS:
        return without_password(str(value))
    if isinstance(value, Ladder):
        return ", ".join(
            f"{role}={level.label}"
            for role, level in value.levels.items()
            if DEFAULT_LEVELS.get(role) != level
        )
    if isinstance(value, ConsoleRoles):
        return ", ".join(f"{name}={role.label if role else NOBODY}" for name, role in value.changes.items())
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={number}" for name, number in value.items())
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, Enum):
        return value.name.lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def disguised(secret: object) -> str:
    """A secret's length and, if it is too long to be guessed, a fingerprint to compare two machines by."""
    text = str(secret)
    size = f"set, {len(text)} characters"
    if len(text) < MIN_SECRET_LENGTH:
        return size
    return f"{size}, fingerprint {hashlib.sha256(text.encode()).hexdigest()[:8]}"


def without_password(url: str) -> str:
    """A URL without its password, and without the options that may hold a secret.

    What stands between the user's name and the last @ goes. Not by ``urlsplit``:
    an unescaped / or ? in a password makes it take half of the password for a path or a query.
    """
    scheme, _, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    address, _, query = place.partition("?")
    if at:
        address = f"{user.partition(':')[0]}{':***' if ':' in user else ''}@{address}"
    options = [(name, value if name in _SAFE_OPTIONS else "***") for name, value in parse_qsl(query)]
    return f"{scheme}://{address}{'?' if options else ''}{urlencode(options, safe='*/')}"
