"""Values that have rules of their own: each is read, or refused with a sentence."""

import re

from ..domain.credentials import ChannelAuth
from ..domain.webhooks import USUAL, WebhookEvent
from ..environment import Environment, SettingsError

NO_PREFIX = "none"
"""What LARAVEL_REDIS_PREFIX says where Laravel has none: nobody should hear a whole Redis by mistake."""
LOOPBACK = ("127.0.0.0/8", "::1/128")
NO_NETWORKS = "none"
"""What DRIVER_NETWORKS says where every publisher must have a key."""
MAX_PREFIX_LENGTH = 200
MAX_WEBHOOK_URLS = 4
"""Each has a queue and a thread of its own."""
MAX_WEBHOOK_URL_LENGTH = 255


def driver_networks(env: Environment) -> tuple[str, ...]:
    """Where the application's driver may come from without a key."""
    if env.text("DRIVER_NETWORKS") == NO_NETWORKS:
        return ()
    return env.networks("DRIVER_NETWORKS") or LOOPBACK


def laravel_redis_prefix(env: Environment) -> str:
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


def channel_auth(env: Environment) -> tuple[ChannelAuth, ...]:
    """The ways of CHANNEL_AUTH in their order, each once."""
    name, known = "CHANNEL_AUTH", [way.value for way in ChannelAuth]
    words = [word.lower() for word in env.words(name)] or [ChannelAuth.RULES.value]
    for word in words:
        if word not in known:
            raise SettingsError(name, f"{word!r} is not one of {', '.join(known)}")
        if words.count(word) > 1:
            raise SettingsError(name, f"names {word} twice")
    return tuple(map(ChannelAuth, words))


def webhook_urls(env: Environment, *, secure: bool) -> tuple[str, ...]:
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


def webhook_events(env: Environment) -> tuple[WebhookEvent, ...]:
    """The events of WEBHOOK_EVENTS, each once."""
    name, known = "WEBHOOK_EVENTS", [event.value for event in WebhookEvent]
    words = [word.lower() for word in env.words(name)]
    for word in words:
        if word not in known:
            raise SettingsError(name, f"{word!r} is not one of {', '.join(known)}")
    return tuple(event for event in WebhookEvent if event.value in words) or USUAL


def laravel_path(env: Environment, name: str) -> str | None:
    """A path on Laravel's address."""
    path = env.text(name)
    if path is not None and not re.fullmatch(r"(?:/[A-Za-z0-9._~\-]+)+", path, re.ASCII):
        raise SettingsError(name, f"is {path!r}; use a path such as /api/websocket-api/group-message")
    return path


def mount(path: str) -> str:
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
