"""Facts about people and places, from whichever columns there are, through a short memory."""

from collections.abc import Callable

import gevent
import pytest

from mechamap.domain.facts import Fact, ForumFacts, ThreadFacts
from mechamap.domain.identity import UserFacts
from mechamap.store.laravel.directory import LaravelDirectory
from mechamap.store.laravel.schema import LaravelSchema
from tests.services.mariadb import MariaDBServer

from . import shapes
from .site import Serving, Site, Statements

NOW = "2026-05-04 10:00:00"


@pytest.fixture
def directory(application_site: Site, server_for: Serving) -> LaravelDirectory:
    """On the real application's tables, remembering for a minute."""
    server = server_for(application_site.url, DIRECTORY_CACHE_SECONDS="60")
    return LaravelDirectory(server.databases.laravel, server.settings)


def test_a_user_is_read_with_name_and_role(application_site: Site, directory: LaravelDirectory) -> None:
    application_site.add_user(7, "Giang", role="senior_member")
    assert directory.user(7) == UserFacts(7, "Giang", "senior_member", active=True, banned=False)


def test_a_user_without_a_role_has_none(application_site: Site, directory: LaravelDirectory) -> None:
    application_site.add_user(7, role=None)
    assert directory.user(7).role is None


def test_a_banned_user_is_banned(application_site: Site, directory: LaravelDirectory) -> None:
    application_site.add_user(7, banned_at=NOW)
    assert directory.user(7).banned


@pytest.mark.parametrize("values", [{"status": "Registered"}, {"status": "Active"}, {"is_active": 0}])
def test_a_user_whom_either_column_bars_is_not_active(
    application_site: Site, directory: LaravelDirectory, values: dict[str, object]
) -> None:
    application_site.add_user(7, **values)
    assert not directory.user(7).active


def test_a_soft_deleted_user_does_not_exist(site: Site, server_for: Serving) -> None:
    site.create(shapes.APPLICATION)
    site.execute("ALTER TABLE users ADD COLUMN deleted_at timestamp NULL")
    site.add_user(7)
    site.add_user(8, deleted_at=NOW)
    server = server_for(site.url)
    assert set(LaravelDirectory(server.databases.laravel, server.settings).users([7, 8])) == {7}


@pytest.mark.parametrize("user_id", [404, 0, -1, 2**63 - 1, 2**63, 10**30])
def test_an_id_that_no_row_has_does_not_exist(directory: LaravelDirectory, user_id: int) -> None:
    assert directory.user(user_id) is None
    assert directory.find(Fact.THREAD, user_id) is None
    assert directory.find(Fact.FORUM, user_id) is None
    assert directory.users([user_id]) == {}


@pytest.mark.parametrize(
    ("values", "facts"),
    [
        ({}, ThreadFacts(3, 2, author_id=7)),
        ({"deleted_at": NOW}, ThreadFacts(3, 2, author_id=7, deleted=True)),
        ({"hidden_at": NOW}, ThreadFacts(3, 2, author_id=7, hidden=True)),
        ({"is_spam": 1}, ThreadFacts(3, 2, author_id=7, spam=True)),
        ({"moderation_status": "pending"}, ThreadFacts(3, 2, author_id=7, approved=False)),
        ({"moderation_status": "flagged"}, ThreadFacts(3, 2, author_id=7, approved=False)),
    ],
)
def test_a_thread_is_read_with_what_hides_it(
    application_site: Site, directory: LaravelDirectory, values: dict[str, object], facts: ThreadFacts
) -> None:
    application_site.add("threads", id=3, title="t", slug="t", user_id=7, forum_id=2, **values)
    assert directory.find(Fact.THREAD, 3) == facts


@pytest.mark.parametrize("private", [0, 1])
def test_a_forum_of_the_application_asks_for_no_role(
    application_site: Site, directory: LaravelDirectory, private: int
) -> None:
    application_site.add("forums", id=2, name="f", slug="f", is_private=private)
    assert directory.find(Fact.FORUM, 2) == ForumFacts(2, required_role=None, private=bool(private))


def test_the_plans_smallest_tables_serve_and_restrict_nothing_they_do_not_name(
    site: Site, server_for: Serving
) -> None:
    site.create(shapes.PLAN)
    site.add("users", id=1, name="Anna", email="a@example.test", role="admin")
    site.add("forums", id=1, required_role="senior_member")
    site.add("forums", id=2, required_role=None)
    site.add("threads", id=1, forum_id=1)
    server = server_for(site.url)
    directory = LaravelDirectory(server.databases.laravel, server.settings)
    assert directory.user(1) == UserFacts(1, "Anna", "admin", active=True, banned=False)
    assert directory.find(Fact.FORUM, 1) == ForumFacts(1, required_role="senior_member", private=False)
    assert directory.find(Fact.FORUM, 2) == ForumFacts(2, required_role=None, private=False)
    assert directory.find(Fact.THREAD, 1) == ThreadFacts(1, 1)


def test_without_the_tables_nothing_exists(site: Site, server_for: Serving) -> None:
    server = server_for(site.url)
    directory = LaravelDirectory(server.databases.laravel, server.settings)
    assert (directory.user(1), directory.find(Fact.THREAD, 1), directory.find(Fact.FORUM, 1)) == (
        None,
        None,
        None,
    )
    assert directory.users([1, 2]) == {}
    assert not directory.knows_users()


def test_many_users_are_read_in_queries_of_five_hundred(
    application_site: Site, directory: LaravelDirectory, watch: Callable[..., Statements]
) -> None:
    for user_id in (1, 500, 501, 1200):
        application_site.add_user(user_id)
    directory.knows_users()
    seen = watch(directory.schema.source.engine)
    assert set(directory.users(range(1, 1201))) == {1, 500, 501, 1200}
    assert len(seen) == 3


def test_a_row_is_asked_for_once_while_it_is_remembered(
    application_site: Site, directory: LaravelDirectory, watch: Callable[..., Statements]
) -> None:
    application_site.add_user(7)
    directory.knows_users()
    seen = watch(directory.schema.source.engine)
    assert directory.user(7) == directory.user(7)
    assert len(seen) == 1


def test_asking_for_many_users_refreshes_what_is_remembered(
    application_site: Site, directory: LaravelDirectory
) -> None:
    application_site.add_user(7, role="member")
    assert directory.user(7).role == "member"
    application_site.execute("UPDATE users SET role = 'admin'")
    assert directory.user(7).role == "member"
    assert directory.users([7])[7].role == "admin"
    assert directory.user(7).role == "admin"


def test_a_storm_of_sign_ins_costs_a_few_queries(
    application_site: Site, directory: LaravelDirectory, watch: Callable[..., Statements]
) -> None:
    ids = range(1, 301)
    application_site.add(
        "users",
        *({"id": each, "name": each, "username": each, "email": each, "status": "active"} for each in ids),
    )
    directory.knows_users()
    seen = watch(directory.schema.source.engine)
    jobs = [gevent.spawn(directory.user, user_id) for user_id in ids for _ in range(3)]
    gevent.joinall(jobs)
    assert [job.get().user_id for job in jobs] == [user_id for user_id in ids for _ in range(3)]
    assert len(seen) <= 3


def test_a_column_that_disappears_is_noticed_by_the_question_that_misses_it(
    site: Site, server_for: Serving
) -> None:
    site.create(shapes.APPLICATION)
    site.add_user(7, banned_at=NOW)
    server = server_for(site.url, DIRECTORY_CACHE_SECONDS="0")
    directory = LaravelDirectory(server.databases.laravel, server.settings)
    assert directory.user(7).banned
    site.execute("ALTER TABLE users DROP COLUMN banned_at")
    assert not directory.user(7).banned


def test_a_column_that_appears_is_noticed_within_a_minute(site: Site, server_for: Serving) -> None:
    site.create(shapes.PLAN)
    server = server_for(site.url)
    now = [0.0]
    schema = LaravelSchema(server.databases.laravel, clock=lambda: now[0])
    assert not schema.current().has("users", "banned_at")
    site.execute("ALTER TABLE users ADD COLUMN banned_at timestamp NULL")
    assert not schema.current().has("users", "banned_at")
    now[0] = 61.0
    assert schema.current().has("users", "banned_at")


def test_a_complete_schema_has_only_the_gap_that_the_application_really_has(
    application_site: Site,
    directory: LaravelDirectory,
) -> None:
    application_site.create(shapes.PLACES)
    assert directory.gaps() == [
        "forums has no column required_role: every signed-in user may enter every forum that is not private"
    ]


def test_each_missing_column_of_the_plans_tables_is_named(site: Site, server_for: Serving) -> None:
    site.create(shapes.PLAN)
    server = server_for(site.url)
    gaps = " ".join(LaravelDirectory(server.databases.laravel, server.settings).gaps())
    for missing in (
        "no table personal_access_tokens", "column status", "column is_active", "column banned_at",
        "column is_private", "column user_id", "column deleted_at", "column moderation_status",
    ):  # fmt: skip
        assert missing in gaps
    assert "required_role" not in gaps


def test_an_empty_database_is_described_table_by_table(site: Site, server_for: Serving) -> None:
    server = server_for(site.url)
    gaps = " ".join(LaravelDirectory(server.databases.laravel, server.settings).gaps())
    for missing in (
        "table users",
        "table forums",
        "table threads",
        "table of notifications",
        "table conversations",
        "table conversation_participants",
        "table group_members",
        "table showcases",
        "table marketplace_sellers",
    ):
        assert missing in gaps


def test_a_database_that_answers_is_available(directory: LaravelDirectory) -> None:
    assert directory.available() == (True, "The Laravel database answers.")


def test_columns_that_our_account_may_not_read_are_not_asked_for(
    mariadb_server: MariaDBServer, server_for: Serving
) -> None:
    site = Site(mariadb_server.create_database("granted"))
    site.create(shapes.APPLICATION)
    site.add_user(7, "Giang", role="admin", banned_at=NOW)
    site.execute("CREATE OR REPLACE USER reader@'127.0.0.1'")
    site.execute("GRANT SELECT (id, name, role) ON granted.users TO reader@'127.0.0.1'")
    site.engine.dispose()
    server = server_for(mariadb_server.url("granted").replace("root@", "reader@"))
    directory = LaravelDirectory(server.databases.laravel, server.settings)
    assert directory.user(7) == UserFacts(7, "Giang", "admin")
    assert "users has no column banned_at: nobody counts as banned" in directory.gaps()
