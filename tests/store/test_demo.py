"""Demo data: where it may go, and what is in it."""

import stat
from pathlib import Path

import bcrypt
import pytest

from mechamap.domain.facts import Fact, ForumFacts
from mechamap.store import demo
from mechamap.store.laravel.directory import LaravelDirectory

from .site import Serving, Site


def test_the_people_of_the_demo_can_be_looked_up(server_for: Serving) -> None:
    server = server_for()
    seed = demo.seed(server.settings, server.databases)
    directory = LaravelDirectory(server.databases.laravel, server.settings)
    found = [directory.user(user.id) for user in seed.users]
    assert [(user.name, user.role, user.active, user.banned) for user in found] == [
        ("Anna", "super_admin", True, False), ("Binh", "member", True, False), ("Chi", "member", True, False),
        ("Dung", "moderator", True, False), ("Eve", "member", True, True),
    ]  # fmt: skip


def test_the_forums_and_threads_of_the_demo_have_one_of_each_kind(server_for: Serving) -> None:
    server = server_for()
    seed = demo.seed(server.settings, server.databases)
    directory = LaravelDirectory(server.databases.laravel, server.settings)
    assert [directory.find(Fact.FORUM, forum) for forum in seed.forums] == [
        ForumFacts(1), ForumFacts(2, required_role="senior_member"), ForumFacts(3, private=True)
    ]  # fmt: skip
    threads = [directory.find(Fact.THREAD, thread) for thread in seed.threads]
    assert [sum(thread.deleted for thread in threads), sum(thread.hidden for thread in threads)] == [1, 1]
    assert directory.gaps() == []


def test_the_password_is_laravels_bcrypt_and_stays_the_same(server_for: Serving) -> None:
    server = server_for()
    first, second = (demo.seed(server.settings, server.databases) for _ in range(2))
    assert first == second
    with server.databases.laravel.read() as connection:
        hashed = connection.exec_driver_sql("SELECT password FROM users WHERE id = 1").scalar_one()
    assert hashed.startswith("$2y$")
    assert bcrypt.checkpw(first.admin_password.encode(), hashed.encode())


def test_the_password_is_not_shown_with_the_seed(server_for: Serving) -> None:
    server = server_for()
    seed = demo.seed(server.settings, server.databases)
    assert seed.admin_password not in repr(seed)


def test_the_file_with_the_password_is_the_owners_alone(server_for: Serving) -> None:
    server = server_for()
    demo.seed(server.settings, server.databases)
    mode = (server.settings.instance_path / "demo.json").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_a_lost_password_file_is_replaced_and_the_new_password_works(server_for: Serving) -> None:
    server = server_for()
    old = demo.seed(server.settings, server.databases)
    (server.settings.instance_path / "demo.json").unlink()
    new = demo.seed(server.settings, server.databases)
    with server.databases.laravel.read() as connection:
        hashed = connection.exec_driver_sql("SELECT password FROM users WHERE id = 1").scalar_one()
    assert new.admin_password != old.admin_password
    assert bcrypt.checkpw(new.admin_password.encode(), hashed.encode())


def test_what_was_tried_out_survives_a_second_seed(server_for: Serving) -> None:
    server = server_for()
    demo.seed(server.settings, server.databases)
    with server.databases.laravel.write() as connection:
        connection.exec_driver_sql("UPDATE notifications SET is_read = 1 WHERE id = 1")
    demo.seed(server.settings, server.databases)
    with server.databases.laravel.read() as connection:
        unread = connection.exec_driver_sql(
            "SELECT count(*) FROM notifications WHERE is_read = 0"
        ).scalar_one()
    assert unread == 5


def test_a_database_elsewhere_is_refused(site: Site, server_for: Serving) -> None:
    server = server_for(site.url)
    with pytest.raises(demo.DemoRefused):
        demo.seed(server.settings, server.databases)
    assert site.execute("SELECT 1") == [(1,)]


def test_production_is_refused(server_for: Serving) -> None:
    secret = "x" * 48
    server = server_for(APP_ENV="production", SECRET_KEY=secret)
    with pytest.raises(demo.DemoRefused, match="production"):
        demo.seed(server.settings, server.databases)


def test_a_database_with_real_users_is_refused(server_for: Serving, tmp_path: Path) -> None:
    server = server_for()
    demo.seed(server.settings, server.databases)
    with server.databases.laravel.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO users (name, username, email, password) VALUES ('R', 'r', 'real@example.com', 'x')"
        )
    with pytest.raises(demo.DemoRefused, match="not demo data"):
        demo.seed(server.settings, server.databases)
