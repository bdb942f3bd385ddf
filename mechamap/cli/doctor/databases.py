"""Both databases: do they answer, are our tables there, what Laravel's lack, and roles that nobody knows."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flask import Flask
from sqlalchemy import column, func, select, table, text

from mechamap.cli.printing import counted
from mechamap.domain.errors import RealtimeError
from mechamap.domain.roles import Ladder

from . import people
from .finding import Finding, fail, ok, warn
from .skew import skew

if TYPE_CHECKING:
    from mechamap.services import Services
    from mechamap.store.source import Source

OWN, LARAVEL = "Own database", "Laravel's database"
MOST_ROLES = 50
"""Names listed; a table with more distinct roles than this holds something else in that column."""


def examine(app: Flask, services: "Services") -> Iterator[Finding]:
    """What there is to say of DATABASE_URL and LARAVEL_DATABASE_URL."""
    databases = services.databases
    yield from _own(app, services)
    if databases.shared:
        yield ok(LARAVEL, "answer", "It is the same database as our own.")
        answers = not services.databases.own.breaker.failures
    else:
        answering = list(_answer(LARAVEL, databases.laravel, "LARAVEL_DATABASE_URL"))
        yield from answering
        answers = all(finding.status == "ok" for finding in answering if finding.name == "answer")
    if not answers:
        return
    try:
        yield from _laravel(services)
    except RealtimeError as err:
        yield fail(
            LARAVEL,
            "tables",
            err.message,
            "Mend the database or its account's rights (SELECT on the tables).",
        )
    if services.settings.outbox:
        yield _outbox(services)


def _own(app: Flask, services: "Services") -> Iterator[Finding]:
    from mechamap.store.revisions import pending

    answering = list(_answer(OWN, services.databases.own, "DATABASE_URL"))
    yield from answering
    if answering[0].status != "ok":
        return
    try:
        missing = pending(app, services.databases.own)
    except RealtimeError as err:
        yield fail(OWN, "migrations", err.message, "flask db upgrade")
        return
    if missing:
        yield fail(OWN, "migrations", f"{len(missing)} pending: {'; '.join(missing)}.", "flask db upgrade")
    else:
        yield ok(OWN, "migrations", "Our tables are up to date.")


def _answer(area: str, source: "Source", variable: str) -> Iterator[Finding]:
    dialect = source.engine.dialect.name
    try:
        begun = time.perf_counter()
        source.ping()
        spent = (time.perf_counter() - begun) * 1000
        with source.read() as connection:
            version = ".".join(map(str, connection.dialect.server_version_info or ()))
            asked = time.time()
            now = (
                None
                if dialect == "sqlite"
                else connection.execute(text("SELECT UTC_TIMESTAMP(6)")).scalar_one()
            )
            answered = time.time()
    except RealtimeError as err:
        yield fail(area, "answer", err.message, f"Start it, or mend {variable}.")
        return
    product = (
        "MariaDB"
        if getattr(source.engine.dialect, "is_mariadb", False)
        else {"sqlite": "SQLite", "mysql": "MySQL"}[dialect]
    )
    yield ok(area, "answer", f"{product} {version} answers in {spent:.1f} ms.")
    if isinstance(now, datetime):
        yield skew(now.replace(tzinfo=UTC).timestamp(), asked, answered).finding(area, product)


def _laravel(services: "Services") -> Iterator[Finding]:
    gaps = services.directory.gaps()
    for gap in gaps:
        yield warn(LARAVEL, "schema", f"{gap[:1].upper()}{gap[1:]}.")
    if not gaps:
        yield ok(LARAVEL, "schema", "Every table and column the server can use is there.")
    ladder = services.settings.ladder
    yield from _roles(
        services,
        ladder,
        "users",
        "role",
        ("user has", "users have"),
        "they pass no rule that asks for a role",
    )
    yield from _roles(
        services,
        ladder,
        "forums",
        "required_role",
        ("forum requires", "forums require"),
        "nobody may enter them",
    )
    yield from people.examine(services, LARAVEL)


def _outbox(services: "Services") -> Finding:
    try:
        services.outbox_rows.check()
        dead = services.outbox_rows.dead_count()
    except RealtimeError as err:
        return fail(
            LARAVEL,
            "outbox",
            err.message,
            "Run what it prints in Laravel's database, and grant SELECT, UPDATE and DELETE on rt_outbox.",
        )
    if dead:
        return warn(
            LARAVEL,
            "outbox",
            f"{counted(dead, 'row')} of the outbox could not be published.",
            "`flask outbox dead` says why; `flask outbox retry ID` tries one again.",
        )
    return ok(LARAVEL, "outbox", "The outbox is there, and every row could be published.")


def _roles(
    services: "Services", ladder: Ladder, name: str, role: str, who: tuple[str, str], so: str
) -> Iterator[Finding]:
    """Values of a column of roles that the ladder does not know, with their counts."""
    schema = services.directory.schema
    if not schema.current().has(name, role):
        return
    counted = (
        select(column(role), func.count())
        .select_from(table(name))
        .where(column(role).is_not(None), column(role) != "")
        .group_by(column(role))
        .order_by(func.count().desc())
        .limit(MOST_ROLES)
    )
    found = schema.read(
        lambda connection, _: [(str(value), int(number)) for value, number in connection.execute(counted)]
    )
    unknown = [(value, number) for value, number in found if ladder.level(value) is None]
    if not unknown:
        yield ok(
            LARAVEL,
            f"{name}.{role}",
            f"Every role in use ({len(found)}) is on the ladder.",
        )
        return
    for value, number in unknown:
        yield warn(
            LARAVEL,
            f"{name}.{role}",
            f"{number:,} {who[number != 1]} the role {value!r}, which has no level: {so}.",
            f"Give it one, for example ROLE_LEVELS={value}=member.",
        )
