"""Our migrations make our tables, and leave Laravel's alone."""

import pytest
from alembic import command
from alembic.autogenerate import produce_migrations
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations.ops import MigrateOperation, OpContainer
from sqlalchemy import inspect

from mechamap.domain.errors import Unavailable
from mechamap.store import revisions
from mechamap.store.console_sessions import ConsoleSessions, Running
from mechamap.store.database import db
from mechamap.store.laravel.outbox_sql import outbox_sql

from . import shapes
from .site import Server, Serving, Site

OURS = {
    *("rt_alembic_version", "rt_api_keys", "rt_apps", "rt_audit_log", "rt_blocked_users"),
    *("rt_console_sessions", "rt_revoked_tokens", "rt_webhook_failures"),
}


@pytest.fixture
def shared(site: Site, server_for: Serving) -> Server:
    """A server whose tables are in Laravel's own database, beside all of Laravel's."""
    site.create(shapes.BEFORE_THE_RENAME)
    return server_for(site.url, own=site.url)


def tables_of(site: Site) -> set[str]:
    return set(inspect(site.engine).get_table_names())


def config_of(server: Server) -> Config:
    return server.app.extensions["migrate"].migrate.get_config()


def proposals(server: Server) -> list[MigrateOperation]:
    """What `flask db migrate` would write."""
    found: list[MigrateOperation] = []

    def note(_context: object, _revision: object, directives: list[OpContainer]) -> None:
        found.extend(directives[0].upgrade_ops.ops)
        directives[:] = []

    with server.app.app_context():
        server.app.extensions["migrate"].configure_args["process_revision_directives"] = note
        config = config_of(server)
        config.cmd_opts.autogenerate = True
        command.revision(config, autogenerate=True)
    return found


def test_upgrading_makes_our_tables_beside_laravels(shared: Server, site: Site) -> None:
    laravels = {
        "users",
        "personal_access_tokens",
        "forums",
        "threads",
        "notifications",
        "custom_notifications",
    }
    assert tables_of(site) - {"sqlite_sequence"} == laravels | OURS


def test_autogenerate_proposes_nothing_at_all_for_laravels_tables(shared: Server) -> None:
    assert proposals(shared) == []


def test_autogenerate_leaves_the_outbox_alone_which_is_laravels_whatever_its_name(
    shared: Server, site: Site
) -> None:
    for statement in outbox_sql(site.engine.dialect.name, in_turn=True).split(";\n"):
        if statement.strip():
            site.execute(statement)
    assert "rt_outbox" in tables_of(site)
    assert proposals(shared) == []


def test_without_our_filter_alembic_would_drop_laravels_tables(shared: Server) -> None:
    with shared.app.app_context(), db.engine.connect() as connection:
        operations = produce_migrations(
            MigrationContext.configure(connection), db.metadatas[None]
        ).upgrade_ops.ops
    assert "users" in {getattr(operation, "table_name", None) for operation in operations}


def test_autogenerate_does_notice_changes_of_our_own_tables(shared: Server, site: Site) -> None:
    site.execute("DROP TABLE rt_revoked_tokens")
    assert "rt_revoked_tokens" in {getattr(operation, "table_name", None) for operation in proposals(shared)}


def test_downgrading_removes_our_tables_and_leaves_laravels_rows(shared: Server, site: Site) -> None:
    site.add_user(7)
    with shared.app.app_context():
        command.downgrade(config_of(shared), "base")
    assert tables_of(site) & OURS == {"rt_alembic_version"}
    assert site.execute("SELECT id FROM users") == [(7,)]


def test_what_is_pending_is_named_until_it_ran(site: Site, server_for: Serving) -> None:
    server = server_for(own=site.url, migrate=False)
    assert revisions.pending(server.app, server.databases.own) == [
        "0001 Own tables: API keys, audit log, revoked tokens",
        "0002 Apps: their keys and encrypted secrets",
        "0003 Webhooks that were given up",
        "0004 Console sessions: who is signed in",
        "0005 Users whom an operator keeps out for a time",
        "0006 Keys may have an end: the secret before a rotation",
        "0007 Console sessions end when the password is changed",
    ]
    revisions.upgrade(server.app, server.settings)
    assert revisions.pending(server.app, server.databases.own) == []


def test_a_console_session_from_before_its_password_was_kept_is_still_read(shared: Server) -> None:
    sessions = ConsoleSessions(shared.databases.own)
    _, secret = sessions.begin(7, "of the password")
    with shared.app.app_context():
        command.downgrade(config_of(shared), "0006")
    with pytest.raises(Unavailable):
        sessions.resume(secret)
    revisions.upgrade(shared.app, shared.settings)
    found = sessions.resume(secret)
    assert isinstance(found, Running)
    assert (found.user_id, found.password_digest) == (7, None)


def test_upgrading_twice_is_fine(shared: Server) -> None:
    revisions.upgrade(shared.app, shared.settings)
    assert revisions.pending(shared.app, shared.databases.own) == []


def test_the_command_upgrades_like_the_function(site: Site, server_for: Serving) -> None:
    server = server_for(own=site.url, migrate=False)
    outcome = server.app.test_cli_runner().invoke(args=["db", "upgrade"])
    assert outcome.exit_code == 0, outcome.output
    assert tables_of(site) >= OURS
