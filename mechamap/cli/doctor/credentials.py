"""Secrets, keys and the files that hold them: long enough, each its own, readable by their owner only."""

import stat
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

from mechamap.settings import DEV_SECRETS_FILE, MIN_SECRET_LENGTH, PLACEHOLDERS, Settings

from .finding import Finding, fail, graver, ok, warn

AREA = "Secrets"
GENERATE = "python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"


def examine(settings: Settings, table_keys: int) -> Iterator[Finding]:
    """Args:
    table_keys: live keys in our own table.
    """
    named = list(_secrets(settings))
    weak = False
    for name, secret in named:
        if guessable(secret):
            weak = True
            said = "is a placeholder, or a few characters repeated: anybody guesses it."
            yield fail(AREA, name, said, f"Generate one: {GENERATE}")
        elif len(secret) < MIN_SECRET_LENGTH:
            weak = True
            yield graver(
                settings.production,
                AREA,
                name,
                f"has {len(secret)} characters; {MIN_SECRET_LENGTH} are the least that resist guessing.",
                f"Generate one: {GENERATE}",
            )
    if not weak:
        yield ok(AREA, "strength", f"{len(named)} secrets, each of at least {MIN_SECRET_LENGTH} characters.")
    yield from _shared(settings.production, named)
    if not (settings.api_keys or settings.server_secret or settings.apps or table_keys):
        yield warn(
            AREA,
            "publishers",
            "There is no broadcast key: nobody can publish over HTTP.",
            "Make one with `flask keys create laravel`, or set WEBSOCKET_API_KEY.",
        )
    yield from _files(settings)


def guessable(secret: str) -> bool:
    """Whether it is, or is built around, a placeholder, or repeats itself; random text does none of this."""
    lower = secret.lower()
    built_around = any(word in lower for word in PLACEHOLDERS if len(word) >= 8)
    # text that repeats a unit is found again in its own middle when it is doubled
    repeats = len(set(secret)) < 6 or secret in (secret + secret)[1:-1]
    return lower in PLACEHOLDERS or built_around or repeats


def _secrets(settings: Settings) -> Iterator[tuple[str, str]]:
    for name, secret in (
        ("SECRET_KEY", settings.secret_key),
        ("JWT_SECRET", settings.jwt_secret),
        ("JWT_SECRET_PREVIOUS", settings.jwt_secret_previous),
        ("WEBSOCKET_SERVER_SECRET", settings.server_secret),
        *(("WEBSOCKET_API_KEY", key) for key in settings.api_keys),
    ):
        if secret is not None:
            yield name, secret


def _shared(production: bool, named: list[tuple[str, str]]) -> Iterator[Finding]:
    for (one, its), (other, others) in combinations(named, 2):
        if its == others and one != other:
            yield graver(
                production,
                AREA,
                "reuse",
                f"{one} and {other} are the same: who may publish could also sign tokens or sessions.",
                f"Give each its own: {GENERATE}",
            )


def _files(settings: Settings) -> Iterator[Finding]:
    from mechamap.store.demo import PASSWORD_FILE

    for path in (
        settings.instance_path / DEV_SECRETS_FILE,
        settings.instance_path / PASSWORD_FILE,
        *([settings.ssl_key_path] if settings.ssl_key_path else []),
    ):
        if path.exists() and _open_to_others(path):
            yield warn(AREA, path.name, "can be read by every user of this machine.", f"chmod o-rwx {path}")


def _open_to_others(path: Path) -> bool:
    return bool(path.stat().st_mode & stat.S_IRWXO)
