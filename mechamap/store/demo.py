"""Demo data: a small Laravel-shaped site in the embedded SQLite, so that a first run has people in it."""

import json
import os
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bcrypt
from sqlalchemy import Connection, inspect, text

from mechamap.settings import Settings

from .database import Databases, in_memory
from .laravel.clock import wall_clock

PASSWORD_FILE = "demo.json"
ADMIN_EMAIL = "anna@mechamap.test"


class DemoRefused(Exception):
    """Demo data was asked for where real data may be. ``str`` is one sentence for the operator."""


@dataclass(frozen=True, slots=True)
class DemoUser:
    """A made-up person."""

    id: int
    name: str
    role: str
    banned: bool = False

    @property
    def username(self) -> str:
        return self.name.lower()

    @property
    def email(self) -> str:
        return f"{self.username}@mechamap.test"


@dataclass(frozen=True, slots=True)
class DemoSeed:
    """What there is to try. Every user has the same password."""

    users: tuple[DemoUser, ...]
    admin_email: str
    admin_password: str = field(repr=False)
    forums: tuple[int, ...]
    threads: tuple[int, ...]


USERS = (
    DemoUser(1, "Anna", "super_admin"),
    DemoUser(2, "Binh", "member"),
    DemoUser(3, "Chi", "member"),
    DemoUser(4, "Dung", "moderator"),
    DemoUser(5, "Eve", "member", banned=True),
)

_FORUMS: tuple[dict[str, Any], ...] = (
    {"id": 1, "name": "General", "slug": "general", "required_role": None, "is_private": 0},
    {"id": 2, "name": "Seniors", "slug": "seniors", "required_role": "senior_member", "is_private": 0},
    {"id": 3, "name": "Private", "slug": "private", "required_role": None, "is_private": 1},
)
"""``required_role`` is the plan's column; the real application has none."""

_THREADS: tuple[dict[str, Any], ...] = (
    {"id": 1, "forum_id": 1, "user_id": 2, "title": "Which bearing for a 40 mm shaft?"},
    {"id": 2, "forum_id": 1, "user_id": 3, "title": "Bolt torque tables"},
    {"id": 3, "forum_id": 2, "user_id": 4, "title": "Reviewing finite element models"},
    {"id": 4, "forum_id": 3, "user_id": 4, "title": "Reports of this week"},
    {"id": 5, "forum_id": 1, "user_id": 2, "title": "Asked twice", "deleted": True},
    {"id": 6, "forum_id": 1, "user_id": 3, "title": "Under review", "hidden": True},
)

_NOTIFICATIONS: tuple[tuple[int, str, str, str], ...] = (
    (2, "comment", "Chi answered you", "Bolt torque tables: what about stainless steel?"),
    (2, "like", "Dung likes your thread", "Which bearing for a 40 mm shaft?"),
    (2, "order", "Order shipped", "Two 6208-2RS bearings are on their way."),
    (2, "comment", "New answer", "Dung answered: Which bearing for a 40 mm shaft?"),
    (3, "follow", "Binh follows you", "He sees your new threads from now on."),
    (3, "comment", "Binh answered you", "Bolt torque tables: M12, 8.8, dry."),
)

_PLACES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("conversations", {"id": 1, "title": None, "is_group": 0}),
    ("conversations", {"id": 2, "title": "Study group", "is_group": 1}),
    *(("conversation_participants", {"conversation_id": 1, "user_id": user}) for user in (2, 3)),
    ("group_members", {"conversation_id": 2, "user_id": 2, "role": "creator", "is_active": 1}),
    ("group_members", {"conversation_id": 2, "user_id": 4, "role": "member", "is_active": 1}),
    ("group_members", {"conversation_id": 2, "user_id": 3, "role": "member", "is_active": 0}),
    ("showcases", {"id": 1, "user_id": 2, "status": "approved", "is_public": 1}),
    ("showcases", {"id": 2, "user_id": 3, "status": "draft", "is_public": 1}),
    ("marketplace_sellers", {"id": 1, "user_id": 3}),
)
"""Binh and Chi write each other; Binh and Dung are in a group that Chi left; Chi has a shop."""

_TABLES = (
    """CREATE TABLE IF NOT EXISTS users (
        id INTEGER PRIMARY KEY, name VARCHAR(191) NOT NULL, username VARCHAR(191) NOT NULL UNIQUE,
        email VARCHAR(191) NOT NULL UNIQUE, password VARCHAR(191) NOT NULL, role VARCHAR(50) DEFAULT 'member',
        status VARCHAR(191) NOT NULL DEFAULT 'Registered', is_active TINYINT NOT NULL DEFAULT 1,
        banned_at TIMESTAMP NULL, created_at TIMESTAMP NULL, updated_at TIMESTAMP NULL)""",
    """CREATE TABLE IF NOT EXISTS personal_access_tokens (
        id INTEGER PRIMARY KEY, tokenable_type VARCHAR(191) NOT NULL, tokenable_id INTEGER NOT NULL,
        name VARCHAR(191) NOT NULL, token VARCHAR(64) NOT NULL UNIQUE, abilities TEXT, last_used_at TIMESTAMP
        NULL,
        expires_at TIMESTAMP NULL, created_at TIMESTAMP NULL, updated_at TIMESTAMP NULL)""",
    """CREATE TABLE IF NOT EXISTS forums (
        id INTEGER PRIMARY KEY, name VARCHAR(191) NOT NULL, slug VARCHAR(191) NOT NULL UNIQUE,
        required_role VARCHAR(50) NULL, is_private TINYINT NOT NULL DEFAULT 0,
        created_at TIMESTAMP NULL, updated_at TIMESTAMP NULL)""",
    """CREATE TABLE IF NOT EXISTS threads (
        id INTEGER PRIMARY KEY, title VARCHAR(191) NOT NULL, user_id INTEGER NOT NULL, forum_id INTEGER NOT
        NULL, moderation_status VARCHAR(20) NOT NULL DEFAULT 'approved', is_spam TINYINT NOT NULL DEFAULT 0,
        hidden_at TIMESTAMP NULL, deleted_at TIMESTAMP NULL, created_at TIMESTAMP NULL, updated_at TIMESTAMP
        NULL)""",
    """CREATE TABLE IF NOT EXISTS notifications (
        id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, type VARCHAR(50) NOT NULL, title VARCHAR(191) NOT
        NULL, message TEXT NOT NULL, status VARCHAR(20) NOT NULL DEFAULT 'pending', is_read TINYINT NOT NULL
        DEFAULT 0,
        read_at TIMESTAMP NULL, created_at TIMESTAMP NULL, updated_at TIMESTAMP NULL)""",
    """CREATE TABLE IF NOT EXISTS conversations (
        id INTEGER PRIMARY KEY, title VARCHAR(191) NULL, is_group TINYINT NOT NULL DEFAULT 0,
        created_at TIMESTAMP NULL, updated_at TIMESTAMP NULL)""",
    """CREATE TABLE IF NOT EXISTS conversation_participants (
        id INTEGER PRIMARY KEY, conversation_id INTEGER NOT NULL, user_id INTEGER NOT NULL,
        created_at TIMESTAMP NULL, updated_at TIMESTAMP NULL, UNIQUE (conversation_id, user_id))""",
    """CREATE TABLE IF NOT EXISTS group_members (
        id INTEGER PRIMARY KEY, conversation_id INTEGER NOT NULL, user_id INTEGER NOT NULL, role VARCHAR(20)
        NOT NULL DEFAULT 'member', is_active TINYINT NOT NULL DEFAULT 1,
        created_at TIMESTAMP NULL, updated_at TIMESTAMP NULL, UNIQUE (conversation_id, user_id))""",
    """CREATE TABLE IF NOT EXISTS showcases (
        id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, status VARCHAR(20) NOT NULL DEFAULT 'pending',
        is_public TINYINT NOT NULL DEFAULT 1, created_at TIMESTAMP NULL, updated_at TIMESTAMP NULL)""",
    """CREATE TABLE IF NOT EXISTS marketplace_sellers (
        id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, created_at TIMESTAMP NULL, updated_at TIMESTAMP
        NULL)""",
)


def seed(settings: Settings, databases: Databases) -> DemoSeed:
    """Make the tables and rows that are missing; doing it twice changes nothing.

    Raises:
        DemoRefused: in production, or for any database but the SQLite file in the instance folder.
        Unavailable: the file cannot be written.
    """
    _check_place(settings, databases)
    password, hashed = _password(settings.instance_path)
    now = wall_clock(datetime.now(UTC), settings.app_timezone)
    with databases.laravel.write() as connection:
        for statement in _TABLES:
            connection.execute(text(statement))
        for user in USERS:
            _add(
                connection, "users", id=user.id, name=user.name, username=user.username, email=user.email,
                password=hashed, role=user.role, status="active", is_active=1,
                banned_at=now if user.banned else None, created_at=now, updated_at=now,
            )  # fmt: skip
            # the file with the password may have been deleted since
            connection.execute(
                text("UPDATE users SET password = :hash WHERE email = :email"),
                {"hash": hashed, "email": user.email},
            )
        for forum in _FORUMS:
            _add(connection, "forums", **forum, created_at=now, updated_at=now)
        for thread in _THREADS:
            _add(
                connection, "threads", id=thread["id"], title=thread["title"], user_id=thread["user_id"],
                forum_id=thread["forum_id"], hidden_at=now if thread.get("hidden") else None,
                deleted_at=now if thread.get("deleted") else None, created_at=now, updated_at=now,
            )  # fmt: skip
        for table, row in _PLACES:
            _add(connection, table, **row, created_at=now, updated_at=now)
        for number, (user_id, kind, title, message) in enumerate(_NOTIFICATIONS, start=1):
            _add(
                connection, "notifications", id=number, user_id=user_id, type=kind, title=title,
                message=message, status="sent", is_read=0, created_at=now, updated_at=now,
            )  # fmt: skip
    return DemoSeed(
        users=USERS,
        admin_email=ADMIN_EMAIL,
        admin_password=password,
        forums=tuple(int(forum["id"]) for forum in _FORUMS),
        threads=tuple(int(thread["id"]) for thread in _THREADS),
    )


def _check_place(settings: Settings, databases: Databases) -> None:
    if not settings.demo:
        raise DemoRefused("Demo data is refused in production.")
    url = databases.laravel.engine.url
    embedded = url.drivername == "sqlite" and (
        in_memory(url) or Path(str(url.database)).resolve().is_relative_to(settings.instance_path)
    )
    if not embedded:
        raise DemoRefused(
            "Demo data goes only into the SQLite file of the instance folder, not into a database of others."
        )
    with databases.laravel.read() as connection:
        if not inspect(connection).has_table("users"):
            return
        strangers = text("SELECT count(*) FROM users WHERE email NOT LIKE '%@mechamap.test'")
        if connection.execute(strangers).scalar_one():
            raise DemoRefused(
                "The database holds users that are not demo data; demo data is not mixed with them."
            )


def _password(instance: Path) -> tuple[str, str]:
    """The instance's demo password and its hash, made on the first call and readable by the owner only."""
    path = instance / PASSWORD_FILE
    if not path.exists():
        password = secrets.token_urlsafe(12)
        # $2y$ is PHP's name for what the library calls $2b$
        hashed = "$2y$" + bcrypt.hashpw(password.encode(), bcrypt.gensalt(10)).decode().removeprefix("$2b$")
        instance.mkdir(parents=True, exist_ok=True)
        scratch = path.with_name(f"{path.name}.{os.getpid()}")
        scratch.touch(mode=0o600)
        scratch.write_text(json.dumps({"password": password, "hash": hashed}))
        try:
            # unlike a rename this keeps the file of another process that was faster
            path.hardlink_to(scratch)
        except FileExistsError:
            pass
        finally:
            scratch.unlink()
    kept = json.loads(path.read_text())
    return kept["password"], kept["hash"]


def _add(connection: Connection, table: str, /, **values: Any) -> None:
    columns = ", ".join(values)
    places = ", ".join(f":{each}" for each in values)
    connection.execute(text(f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({places})"), values)
