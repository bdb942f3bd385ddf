"""``flask convert``: the settings of another server, or of a Laravel site, as this server's."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from .command import Command
from .doctor.laravel_env import MAX_BYTES, NotReadable, read
from .doctor.laravel_env_addresses import origin_of
from .printing import note

Settings = Iterator[tuple[str, str]]
LEVELS = {"debug": "DEBUG", "info": "INFO", "warn": "WARNING", "warning": "WARNING", "error": "ERROR"}
PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.:/@%+=,?&*~")
"""Characters of a value that needs no quotes in a .env file."""


class Others:
    """The variables of the other program; remembers which were asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        """Empty where there is none."""
        self._asked.add(name)
        return self._values.get(name, "")

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def left(self) -> list[str]:
        """Names of what has a value and was not asked for."""
        return sorted(name for name, value in self._values.items() if value and name not in self._asked)


@click.command("convert", cls=Command)
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def command(file: Path) -> None:
    """Print the settings of another server as this one's.

    FILE is the .env of MechaMap's Node.js server, of Soketi or of a Laravel site, or a
    laravel-echo-server.json. Its secrets are printed too. What has no equivalent is named on the
    error output.
    """
    try:
        others, converted = _converter(file)
    except NotReadable as err:
        raise click.ClickException(str(err)) from err
    settings = {name: value for name, value in converted(others) if value}
    note(f"# {len(settings)} settings; see docs/MIGRATING.md for what else is different.")
    for name, value in settings.items():
        click.echo(f"{name}={quoted(value)}")
    if left := others.left():
        note(f"# No equivalent, or not needed: {', '.join(left)}")


def quoted(value: str) -> str:
    """The value as it stands in a .env file."""
    if set(value) <= PLAIN:
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _converter(file: Path) -> tuple[Others, Callable[[Others], Settings]]:
    """Raises:
    NotReadable: it is none of those files.
    """
    if file.suffix == ".json":
        return Others(_flat(file)), echo_server
    values = read(file)
    others = Others(values)
    if any(name.startswith("SOKETI_") for name in values):
        return others, soketi
    if "APP_KEY" in others:
        return others, laravel
    if "NODE_ENV" in others:
        return others, node
    raise NotReadable(f"{file} is the file of no server that is known here")


def node(env: Others) -> Settings:
    """MechaMap's Node.js server."""
    yield "APP_ENV", "production" if env["NODE_ENV"] == "production" else ""
    for name in ("HOST", "PORT", "JWT_SECRET", "LARAVEL_API_URL", "LARAVEL_API_KEY"):
        yield name, env[name]
    for name in ("WS_PING_INTERVAL", "WS_PING_TIMEOUT", "MAX_CONNECTIONS", "MAX_CONNECTIONS_PER_USER"):
        yield name, env[name]
    workers = env["CLUSTER_WORKERS"]
    yield "WEB_CONCURRENCY", workers if workers.isdecimal() else ""
    if env["SSL_ENABLED"] == "true":
        yield from (("SSL_CERT_PATH", env["SSL_CERT_PATH"]), ("SSL_KEY_PATH", env["SSL_KEY_PATH"]))
    origins = [word.strip() for word in f"{env['ALLOWED_ORIGINS']},{env['CORS_ORIGIN']}".split(",")]
    yield "ALLOWED_ORIGINS", ",".join(dict.fromkeys(filter(None, map(origin_of, origins))))
    yield "LARAVEL_DATABASE_URL", _database(env, name="DB_NAME", user="DB_USER")
    yield "REDIS_URL", _redis(env, "REDIS_")
    yield "LOG_LEVEL", LEVELS.get(env["LOG_LEVEL"].lower(), "")


def soketi(env: Others) -> Settings:
    """Soketi, with its one default app."""
    for part in ("ID", "KEY", "SECRET"):
        yield f"PUSHER_APP_{part}", env[f"SOKETI_DEFAULT_APP_{part}"]
    yield "HOST", env["SOKETI_HOST"]
    yield "PORT", env["SOKETI_PORT"]
    yield from (("SSL_CERT_PATH", env["SOKETI_SSL_CERT"]), ("SSL_KEY_PATH", env["SOKETI_SSL_KEY"]))
    if env["SOKETI_ADAPTER_DRIVER"] == "redis":
        yield "REDIS_URL", _redis(env, "SOKETI_DB_REDIS_")
    yield "CHANNEL_AUTH", "laravel"


def laravel(env: Others) -> Settings:
    """A Laravel site, whatever it broadcasts by."""
    site = origin_of(env["APP_URL"]) or ""
    yield "APP_ENV", "production" if env["APP_ENV"] == "production" else ""
    yield "APP_TIMEZONE", env["APP_TIMEZONE"]
    yield "ALLOWED_ORIGINS", site
    yield "LARAVEL_API_URL", site
    if env["DB_CONNECTION"] in ("mysql", "mariadb"):
        yield "LARAVEL_DATABASE_URL", _database(env, name="DB_DATABASE", user="DB_USERNAME")
    for name in ("JWT_SECRET", "WEBSOCKET_API_KEY", "WEBSOCKET_SERVER_SECRET"):
        yield name, env[name]
    connection = env["BROADCAST_CONNECTION"] or env["BROADCAST_DRIVER"]
    if connection in ("pusher", "reverb"):
        for part in ("ID", "KEY", "SECRET"):
            yield f"PUSHER_APP_{part}", env[f"{connection.upper()}_APP_{part}"]
    if connection == "redis":
        yield "LARAVEL_REDIS_URL", _redis(env, "REDIS_")
        # what the skeleton makes of APP_NAME differs between versions: flask doctor shows what is heard
        yield "LARAVEL_REDIS_PREFIX", env["REDIS_PREFIX"] or ("none" if "REDIS_PREFIX" in env else "")
    if connection in ("pusher", "reverb", "redis"):
        yield "CHANNEL_AUTH", "laravel"


def echo_server(config: Others) -> Settings:
    """laravel-echo-server's JSON file, its levels joined by dots."""
    yield "HOST", config["host"]
    yield "PORT", config["port"]
    if config["protocol"] == "https":
        yield from (("SSL_CERT_PATH", config["sslCertPath"]), ("SSL_KEY_PATH", config["sslKeyPath"]))
    host, endpoint = config["authHost"], config["authEndpoint"] or "/broadcasting/auth"
    yield "LARAVEL_AUTH_URL", f"{host.rstrip('/')}{endpoint}" if host else ""
    yield "CHANNEL_AUTH", "laravel"
    redis = "databaseConfig.redis."
    prefix = config[f"{redis}keyPrefix"] or config[f"{redis}options.keyPrefix"]
    yield (
        "LARAVEL_REDIS_URL",
        _url(
            "redis",
            config[f"{redis}host"] or "127.0.0.1",
            config[f"{redis}port"] or "6379",
            password=config[f"{redis}password"],
            path=config[f"{redis}db"],
        ),
    )
    yield "LARAVEL_REDIS_PREFIX", prefix or "none"
    origins = [word.strip() for word in config["apiOriginAllow.allowOrigin"].split(",")]
    yield "ALLOWED_ORIGINS", ",".join(filter(None, map(origin_of, origins)))


def _database(env: Others, *, name: str, user: str) -> str:
    if not env[name]:
        return ""
    host, port = env["DB_HOST"] or "127.0.0.1", env["DB_PORT"] or "3306"
    url = _url("mysql+pymysql", host, port, user=env[user], password=env["DB_PASSWORD"], path=env[name])
    return f"{url}?charset=utf8mb4"


def _redis(env: Others, prefix: str) -> str:
    given = env[f"{prefix}URL"]
    if given or not env[f"{prefix}HOST"]:
        return given
    port, db = env[f"{prefix}PORT"] or "6379", env[f"{prefix}DB"]
    return _url("redis", env[f"{prefix}HOST"], port, password=env[f"{prefix}PASSWORD"], path=db)


def _url(scheme: str, host: str, port: str, *, path: str, password: str, user: str = "") -> str:
    login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user or password else ""
    return f"{scheme}://{login}{host}:{port}{'/' if path else ''}{quote(path, safe='')}"


def _flat(file: Path) -> dict[str, str]:
    try:
        with file.open("rb") as opened:
            told = json.loads(opened.read(MAX_BYTES + 1)[:MAX_BYTES])
    except (OSError, ValueError, RecursionError) as err:
        raise NotReadable(f"{file} is no JSON file that can be read") from err
    if not isinstance(told, dict) or "authHost" not in told:
        raise NotReadable(f"{file} is no laravel-echo-server.json")
    return dict(_leaves(told, ""))


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else name)
    elif value not in (None, False) and not isinstance(value, list):
        yield path, str(value).lower() if value is True else str(value)
