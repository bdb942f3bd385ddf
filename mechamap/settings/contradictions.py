"""What settings may not say together, and what production may not say at all."""

from ..domain.apps import APP_ID, APP_KEY, MAX_APP_KEYS, secret_problem
from ..domain.credentials import ChannelAuth
from ..environment import SettingsError
from .settings import SanctumMode, Settings

PLACEHOLDERS = frozenset({"secret", "changeme", "change-me", "your-secret-key", "your-api-key", "password"})
GENERATE = "python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
MIN_SECRET_LENGTH = 32
"""Characters. RFC 7518 3.2 asks for a key at least as long as the HMAC's hash: 32 bytes for HS256."""


def refuse_contradictions(settings: Settings) -> None:
    """
    Raises:
        SettingsError: of the first that is found.
    """
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
