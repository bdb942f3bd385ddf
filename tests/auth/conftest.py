"""The whole of authentication over a real database: fixtures for tokens, people and keys."""

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from mechamap.auth.authenticator import TokenAuthenticator
from mechamap.auth.blocklist import Blocklist
from mechamap.auth.jwt import Jwts
from mechamap.auth.revoking import Revoking
from mechamap.auth.sanctum import Sanctum
from mechamap.domain.errors import AuthenticationFailed
from mechamap.domain.identity import Identity
from mechamap.store.blocks import Blocks
from mechamap.store.laravel.directory import LaravelDirectory
from mechamap.store.laravel.tokens import TokenRows
from mechamap.store.revocations import Revocations
from tests.store import shapes
from tests.store.site import (
    PREVIOUS_SECRET,
    Server,
    Serving,
    Site,
    application_site,
    own_server,
    server_for,
    site,
    watch,
)

__all__ = ["application_site", "own_server", "server_for", "site", "watch"]

RANDOM = "Zk3vQ9mWc7Rt1yLb5Xn8Hd2Jf6Gs4Pa0Ue9Ti7Bq"


@dataclass(frozen=True, slots=True)
class Door:
    """Everything that stands between a token and an identity."""

    server: Server
    jwts: Jwts
    directory: LaravelDirectory
    authenticator: TokenAuthenticator
    revoking: Revoking
    blocklist: Blocklist

    def admit(self, token: object) -> Identity:
        return self.authenticator.authenticate(token)

    def refuse(self, token: object) -> str:
        """The code of the refusal; its text must be fit for the page and hold nothing of the token."""
        with pytest.raises(AuthenticationFailed) as refusal:
            self.authenticator.authenticate(token)
        assert refusal.value.message.startswith("Authentication failed")
        if isinstance(token, str) and len(token) > 20:
            assert token not in refusal.value.message
        return refusal.value.code


def door_of(server: Server) -> Door:
    directory = LaravelDirectory(server.databases.laravel, server.settings)
    revocations = Revocations(server.databases.own, server.settings.cache_seconds)
    blocklist = Blocklist(Blocks(server.databases.own))
    jwts = Jwts(server.app, server.settings, revocations)
    rows = TokenRows(server.databases.laravel, server.settings, directory.schema)
    sanctum = Sanctum(rows, server.settings)
    authenticator = TokenAuthenticator(jwts, sanctum, directory, revocations, blocklist)
    return Door(server, jwts, directory, authenticator, Revoking(authenticator, revocations), blocklist)


OpenDoor = Callable[..., Door]


@pytest.fixture
def open_door(server_for: Serving) -> OpenDoor:
    """A door for a site (or for none) and settings in capitals; nothing is remembered between questions."""

    def build(at: Site | None = None, **settings: str) -> Door:
        given = {"DIRECTORY_CACHE_SECONDS": "0", "JWT_SECRET_PREVIOUS": PREVIOUS_SECRET, **settings}
        return door_of(server_for(at.url if at else None, **given))

    return build


@pytest.fixture
def people(application_site: Site) -> Site:
    """User 7 may sign in; 8 is banned, 9 is not active."""
    application_site.add_user(7, "Giang", role="senior_member")
    application_site.add_user(8, banned_at="2026-01-01 00:00:00")
    application_site.add_user(9, status="Registered")
    return application_site


@pytest.fixture
def door(people: Site, open_door: OpenDoor) -> Door:
    return open_door(people)


@pytest.fixture
def fast_door(open_door: OpenDoor, server_for: Serving, tmp_path: Any) -> Door:
    """The same people on SQLite alone, for what no database server can make different."""
    site = Site(f"sqlite:///{tmp_path / 'people.sqlite'}")
    site.create(shapes.APPLICATION)
    site.add_user(7, "Giang", role="senior_member")
    site.engine.dispose()
    return open_door(site)


def sanctum_secret(prefix: str = "", *, checksum: bool = True) -> str:
    """The part after the bar, as Sanctum 4 makes it."""
    return f"{prefix}{RANDOM}{zlib.crc32(RANDOM.encode()):08x}" if checksum else RANDOM


def add_token(site: Site, row_id: int, secret: str, user_id: int = 7, **values: Any) -> str:
    """A row of Sanctum's table; the token a browser would hold."""
    row = {
        "tokenable_type": "App\\Models\\User",
        "name": "websocket-connection",
        "abilities": '["*"]',
        **values,
    }
    digest = hashlib.sha256(secret.encode()).hexdigest()
    site.add("personal_access_tokens", id=row_id, tokenable_id=user_id, token=digest, **row)
    return f"{row_id}|{secret}"
