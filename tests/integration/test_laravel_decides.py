"""The whole server with a Laravel that is asked: about tokens, about channels, and hostile in its answers.

Whatever it answers, nobody is admitted who should not be, and nobody waits but who asked.
"""

import json
import zlib
from collections.abc import Iterator

import gevent
import pytest
from gevent.event import Event

from mechamap.domain.pusher_signature import AppKey, sign_channel
from tests.services.laravel_api import (
    HTML,
    HUGE,
    REDIRECT,
    Asked,
    LaravelApi,
    breaks_off,
    drips,
    garbage,
    hangs,
    hangs_up,
    says,
)
from tests.services.processes import wait_until

from .conftest import Site, settings, token

KEY = AppKey("site-key", "site-secret-site-secret")
API_KEY = "mechamap_ws_0123456789abcdefghijklmnopqrstuvwxyz"
RANDOM = "Zk3vQ9mWc7Rt1yLb5Xn8Hd2Jf6Gs4Pa0Ue9Ti7Bq"
SANCTUM = f"{RANDOM}{zlib.crc32(RANDOM.encode()):08x}"
COOKIE = "laravel_session=s3ss10n-of-the-browser"
SLOW = "private-slow"


class Laravel(LaravelApi):
    """Answers by path; a question about ``SLOW`` waits until the test lets it go."""

    def reset(self) -> None:
        self.asked.clear()
        self.tokens = says({}, 404)
        self.channels = says(b"", 403)
        self.let_go = Event()
        self.behaviour = self.answer

    def answer(self, connection, asked: Asked) -> None:
        if asked.path == "/api/websocket-api/verify-user":
            self.tokens(connection, asked)
        elif asked.form().get("channel_name") == SLOW:
            self.let_go.wait(4)
            says(b"", 403)(connection, asked)
        else:
            self.channels(connection, asked)


@pytest.fixture(scope="module")
def serving() -> Iterator[Laravel]:
    with Laravel() as laravel:
        yield laravel


@pytest.fixture(scope="module")
def server(serve_module, serving, plan_url):
    return serve_module(
        settings(
            LARAVEL_DATABASE_URL=plan_url,
            DIRECTORY_CACHE_SECONDS="0",
            LARAVEL_API_URL=serving.url,
            LARAVEL_API_KEY=API_KEY,
            CHANNEL_AUTH="rules,signature,laravel",
            PUSHER_APP_ID="1",
            PUSHER_APP_KEY=KEY.key,
            PUSHER_APP_SECRET=KEY.secret,
            RATE_LIMITS="off",
            LOG_LEVEL="DEBUG",
            LOG_FORMAT="json",
        )
    )


@pytest.fixture
def laravel(serving) -> Laravel:
    serving.reset()
    return serving


@pytest.fixture
def site(server, laravel, node_client) -> Site:
    return Site(server, node_client)


@pytest.fixture
def browser(site):
    return site.browser(2, extraHeaders={"Cookie": COOKIE}, transports=["websocket"])


def user(user_id: int = 2) -> dict:
    """As the application's middleware wraps it."""
    found = {"id": user_id, "name": "Binh", "email": "b@x", "role": "member"}
    return {"success": True, "data": {"success": True, "data": {"user": found}}}


def subscribers(site: Site, channel: str) -> int:
    return site.broadcast(channel).json()["subscriberCount"]


# --- tokens


def test_a_token_is_verified_by_laravel_where_the_database_has_no_tokens(site, laravel):
    laravel.tokens = says(user())
    browser = site.client().connect(site.server.url, auth={"token": f"5|{SANCTUM}a"})
    [greeting] = browser.wait_for("connected")
    assert greeting["userId"] == 2
    [asked] = laravel.asked
    assert asked.json() == {"token": f"5|{SANCTUM}a"}
    assert asked.headers["x-websocket-api-key"] == API_KEY
    site.client().connect(site.server.url, auth={"token": f"5|{SANCTUM}a"}).wait_for("connected")
    assert len(laravel.asked) == 1
    ready = site.server.get("/health/ready").json()
    assert ready["checks"]["sanctum"]["ok"]
    assert ready["checks"]["sanctum"]["detail"].startswith("Mode http")


@pytest.mark.parametrize(
    ("tokens", "code", "again"),
    [
        (says({"message": "Invalid token"}, 401), "token_invalid", False),
        (says({"message": "Account is not active"}, 403), "user_inactive", False),
        (says(user(404)), "user_unknown", False),
        (says({"user": {"id": "2 OR 1=1"}}), "verify_unreadable", True),
        (says(b""), "verify_unreadable", True),
        (HTML, "verify_unreadable", True),
        (HUGE, "verify_unreadable", True),
        (REDIRECT, "verify_status_3xx", True),
        (says(user(), 500), "verify_status_5xx", True),
        (garbage, "verify_unreachable", True),
        (hangs_up, "verify_unreachable", True),
    ],
)
def test_who_is_not_verified_is_not_let_in_and_knows_whether_to_come_again(
    site, laravel, tokens, code, again, request
):
    laravel.tokens = tokens
    number = zlib.crc32(request.node.name.encode())
    refusal = site.refusal(auth={"token": f"{number}|{SANCTUM}"})
    assert refusal["message"].startswith("The token cannot" if again else "Authentication failed")
    assert (refusal["data"]["code"], refusal["data"].get("retry", False)) == (code, again)
    laravel.tokens = says({}, 404)
    site.refusal(auth={"token": f"{number}1|{SANCTUM}"})  # an answer, so that no outage is seen


def test_a_slow_verification_makes_nobody_else_wait(site, laravel, browser):
    done = Event()

    def slowly(connection, asked):
        done.wait(4)
        says(user())(connection, asked)

    laravel.tokens = slowly
    waiting = site.client()
    waiting.open(site.server.url, auth={"token": f"6|{SANCTUM}"})
    while not laravel.asked:
        gevent.sleep(0.01)
    other = site.browser(3)
    assert other.emit_ack("subscribe", {"channel": "public.news"})["status"] == "success"
    site.broadcast("public.news", data={"n": 1})
    other.wait_for("news")
    assert waiting.events("connected") == []
    done.set()
    waiting.wait_for("connected")


# --- channels


def test_laravel_lets_a_browser_into_a_channel_that_only_it_knows(site, laravel, browser):
    laravel.channels = says(True)
    answer = browser.emit_ack(
        "subscribe",
        {"channel": "private-order.5", "auth": {"headers": {"X-CSRF-TOKEN": "c", "Host": "evil"}}},
    )
    assert answer["status"] == "success"
    [asked] = laravel.asked
    assert asked.path == "/broadcasting/auth"
    assert asked.form() == {"channel_name": "private-order.5", "socket_id": browser.id}
    assert (asked.headers["cookie"], asked.headers["x-csrf-token"]) == (COOKIE, "c")
    assert asked.headers["host"] != "evil"
    assert subscribers(site, "private-order.5") == 1
    browser.wait_for("news")


def test_a_browser_brings_laravels_signature(site, laravel, browser):
    member = json.dumps({"user_id": "2", "user_info": {"name": "Binh"}})
    for channel, data in (("private-signed.1", None), ("presence-signed.1", member)):
        payload = {"channel": channel, "auth": sign_channel(KEY, browser.id, channel, data)}
        payload |= {"channel_data": data} if data else {}
        assert browser.emit_ack("subscribe", payload)["status"] == "success"
    [[name, members, *_]] = [browser.wait_for("presence:subscribed")]
    assert (name, [each["user_id"] for each in members]) == ("presence-signed.1", [2])
    wrong = {"channel": "private-signed.2", "auth": sign_channel(KEY, browser.id, "private-signed.1")}
    assert browser.emit_ack("subscribe", wrong)["code"] == "auth_signature_invalid"
    assert laravel.asked == []


def test_our_own_channels_and_open_ones_are_judged_without_laravel(site, laravel, browser):
    laravel.channels = says(True)
    assert browser.emit_ack("subscribe", {"channel": "private-user.3"})["code"] == "not_owner"
    assert browser.emit_ack("subscribe", {"channel": "admin.x", "auth": {}})["code"] == "role_too_low"
    assert browser.emit_ack("subscribe", {"channel": "private-user.2x"})["code"] == "channel_unknown"
    assert browser.emit_ack("subscribe", {"channel": "open.prices"})["status"] == "success"
    assert laravel.asked == []


HOSTILE = [
    (says(b""), "auth_empty"),
    (HTML, "auth_html"),
    (REDIRECT, "auth_redirect"),
    (HUGE, "auth_huge"),
    (says({"ok": True}), "auth_unreadable"),
    (says({"auth": f"{KEY.key}:{'0' * 64}"}), "auth_signature_invalid"),
    (says({"auth": "other:00"}), "auth_key_unknown"),
    (says({"channel_data": {"user_id": 3}}), "auth_other_user"),
    (says({"user_id": 3}), "auth_other_user"),
    (says(True, 401), "auth_denied_401"),
    (says(True, 419), "auth_denied_419"),
    (says(True, 500), "auth_server_error"),
    (garbage, "auth_unreachable"),
    (breaks_off, "auth_unreachable"),
    (says({}, 403), "auth_denied_403"),
    (hangs_up, "auth_unreachable"),
    (says({}, 403), "auth_denied_403"),
]


def test_no_hostile_answer_lets_anybody_in(site, laravel, browser):
    for number, (behaviour, code) in enumerate(HOSTILE):
        channel = f"presence-hostile.{number}"
        laravel.channels = behaviour
        answer = browser.emit_ack("subscribe", {"channel": channel, "auth": {"headers": {}}})
        assert answer["code"] == code
        assert browser.wait_for("subscription_error")[-1]["code"] == code
        assert subscribers(site, channel) == 0
    site.server.expect_no_traceback()


def test_one_who_waits_for_laravel_makes_nobody_else_wait(site, laravel, browser):
    laravel.channels = says(True)
    browser.emit("subscribe", {"channel": SLOW})
    while not laravel.asked:
        gevent.sleep(0.01)
    site.broadcast("private-user.2", data={"n": 1})
    browser.wait_for("news")  # not even its own events
    other = site.browser(3, extraHeaders={"Cookie": COOKIE + "-3"}, transports=["websocket"])
    assert other.emit_ack("subscribe", {"channel": "private-quick"})["status"] == "success"
    assert site.broadcast("private-quick").json()["subscriberCount"] == 1
    other.wait_for("news")
    assert browser.events("subscription_error") == []
    laravel.let_go.set()
    assert browser.wait_for("subscription_error")[-1]["code"] == "auth_denied_403"


def test_no_answer_in_time_lets_nobody_in_and_makes_nobody_else_wait(site, laravel):
    laravel.channels = lambda connection, asked: (
        drips if asked.form()["channel_name"] == "private-drips" else hangs
    )(connection, asked)
    laravel.tokens = hangs
    waiting = {}
    for channel in ("private-drips", "private-hangs"):
        page = site.browser(2, extraHeaders={"Cookie": COOKIE + channel}, transports=["websocket"])
        page.emit("subscribe", {"channel": channel})
        waiting[channel] = page
    stranger = site.client()
    stranger.open(site.server.url, auth={"token": f"8|{SANCTUM}"})
    wait_until(lambda: len(laravel.asked) == 3, "all to be asked about")
    other = site.browser(3)
    assert other.emit_ack("subscribe", {"channel": "public.news"})["status"] == "success"
    site.broadcast("public.news", data={"n": 1})
    other.wait_for("news")
    assert [page.events("subscription_error") for page in waiting.values()] == [[], []]
    for channel, page in waiting.items():
        assert page.wait_for("subscription_error", 10)[-1]["code"] == "auth_timeout"
        assert subscribers(site, channel) == 0
    refused = stranger.connect_error(timeout=10)["data"]
    assert (refused["code"], refused["retry"]) == ("verify_timeout", True)


def test_the_token_of_the_handshake_serves_where_there_is_no_cookie(site, laravel):
    laravel.channels = says(True)
    browser = site.browser(2)
    assert browser.emit_ack("subscribe", {"channel": "private-by-token"})["status"] == "success"
    assert laravel.asked[0].headers["authorization"].startswith("Bearer ey")
    assert "cookie" not in laravel.asked[0].headers


def test_at_a_return_laravel_is_asked_again_with_the_credentials_of_the_return(site, laravel):
    laravel.channels = says(True)
    options = {"reconnection": True, "reconnectionDelay": 50, "reconnectionDelayMax": 100}
    browser = site.browser(2, extraHeaders={"Cookie": COOKIE + "-r"}, transports=["websocket"], **options)
    for channel in ("private-kept", "private-lost"):
        assert browser.emit_ack("subscribe", {"channel": channel})["status"] == "success"
    browser.forget()
    laravel.asked.clear()
    browser.set_auth({"token": token(2), "headers": {"X-CSRF-TOKEN": "new"}})
    laravel.channels = lambda connection, asked: says(
        True, 200 if asked.form()["channel_name"] == "private-kept" else 403
    )(connection, asked)
    browser.drop()
    [greeting] = browser.wait_for("connected")
    assert (greeting["recovered"], sorted(greeting["channels"])) == (True, ["private-kept", "private-user.2"])
    assert browser.wait_for("subscription_error")[-1]["code"] == "auth_denied_403"
    assert {asked.headers["x-csrf-token"] for asked in laravel.asked} == {"new"}
    assert {asked.form()["socket_id"] for asked in laravel.asked} == {browser.id}
    assert (subscribers(site, "private-kept"), subscribers(site, "private-lost")) == (1, 0)


def test_without_any_database_of_laravels_its_word_has_to_do(serve, laravel, node_client):
    laravel.tokens = says(user(7))
    server = serve(
        settings(
            LARAVEL_DATABASE_URL="mysql+pymysql://nobody@127.0.0.1:1/laravel", LARAVEL_API_URL=laravel.url
        )
    )
    site = Site(server, node_client)
    browser = site.client().connect(server.url, auth={"token": f"7|{SANCTUM}"})
    [greeting] = browser.wait_for("connected")
    assert greeting["channels"] == ["private-user.7"]
    assert browser.emit_ack("subscribe", {"channel": "public.news"})["status"] == "success"
    answer = browser.emit_ack("subscribe", {"channel": "forum.1"})
    assert (answer["code"], answer["retry"]) == ("directory_unavailable", True)
    assert browser.emit_ack("subscribe", {"channel": "private-order.5"})["code"] == "channel_unknown"
    site.broadcast("private-user.7", data={"n": 1})
    browser.wait_for("news")
    ready = server.get("/health/ready").json()
    assert (ready["status"], ready["checks"]["sanctum"]["ok"]) == ("degraded", False)
    assert "Mode http" in ready["checks"]["sanctum"]["detail"]
    assert site.refusal(auth={"token": token(7)})["data"]["code"] == "directory_unavailable"


def test_nothing_of_a_credential_is_in_the_log(site, laravel):
    """Runs last: of all that was asked above."""
    log = site.server.log()
    assert '"event": "channel_asked"' in log
    assert '"event": "verify_failed"' in log
    for secret in (
        RANDOM,
        "s3ss10n",
        API_KEY,
        KEY.secret,
        token(2).rpartition(".")[0].partition(".")[0] + ".",
    ):
        assert secret not in log


def test_a_restart_asks_laravel_about_nobody_again(serve, laravel, node_client, redis_server):
    laravel.tokens = says(user(7))
    server = serve(settings(LARAVEL_API_URL=laravel.url, SANCTUM_MODE="http", REDIS_URL=redis_server.url))
    auth = {"token": f"7|{SANCTUM}"}
    node_client().connect(server.url, auth=auth).wait_for("connected")
    server.stop()
    server.start()
    [greeting] = node_client().connect(server.url, auth=auth).wait_for("connected")
    assert greeting["userId"] == 7
    assert len(laravel.asked) == 1
