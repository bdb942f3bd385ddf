"""The server on the application's real tables in MariaDB, with Redis and two workers: the production
shape."""

import hashlib
import zlib
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.services.application import Application
from tests.store import shapes

from .conftest import Site, settings, token

ZONE = "Asia/Ho_Chi_Minh"
WEBSOCKET = {"transports": ["websocket"]}
RANDOM = "Zq8vJx2mW5tR7nB4kL1pC6sD9fG3hY0aE2uI8oTx"
SECRET = RANDOM + f"{zlib.crc32(RANDOM.encode()):08x}"
"""As Sanctum 4 makes it: forty random characters and their checksum."""

ROLES = {
    "super_admin": "admin.x",
    "system_admin": "admin.x",
    "content_admin": "admin.x",
    "content_moderator": "moderator.x",
    "marketplace_moderator": "moderator.x",
    "community_moderator": "moderator.x",
    "senior_member": None,
    "member": None,
    "verified_partner": None,
    "manufacturer": None,
    "supplier": None,
    "brand": None,
    "guest": None,
}


class Rows:
    """SQL on the Laravel database."""

    def __init__(self, server, database: str) -> None:
        self._server, self._database = server, database

    def __call__(self, sql: str, *parameters: object) -> list:
        return self._server.execute(sql, parameters or None, database=self._database)

    def user(self, user_id: int, **columns: object) -> None:
        columns = {
            "id": user_id, "name": f"u{user_id}", "username": f"u{user_id}", "email": f"u{user_id}@x",
            "status": "active", **columns,
        }  # fmt: skip
        places = ", ".join(["%s"] * len(columns))
        self(f"INSERT INTO users ({', '.join(columns)}) VALUES ({places})", *columns.values())

    def token(self, token_id: int, user_id: int, secret: str = SECRET, expires_at: str | None = None) -> str:
        self(
            "INSERT INTO personal_access_tokens (id, tokenable_type, tokenable_id, name, token, expires_at)"
            " VALUES (%s, 'App\\\\Models\\\\User', %s, 'websocket-connection', %s, %s)",
            token_id,
            user_id,
            hashlib.sha256(secret.encode()).hexdigest(),
            expires_at,
        )
        return f"{token_id}|{secret}"


@pytest.fixture(scope="module")
def tables(mariadb_server) -> Rows:
    mariadb_server.create_database("mechamap")
    found = Rows(mariadb_server, "mechamap")
    for ddl in shapes.APPLICATION:
        found(ddl)
    return found


@pytest.fixture
def rows(tables) -> Rows:
    """Two forums, and nothing else yet."""
    for [table] in tables("SHOW TABLES"):
        tables(f"DELETE FROM `{table}`")
    tables("INSERT INTO forums (id, name, slug) VALUES (1, 'General', 'general')")
    tables("INSERT INTO forums (id, name, slug, is_private) VALUES (2, 'Staff', 'staff', 1)")
    return tables


@pytest.fixture(scope="module")
def production_server(serve_module, lasting_redis, mariadb_server, tables) -> Application:
    return serve_module(
        settings(
            APP_ENV="production",
            SECRET_KEY="k" * 48,
            REDIS_URL=lasting_redis.url,
            WEB_CONCURRENCY="2",
            LARAVEL_DATABASE_URL=mariadb_server.url("mechamap").replace("mysql+pymysql://", "mysql://"),
            APP_TIMEZONE=ZONE,
            DIRECTORY_CACHE_SECONDS="0",
            RECHECK_SECONDS="0.5",
            LOG_FORMAT="plain",
        )
    )


@pytest.fixture
def production(production_server, node_client) -> Site:
    return Site(production_server, node_client)


def test_a_sanctum_token_signs_in_by_laravels_rule(production, rows):
    rows.user(7)
    good = rows.token(12, 7)
    browser = production.client().connect(production.server.url, auth={"token": good}, **WEBSOCKET)
    assert browser.wait_for("connected")[0]["userId"] == 7
    past = (datetime.now(ZoneInfo(ZONE)) - timedelta(minutes=1)).strftime("%Y-%m-%d %H:%M:%S")
    expired = rows.token(13, 7, "x" * 40, past)
    soon = (datetime.now(ZoneInfo(ZONE)) + timedelta(minutes=5)).strftime("%Y-%m-%d %H:%M:%S")
    assert production.client().connect(
        production.server.url, auth={"token": rows.token(14, 7, "y" * 40, soon)}, **WEBSOCKET
    )
    for wrong, code in (
        (good[:-1] + "0", "token_invalid"),
        ("99|" + SECRET, "token_revoked"),
        (expired, "token_expired"),
    ):
        assert production.refusal(auth={"token": wrong}, **WEBSOCKET)["data"]["code"] == code
    rows("DELETE FROM personal_access_tokens WHERE id = 12")
    assert production.refusal(auth={"token": good}, **WEBSOCKET)["data"]["code"] == "token_revoked"
    assert browser.emit_ack("ping"), (
        "an established connection outlives its token's row: every page load deletes some"
    )


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ({"status": "Registered"}, "user_inactive"),
        ({"is_active": 0}, "user_inactive"),
        ({"banned_at": "2026-01-01 00:00:00"}, "user_banned"),
    ],
)
def test_who_laravel_bars_is_barred_here_and_thrown_out_while_connected(production, rows, columns, code):
    rows.user(7)
    browser = production.browser(7, **WEBSOCKET)
    (column, value) = next(iter(columns.items()))
    rows(f"UPDATE users SET {column} = %s WHERE id = 7", value)
    assert browser.wait_for("force_disconnect")[0]["code"] == code
    assert production.refusal(auth={"token": token(7)}, **WEBSOCKET)["data"]["code"] == code


def test_each_of_the_thirteen_roles_enters_what_its_level_allows(production, rows):
    for number, (role, opens) in enumerate(ROLES.items(), start=100):
        rows.user(number, role=role)
        browser = production.browser(number, **WEBSOCKET)
        assert browser.emit_ack("subscribe", {"channel": "forum.1"})["status"] == "success", role
        for channel in ("admin.x", "moderator.x"):
            allowed = opens == channel or (opens == "admin.x" and channel == "moderator.x")
            answer = browser.emit_ack("subscribe", {"channel": channel})
            assert (answer.get("status") == "success") is allowed, (role, channel)
        answer = browser.emit_ack("subscribe", {"channel": "forum.2"})
        assert (answer.get("status") == "success") is (opens is not None), (role, "private forum")
        browser.disconnect()


def test_threads_are_seen_as_the_tables_say(production, rows):
    rows.user(7)
    rows.user(8)
    rows.user(4, role="community_moderator")
    conditions = {
        1: ("", None),
        2: ("hidden_at = '2026-01-01'", "thread_hidden"),
        3: ("is_spam = 1", "thread_spam"),
        4: ("moderation_status = 'pending'", "thread_unapproved"),
        5: ("deleted_at = '2026-01-01'", "thread_deleted"),
        6: ("forum_id = 2", "role_too_low"),
        7: ("forum_id = 99", "forum_not_found"),
    }
    for thread_id, (change, _) in conditions.items():
        rows(
            "INSERT INTO threads (id, title, slug, user_id, forum_id) VALUES (%s, 't', %s, 8, 1)",
            thread_id,
            f"t{thread_id}",
        )
        if change:
            rows(f"UPDATE threads SET {change} WHERE id = {thread_id}")
    reader, author, moderator = (production.browser(n, **WEBSOCKET) for n in (7, 8, 4))
    for thread_id, (_, code) in conditions.items():
        answer = reader.emit_ack("subscribe", {"channel": f"presence-thread.{thread_id}"})
        assert answer.get("code") == code, thread_id
    for thread_id in (2, 3, 4, 5):
        for privileged in (author, moderator):
            answer = privileged.emit_ack("subscribe", {"channel": f"presence-thread.{thread_id}"})
            assert answer["status"] == "success"


def test_marking_as_read_writes_what_laravels_own_controller_writes_in_its_own_time_zone(production, rows):
    rows.user(7)
    rows(
        "INSERT INTO notifications (id, user_id, type, title, message, status) VALUES"
        " (1, 7, 'comment', 't', 'm', 'sent'), (2, 7, 'comment', 't', 'm', 'sent'),"
        " (3, 8, 'comment', 't', 'm', 'sent')"
    )
    here, phone = production.browser(7, **WEBSOCKET), production.browser(7, **WEBSOCKET)
    answer = here.emit_ack("notification_read", {"notificationId": 1})
    assert (answer["success"], answer["unreadCount"]) == (True, 1)
    assert phone.wait_for("notification_read")[0]["unreadCount"] == 1
    [(is_read, status, read_at)] = rows(
        "SELECT is_read, status, CAST(read_at AS CHAR) FROM notifications WHERE id = 1"
    )
    assert (is_read, status) == (1, "read")
    written = datetime.fromisoformat(read_at).replace(tzinfo=ZoneInfo(ZONE))
    assert abs(datetime.now(UTC) - written) < timedelta(minutes=1)
    assert "error" in here.emit_ack("notification_read", {"notificationId": 3})
    assert rows("SELECT is_read FROM notifications WHERE id = 3") == [(0,)]


def test_the_server_leaves_laravels_tables_as_they_are(production, rows):
    tables = {row[0] for row in rows("SHOW TABLES")}
    assert tables == {"users", "personal_access_tokens", "forums", "threads", "notifications"}
    assert production.server.get("/health/ready").json()["status"] == "ready"
    assert production.server.get("/demo").status == 404
