"""NodeJsBroadcastService as it is shipped: true exactly when the server took the event, never a long wait."""

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.services.application import Serve
from tests.services.browser_client import BrowserClient
from tests.services.processes import free_port, program, wait_until
from tests.services.redis import RedisServer

from .conftest import KEY, ScriptedServer
from .site import SHIPPED, Outcome, Site

NESTED = {"order": {"lines": [{"sku": "M8×40", "count": 3}, {"sku": "đai ốc 🔩", "count": 0}], "paid": None}}


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.php")), ids=lambda file: file.name)
def test_the_shipped_file_is_php(file: Path) -> None:
    linted = subprocess.run([program("php"), "-l", file], capture_output=True, text=True, timeout=30)
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize(
    "data",
    [
        {"id": 7, "unread_count": 1},
        NESTED,
        {"title": "Xin chào, Bình – 20 µm"},
        {"price": 19.99, "big": 2**53},
    ],
    ids=["flat", "nested", "unicode", "numbers"],
)
def test_an_event_reaches_the_browser_as_php_gave_it(
    site: Site, browser_of: Callable[[int], BrowserClient], data: dict[str, Any]
) -> None:
    browser = browser_of(2)
    assert site.broadcast("private-user.2", "notification.sent", data).returned is True
    assert browser.wait_for("notification.sent")[0].items() >= data.items()


def test_an_empty_php_array_reaches_the_browser(
    site: Site, browser_of: Callable[[int], BrowserClient]
) -> None:
    browser = browser_of(2)
    assert site.broadcast("private-user.2", "cache.cleared", {}).returned is True
    data = browser.wait_for("cache.cleared")[0]
    assert not data


def test_an_event_for_one_user_reaches_no_other(
    site: Site, browser_of: Callable[[int], BrowserClient]
) -> None:
    addressee, stranger = browser_of(2), browser_of(3)
    site.broadcast("private-user.2", "notification.sent", {"id": 1})
    site.broadcast("private-user.3", "notification.sent", {"id": 2})
    addressee.wait_for("notification.sent")
    # The stranger's own event was published later: had the first one come, it would have come before.
    assert stranger.wait_for("notification.sent")[0]["id"] == 2


def test_an_event_nobody_listens_to_is_accepted(site: Site) -> None:
    assert site.broadcast("public.news", "news.published", {"id": 1}).returned is True


def test_a_wrong_key_is_false_and_logged_with_its_status(site: Site) -> None:
    outcome = Site(site.url, "wrong-" + KEY).broadcast("private-user.2", "notification.sent", {"id": 1})
    assert outcome.returned is False
    assert '"status":401' in outcome.log


def test_a_broken_rule_is_false_and_the_log_says_which(site: Site) -> None:
    outcome = site.broadcast("private-user.2", "disconnect", {"id": 1})
    assert outcome.returned is False
    assert '"status":422' in outcome.log
    assert "reserved" in outcome.log


@pytest.mark.parametrize("key", [KEY, "wrong-" + KEY], ids=["accepted", "refused"])
def test_neither_the_key_nor_the_data_is_logged(site: Site, key: str) -> None:
    outcome = Site(site.url, key).broadcast("private-user.2", "notification.sent", {"title": "Confidential"})
    assert "notification.sent" in outcome.log
    assert key not in outcome.log
    assert "Confidential" not in outcome.log


def test_without_settings_it_is_false_and_the_log_names_them() -> None:
    outcome = Site("", "").broadcast("private-user.2", "notification.sent", {"id": 1})
    assert outcome.returned is False
    assert "WEBSOCKET_API_KEY" in outcome.log


def test_text_that_is_not_utf8_is_false(site: Site) -> None:
    outcome = site.broadcast_latin1("private-user.2", "notification.sent")
    assert outcome.returned is False
    assert "UTF-8" in outcome.log


def test_a_server_that_is_away_is_false_within_a_second() -> None:
    outcome = Site(f"http://127.0.0.1:{free_port()}", KEY).broadcast("private-user.2", "x.y", {"id": 1})
    assert outcome.returned is False
    assert outcome.seconds < 1


def test_a_server_that_hangs_is_false_after_three_seconds_and_not_asked_twice() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        outcome = Site(f"http://127.0.0.1:{silent.getsockname()[1]}", KEY).broadcast(
            "private-user.2", "x", {}
        )
        silent.settimeout(0.2)
        connection, _ = silent.accept()
        connection.close()
        with pytest.raises(TimeoutError):
            silent.accept()
    assert outcome.returned is False
    assert 2.5 < outcome.seconds < 4


def test_a_server_without_its_redis_is_false_until_it_is_back(
    serve: Serve, redis_server: RedisServer
) -> None:
    server = serve(WEBSOCKET_API_KEY=KEY, REDIS_URL=redis_server.url)
    site = Site(server.url, KEY)
    redis_server.stop()
    outcome = site.broadcast("public.news", "news.published", {"id": 1})
    assert outcome.returned is False
    assert '"status":503' in outcome.log
    redis_server.start()
    wait_until(
        lambda: site.broadcast("public.news", "news.published", {"id": 2}).returned,
        "a broadcast to be accepted",
    )


def sent(server: ScriptedServer) -> Outcome:
    return Site(server.url, KEY).broadcast("private-user.2", "notification.sent", {"id": 1})


def test_an_event_the_server_could_not_take_is_sent_once_more(
    scripted: Callable[..., ScriptedServer],
) -> None:
    server = scripted(503, 200)
    assert sent(server).returned is True
    assert server.requests == ["POST /api/broadcast"] * 2


def test_two_refusals_for_the_moment_are_false(scripted: Callable[..., ScriptedServer]) -> None:
    server = scripted(503, 503)
    assert sent(server).returned is False
    assert server.requests == ["POST /api/broadcast"] * 2


@pytest.mark.parametrize("status", [400, 401, 413, 422, 429, 500, 502, 504])
def test_any_other_refusal_is_false_and_not_repeated(
    scripted: Callable[..., ScriptedServer], status: int
) -> None:
    server = scripted(status)
    assert sent(server).returned is False
    assert server.requests == ["POST /api/broadcast"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_false_and_not_followed(scripted: Callable[..., ScriptedServer], status: int) -> None:
    server = scripted(status)
    assert sent(server).returned is False
    assert server.requests == ["POST /api/broadcast"]


def test_a_slow_answer_within_the_limit_is_true(scripted: Callable[..., ScriptedServer]) -> None:
    assert sent(scripted(200, delay=1.5)).returned is True
