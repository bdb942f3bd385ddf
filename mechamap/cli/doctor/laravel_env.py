"""A Laravel site's ``.env`` beside our settings: what does not fit, and on which side to mend it.

What PHP reads may differ: its process's environment goes before ``.env``, and ``php artisan config:cache``
freezes both. Defaults of Laravel are those of its skeleton.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mechamap.settings import ChannelAuth, Settings

from .finding import Finding, fail, ok, warn
from .laravel_env_addresses import address, origin_of
from .laravel_env_redis import redis_driver
from .laravel_env_secrets import Accepted, application, jwt_secret, keys

if TYPE_CHECKING:
    from mechamap.services import Services

AREA = "Laravel's .env"
MAX_BYTES = 1024 * 1024
"""Far above any such file; whatever is larger is another file."""
SILENT = ("", "null", "log")


class NotReadable(Exception):
    """The file cannot be read as a ``.env``. ``str`` is one sentence."""


def read(path: Path) -> dict[str, str]:
    """Its variables; Laravel's words for nothing (``null``, ``empty``) are read as empty.

    Raises:
        NotReadable
    """
    import io

    from dotenv import dotenv_values

    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise NotReadable(f"{path} is larger than {MAX_BYTES} bytes: that is no .env file.")
        values = dotenv_values(stream=io.StringIO(text.decode()))
    except OSError as err:
        raise NotReadable(f"{path} cannot be read ({err.strerror}).") from err
    except UnicodeDecodeError as err:
        raise NotReadable(f"{path} is not UTF-8 text.") from err
    return {name: _meant(value or "") for name, value in values.items()}


def _meant(value: str) -> str:
    return "" if value.strip("()").lower() in ("null", "empty") else value.strip()


def examine(services: "Services", path: Path) -> Iterator[Finding]:
    """What there is to say of the file at ``path``."""
    try:
        env = read(path)
    except NotReadable as err:
        yield fail(AREA, "file", str(err), "Give the path of the site's .env file.")
        return
    if not any(name.startswith("APP_") for name in env):
        said = f"{path} has no APP_ variable."
        yield fail(AREA, "file", said, "Give the .env of the Laravel site, not ours.")
        return
    yield from compare(services.settings, env, Accepted.of(services))


def compare(settings: Settings, env: Mapping[str, str], accepted: Accepted) -> Iterator[Finding]:
    """Args:
    accepted: the keys and apps that the server accepts.
    """
    if env.get("APP_ENV") == "production" and not settings.production:
        said = f"It is production there and {settings.app_env} here: secrets and limits are not checked."
        yield warn(AREA, "APP_ENV", said, "Set APP_ENV=production in the server's settings.")
    connection = env.get("BROADCAST_CONNECTION") or env.get("BROADCAST_DRIVER") or ""
    yield from _connection(settings, env, connection)
    yield _queue(env)
    for name in ("NODEJS_BROADCAST_URL", "WEBSOCKET_SERVER_URL"):
        if env.get(name):
            yield from address(AREA, settings, name, env[name])
    yield from keys(AREA, settings, env, accepted, expected=connection == "nodejs")
    yield from jwt_secret(AREA, settings, env)
    if connection in ("pusher", "reverb"):
        yield from application(AREA, settings, env, f"{connection.upper()}_", accepted)
    yield from _pages(settings, env)
    yield from _database(settings, env)


def _connection(settings: Settings, env: Mapping[str, str], connection: str) -> Iterator[Finding]:
    name = "BROADCAST_DRIVER" if "BROADCAST_DRIVER" in env else "BROADCAST_CONNECTION"
    if connection in SILENT:
        said = f"It is {connection or 'not set'}: Laravel's events go to nobody."
        yield fail(AREA, name, said, "Set it to nodejs (MechaMap), pusher, reverb or redis.")
    elif connection == "ably":
        said = "It is ably: Laravel's events go to Ably."
        yield fail(AREA, name, said, "Set it to pusher, reverb or redis.")
    elif connection == "redis":
        yield ok(AREA, name, "Laravel's events go through its Redis.")
        yield from redis_driver(AREA, settings, env)
    elif connection == "nodejs":
        yield ok(AREA, name, "Laravel's events go through the application's own driver.")
        yield from _driver(settings, env)
    elif connection in ("pusher", "reverb"):
        yield ok(AREA, name, f"Laravel's events go through its {connection} driver.")
    else:
        said = f"{connection!r} is no driver of Laravel's: config/broadcasting.php must have it."
        yield warn(AREA, name, said, "Make it one of nodejs, pusher, reverb or redis, if it is not.")


def _driver(settings: Settings, env: Mapping[str, str]) -> Iterator[Finding]:
    if ChannelAuth.LARAVEL in settings.channel_auth:
        yield warn(
            AREA,
            "CHANNEL_AUTH",
            "The application's driver lets everybody who is signed in into every private channel.",
            "Leave CHANNEL_AUTH at rules, unless that was changed: docs/laravel/patches.md.",
        )
    url = env.get("NODEJS_BROADCAST_URL", "")
    if not url:
        yield warn(
            AREA,
            "NODEJS_BROADCAST_URL",
            "It is not set: PHP takes the address in config/broadcasting.php.",
            f"Set it to http://127.0.0.1:{settings.port}, if both run on one machine.",
        )
    elif urlsplit(url).scheme == "https":
        yield warn(
            AREA,
            "driver",
            "The application's driver sends no key, and is believed only where it connects directly, "
            "not through a proxy.",
            "Let it lead to the server itself, or send the key: docs/laravel/patches.md.",
        )


def _queue(env: Mapping[str, str]) -> Finding:
    name, connection = "QUEUE_CONNECTION", env.get("QUEUE_CONNECTION", "")
    if connection == "sync":
        return warn(
            AREA,
            name,
            "It is sync: a page waits until its events are published.",
            "Use database or redis, and run a worker.",
        )
    if "QUEUE_CONNECTION" in env and not connection:
        return fail(AREA, name, "It is null: queued events are thrown away.", "Use database or redis.")
    said = (
        f"Events wait in the queue ({connection or 'the default'}) until php artisan queue:work takes them."
    )
    return ok(AREA, name, said)


def _pages(settings: Settings, env: Mapping[str, str]) -> Iterator[Finding]:
    site = origin_of(env.get("APP_URL", ""))
    if site is None:
        yield warn(AREA, "APP_URL", "It is no address: whether pages may connect is not known.")
    elif site in settings.origins:
        yield ok(AREA, "APP_URL", f"Pages of {site} may connect.")
    else:
        said = f"Pages of {site} may not connect: it is not in ALLOWED_ORIGINS."
        yield fail(AREA, "APP_URL", said, f"Add {site} to ALLOWED_ORIGINS of the server.")
    server = env.get("WEBSOCKET_SERVER_URL", "")
    if site and site.startswith("https:") and server.startswith("http:"):
        yield fail(
            AREA,
            "WEBSOCKET_SERVER_URL",
            "Pages over https cannot connect to a server over http.",
            "Give pages the server's https address; PHP may use another in NODEJS_BROADCAST_URL.",
        )
    if env.get("CONTENT_SECURITY_POLICY_ENABLED", "").lower() == "true":
        yield warn(
            AREA,
            "CONTENT_SECURITY_POLICY_ENABLED",
            "The site's policy must name the server, or browsers refuse to connect.",
            "Put its https and wss address into connect-src, and its https address into script-src.",
        )
    if settings.laravel_api_url and site and origin_of(settings.laravel_api_url) != site:
        said = f"LARAVEL_API_URL is {origin_of(settings.laravel_api_url)}, and the site {site}."
        yield warn(AREA, "LARAVEL_API_URL", said, "Make sure that both are the same site.")


def _database(settings: Settings, env: Mapping[str, str]) -> Iterator[Finding]:
    from sqlalchemy import make_url

    zone = env.get("APP_TIMEZONE") or "UTC"
    if zone == settings.app_timezone:
        yield ok(AREA, "APP_TIMEZONE", f"It is {zone} on both sides.")
    else:
        yield fail(
            AREA,
            "APP_TIMEZONE",
            f"It is {zone} there and {settings.app_timezone} here: times in Laravel's tables would be wrong.",
            f"Set APP_TIMEZONE={zone} in the server's settings.",
        )
    if env.get("SANCTUM_TOKEN_PREFIX"):
        yield ok(AREA, "SANCTUM_TOKEN_PREFIX", "It is part of the tokens; there is nothing to set here.")
    theirs = env.get("DB_DATABASE", "")
    if env.get("DB_CONNECTION") not in ("mysql", "mariadb") or not theirs:
        return
    ours = make_url(settings.laravel_database_url)
    if ours.get_backend_name() == "sqlite":
        said = f"Laravel's database is {theirs}, and LARAVEL_DATABASE_URL does not name it."
        yield warn(AREA, "DB_DATABASE", said, "Set LARAVEL_DATABASE_URL, or SANCTUM_MODE=http without one.")
    elif ours.database != theirs:
        said = f"Laravel's database is {theirs}, and LARAVEL_DATABASE_URL names {ours.database}."
        yield warn(AREA, "DB_DATABASE", said, "Make them the same.")
    else:
        yield ok(AREA, "DB_DATABASE", f"Both use the database {theirs}.")
