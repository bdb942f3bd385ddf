"""Laravel's Redis as its ``.env`` has it, beside LARAVEL_REDIS_URL and LARAVEL_REDIS_PREFIX."""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from mechamap.settings import Settings

from .finding import Finding, fail, ok, warn

_SLUG = re.compile(r"[^a-z0-9]+")


def redis_driver(area: str, settings: Settings, env: Mapping[str, str]) -> Iterator[Finding]:
    """Whether what Laravel's `redis` driver publishes is heard here."""
    if settings.laravel_redis_url is None:
        yield fail(
            area,
            "LARAVEL_REDIS_URL",
            "Laravel publishes to its Redis, and the server does not listen there.",
            "Set LARAVEL_REDIS_URL and LARAVEL_REDIS_PREFIX in the server's settings.",
        )
        return
    ours = settings.laravel_redis_prefix
    possible = prefixes(env)
    if ours in possible:
        yield ok(
            area, "prefix", f"LARAVEL_REDIS_PREFIX, {ours or 'none'}, is what Laravel puts before names."
        )
    else:
        shown = " or ".join(prefix or "none" for prefix in possible)
        yield fail(
            area,
            "prefix",
            f"LARAVEL_REDIS_PREFIX is {ours or 'none'}, and Laravel's prefix is {shown}.",
            "Take it from Laravel: php artisan tinker, config('database.redis.options.prefix').",
        )
    theirs = urlsplit(env.get("REDIS_URL", "")).port or env.get("REDIS_PORT") or "6379"
    if settings.laravel_redis_url.startswith(("redis://", "rediss://")):
        port = urlsplit(settings.laravel_redis_url).port or 6379
        if str(port) != str(theirs):
            said = f"LARAVEL_REDIS_URL has port {port}, and Laravel's Redis {theirs}."
            yield warn(area, "LARAVEL_REDIS_URL", said, "Make them the same Redis.")


def prefixes(env: Mapping[str, str]) -> tuple[str, ...]:
    """What Laravel may put before names: ``REDIS_PREFIX``, or what its skeletons make of ``APP_NAME``, with
    underscores in older ones and with hyphens in newer ones."""
    if "REDIS_PREFIX" in env:
        return (env["REDIS_PREFIX"],)
    words = [word for word in _SLUG.split(env.get("APP_NAME", "laravel").lower()) if word]
    return (f"{'_'.join(words)}_database_", f"{'-'.join(words)}-database-")
