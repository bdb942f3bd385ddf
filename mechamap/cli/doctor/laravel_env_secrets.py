"""Keys and secrets of a Laravel ``.env`` beside ours: compared by digest, and never shown."""

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mechamap.domain.apps import App
from mechamap.domain.errors import RealtimeError
from mechamap.settings import Settings

from .credentials import guessable
from .finding import Finding, fail, ok, warn
from .laravel_env_addresses import address
from .values import disguised

if TYPE_CHECKING:
    from mechamap.services import Services


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the server accepts.

    Attributes:
        digests: SHA-256 of each broadcast key, as hexadecimal digits.
        apps: by id.
    """

    digests: frozenset[str]
    apps: Mapping[str, App]

    @classmethod
    def of(cls, services: "Services") -> "Accepted":
        """Those of the settings and, as far as they can be read, of our own tables."""
        settings = services.settings
        secrets = (*settings.api_keys, *([settings.server_secret] if settings.server_secret else []))
        try:
            kept, apps = frozenset(services.api_keys.live_digests()), services.apps.all()
        except RealtimeError:  # told elsewhere
            kept, apps = frozenset(), {}
        return cls(
            kept | {_digest(secret) for secret in secrets}, apps | {app.id: app for app in settings.apps}
        )

    def has(self, secret: str) -> bool:
        """Whether a publisher with this key is let in."""
        return _digest(secret) in self.digests


def keys(
    area: str, settings: Settings, env: Mapping[str, str], accepted: Accepted, *, expected: bool
) -> Iterator[Finding]:
    """The keys that PHP shows us, and the one that we show PHP.

    Args:
        expected: whether the site's driver is the application's own, whose services need a key.
    """
    given = [(name, env[name]) for name in ("WEBSOCKET_API_KEY", "WEBSOCKET_SERVER_SECRET") if env.get(name)]
    for name, secret in given:
        if guessable(secret):
            yield fail(area, name, "It is a placeholder.", "Make a key with `flask keys create laravel`.")
        elif accepted.has(secret):
            yield ok(area, name, f"The server accepts it ({disguised(secret)}).")
        else:
            yield fail(
                area,
                name,
                f"It is none of the server's keys ({disguised(secret)}).",
                "Put one and the same into the server's WEBSOCKET_API_KEY, then: php artisan config:clear.",
            )
    if expected and not given:
        said = "PHP has no key: notifications and the events of groups and showcases are refused."
        yield fail(area, "WEBSOCKET_API_KEY", said, "Set it to one of the server's keys.")
    yield from _asked_back(area, settings, env.get("WEBSOCKET_API_KEY_HASH", ""))


def _asked_back(area: str, settings: Settings, kept: str) -> Iterator[Finding]:
    name = "WEBSOCKET_API_KEY_HASH"
    ours = settings.laravel_api_key
    if settings.laravel_api_url is None and not kept:
        return
    if ours is None:
        if kept and settings.laravel_api_url is not None:
            said = "Laravel asks for a key, and LARAVEL_API_KEY is empty."
            yield fail(area, name, said, "Set LARAVEL_API_KEY to the key it is the hash of.")
    elif not kept:
        said = "It is not set: Laravel refuses LARAVEL_API_KEY."
        yield warn(area, name, said, "Set it to the SHA-256 of the server's LARAVEL_API_KEY.")
    elif hmac.compare_digest(kept.lower().encode(), _digest(ours).encode()):
        yield ok(area, name, "It is the hash of LARAVEL_API_KEY.")
    else:
        said = "It is not the hash of LARAVEL_API_KEY: Laravel refuses to verify tokens for the server."
        yield fail(area, name, said, "Set it to the SHA-256 of the server's LARAVEL_API_KEY, as hex digits.")


def jwt_secret(area: str, settings: Settings, env: Mapping[str, str]) -> Iterator[Finding]:
    """Whether tokens of ``/api/user/token`` pass: signed with ``JWT_SECRET``, and where that is missing with
    the text of ``APP_KEY`` as it stands, ``base64:`` included."""
    name = "JWT_SECRET"
    theirs, app_key = env.get(name, ""), env.get("APP_KEY", "")
    if settings.jwt_algorithm != "HS256":
        said = f"Laravel signs with HS256, and JWT_ALGORITHM is {settings.jwt_algorithm}."
        yield warn(area, "JWT_ALGORITHM", said, "Leave JWT_ALGORITHM empty, unless the site was changed.")
    if theirs:
        if _ours(settings, theirs):
            yield ok(area, name, "It is the same on both sides.")
        else:
            said = "It is another one than the server's: JSON Web Tokens are refused (Sanctum's are not)."
            yield fail(area, name, said, "Make them equal.")
    elif app_key and _ours(settings, app_key):
        said = (
            "Laravel signs with APP_KEY, and the server's JWT_SECRET is that: who has it opens sessions too."
        )
        yield warn(area, name, said, "Set a JWT_SECRET of its own on both sides.")
    elif app_key and _ours(settings, app_key.removeprefix("base64:")):
        said = (
            "Laravel signs with the text of APP_KEY as it stands, and the server's has no base64: before it."
        )
        yield fail(area, name, said, "Better: set a JWT_SECRET of its own on both sides.")
    else:
        said = "It is not set: Laravel signs with APP_KEY, and such tokens are refused (Sanctum's are not)."
        yield warn(area, name, said, "Set the same JWT_SECRET on both sides, if pages use /api/user/token.")


def _ours(settings: Settings, secret: str) -> bool:
    known = (settings.jwt_secret, settings.jwt_secret_previous or "")
    return any(hmac.compare_digest(one.encode(), secret.encode()) for one in known)


def application(
    area: str, settings: Settings, env: Mapping[str, str], prefix: str, accepted: Accepted
) -> Iterator[Finding]:
    """The app of a driver that speaks Pusher's HTTP API; ``prefix`` is ``PUSHER_`` or ``REVERB_``."""
    app_id, key, secret = (env.get(f"{prefix}APP_{part}", "") for part in ("ID", "KEY", "SECRET"))
    name = f"{prefix}APP_ID"
    app = accepted.apps.get(app_id)
    if not (app_id and key and secret):
        said = f"{prefix}APP_ID, {prefix}APP_KEY and {prefix}APP_SECRET are not all set."
        yield fail(area, name, said, "Take an app's values from `flask apps create`.")
    elif app is None:
        mend = "Set PUSHER_APP_ID, PUSHER_APP_KEY and PUSHER_APP_SECRET here to the site's values."
        yield fail(area, name, f"The server has no app {app_id!r}.", mend)
    elif not app.enabled:
        yield fail(area, name, f"The app {app_id!r} is disabled.", f"flask apps enable {app_id}")
    elif all(pair.key != key for pair in app.keys):
        said = f"The server's app {app_id!r} has another key."
        yield fail(area, f"{prefix}APP_KEY", said, "Compare it with `flask apps list`.")
    elif not any(
        hmac.compare_digest(pair.secret.encode(), secret.encode()) for pair in app.keys if pair.key == key
    ):
        said = "It is not the secret of that key: every signature is refused."
        yield fail(area, f"{prefix}APP_SECRET", said, "Make them equal, or: flask apps rotate.")
    else:
        yield ok(area, name, f"The app {app_id!r}, its key and its secret are the server's.")
    yield from _host(area, settings, env, prefix)
    for build in ("VITE_", "MIX_"):
        if env.get(f"{build}{prefix}APP_KEY"):
            said = "Pages that were built with it use pusher-js, which cannot connect to this server."
            mend = "Let them use Echo's socket.io connector: docs/MIGRATING.md."
            yield warn(area, f"{build}{prefix}APP_KEY", said, mend)


def _host(area: str, settings: Settings, env: Mapping[str, str], prefix: str) -> Iterator[Finding]:
    name, host = f"{prefix}HOST", env.get(f"{prefix}HOST", "")
    if not host:
        where = "to Pusher itself" if prefix == "PUSHER_" else "nowhere"
        said = f"It is not set: events go {where}."
        yield fail(area, name, said, f"Set {prefix}HOST, {prefix}PORT and {prefix}SCHEME to the server's.")
        return
    scheme = env.get(f"{prefix}SCHEME") or "https"
    yield from address(area, settings, name, f"{scheme}://{host}:{env.get(f'{prefix}PORT') or 443}")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
