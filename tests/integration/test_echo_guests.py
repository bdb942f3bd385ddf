"""Pages of Laravel Echo that Laravel knows by their session's cookie alone: guests of this server."""

import socket
from collections.abc import Callable, Iterator

import pytest

from tests.services.application import Application
from tests.services.echo_page import EchoPage
from tests.services.laravel_api import Asked, LaravelApi, says

from .conftest import settings, token

CHAT = "private-chat.1"
ANNA = {"Cookie": "laravel_session=anna"}
CSRF = {"headers": {"X-CSRF-TOKEN": "token-of-the-page"}}


def decides(connection: socket.socket, asked: Asked) -> None:
    """As `/broadcasting/auth` with the `redis` driver: Anna is in one chat."""
    known = asked.headers.get("cookie") == ANNA["Cookie"] and "x-csrf-token" in asked.headers
    (says(True) if known and asked.form()["channel_name"] == CHAT else says({"message": ""}, 403))(
        connection, asked
    )


@pytest.fixture(scope="module")
def laravel() -> Iterator[LaravelApi]:
    with LaravelApi(decides) as laravel:
        yield laravel


@pytest.fixture(scope="module")
def server(serve_module, laravel, plan_url) -> Application:
    return serve_module(
        settings(
            CHANNEL_AUTH="rules,laravel",
            LARAVEL_AUTH_URL=f"{laravel.url}/broadcasting/auth",
            LARAVEL_DATABASE_URL=plan_url,
        )
    )


@pytest.fixture
def page(echo_page) -> Callable[..., EchoPage]:
    return lambda **options: echo_page(**{"auth": CSRF, "extraHeaders": ANNA, **options})


@pytest.mark.parametrize("transports", [["websocket"], ["polling"]], ids=["websocket", "polling"])
def test_a_guest_has_public_channels_and_what_laravel_allows(site, page, transports):
    guest = page(transports=transports)
    [greeting] = guest.wait_for("connected")
    assert (greeting["userId"], greeting["channels"]) == (0, [])
    guest.listen("private", "chat.1", ".news")
    guest.listen("channel", "public.news", ".news")
    guest.listen("channel", "lobby", ".news")
    for channel in (CHAT, "public.news", "lobby"):
        assert guest.wait_for("subscribed")[0]["channel"] == channel
        assert site.broadcast(channel, "news", channel).json()["subscriberCount"] == 1
        assert guest.hears(channel, ".news") == channel


@pytest.mark.parametrize(
    ("kind", "name", "channel", "code"),
    [
        ("private", "chat.2", "private-chat.2", "auth_denied_403"),
        ("private", "user.2", "private-user.2", "sign_in_required"),
        ("channel", "forum.1", "forum.1", "sign_in_required"),
        ("channel", "user.0", "user.0", "channel_unknown"),
        ("join", "thread.10", "presence-thread.10", "guest_presence"),
        ("join", "room.1", "presence-room.1", "guest_presence"),
    ],
)
def test_nothing_else_is_a_guests(page, kind, name, channel, code):
    guest = page()
    guest.listen(kind, name, ".news")
    [told, status, why] = guest.wait_for("subscription_error")
    assert (told, status, why["code"]) == (channel, 403, code)


def test_without_laravels_word_a_guest_has_public_channels_only(page):
    stranger = page(extraHeaders={})
    stranger.listen("private", "chat.1", ".news")
    assert stranger.wait_for("subscription_error")[:2] == [CHAT, 403]
    stranger.listen("channel", "public.news", ".news")
    assert stranger.wait_for("subscribed")[0]["channel"] == "public.news"


def test_a_guest_that_was_cut_off_gets_what_it_missed(site, page):
    guest, other = page(), page()
    for each in (guest, other):
        each.listen("private", "chat.1", ".news")
        each.wait_for("subscribed")
    site.broadcast(CHAT, "news", 1)
    guest.hears(CHAT, ".news")
    guest.drop()
    guest.wait_for("disconnect")
    site.broadcast(CHAT, "news", 2)
    guest.wait_for("connect")
    assert guest.hears(CHAT, ".news") == 2
    assert guest.recovered()
    assert other.heard(CHAT, ".news") == [1, 2]


@pytest.mark.parametrize("auth", [{}, {"token": ""}, {"token": None}, {**CSRF, "dialect": "plan"}])
def test_pages_of_the_plan_still_need_a_token(site, auth):
    assert site.refusal(auth=auth)["data"]["code"] == "token_missing"


def test_a_token_that_is_wrong_makes_no_guest(site):
    wrong = {"headers": {"Authorization": "Bearer " + token(2, secret="another-secret" * 4)}}
    assert site.refusal(auth=wrong)["data"]["code"] == "token_invalid"


def test_a_guest_has_no_notifications(page):
    refused = page().emit_ack("notification_read", {"notificationId": 200})
    assert refused["code"] == "notification_not_found"
