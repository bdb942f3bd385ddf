"""static/js/mechamap.js on a page of the application, another site than the server's, under a strict CSP."""

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.services.application import Serve
from tests.services.processes import wait_until

from .laravel_page import LaravelPage
from .place import KEY, Place, Seeded

SECRET = secrets.token_urlsafe(48)


@pytest.fixture(scope="module")
def site() -> Iterator[LaravelPage]:
    site = LaravelPage(SECRET)
    site.laravel.start()
    yield site
    site.laravel.stop()


@pytest.fixture(scope="module")
def place(serve_module: Serve, seeded: Seeded, site: LaravelPage) -> Place:
    place = seeded.place(
        serve_module,
        RATE_LIMITS="off",
        JWT_SECRET=SECRET,
        ALLOWED_ORIGINS=site.laravel.url,
        MAX_CONNECTIONS_PER_ROLE="moderator=1",
        WS_PING_INTERVAL="1000",
    )
    site.server = place.url
    return place


@pytest.fixture
def visit(site: LaravelPage, place: Place, open_page: Callable[..., Page]) -> Callable[..., Page]:
    """Opens the application's page as the user of that id, and waits until it is connected, or refused."""

    def open_it(user: int = 2, badge: str = "") -> Page:
        site.user, site.badge = user, badge
        page = open_page()
        page.goto(site.url)
        page.wait_for_selector("body[data-socket]")
        return page

    return open_it


def notify(place: Place, data: dict[str, Any], event: str = "notification", user: int = 2) -> None:
    assert place.broadcast(f"private-user.{user}", event, data).status == 200


def until(page: Page, holds: str) -> None:
    """Asked from outside: the page's policy forbids what Playwright would ask with inside."""
    wait_until(lambda: page.evaluate(holds), holds)


def test_a_notification_rings_the_bell(visit, place: Place):
    page = visit()
    row = {"id": 7, "title": "Hello", "message": "World", "action_url": "/t/7"}
    # as the application's NotificationService sends it
    body = {"event": "notification", "user_id": 2, "channel": "user.2", "data": row}
    key = {"Authorization": f"Bearer {KEY}"}
    sent = place.server.post("/api/broadcast", {**body, "metadata": {"unread_count": 3}}, headers=key)
    assert sent.status == 200, sent.text
    expect(page.locator(".notification-item h6")).to_have_text("Hello")
    expect(page.locator(".notification-item a")).to_have_attribute("href", "/t/7")
    expect(page.locator(".notification-item i")).to_have_class("fa-bell text-primary")
    expect(page.locator("#notificationDropdown #notificationBadge")).to_have_text("3")
    notify(place, {"title": "Without a count", "message": ""})
    expect(page.locator("#notificationBadge")).to_have_text("4")
    assert page.evaluate("told") == ["Hello", "Without a count"]


def test_the_bell_rings_for_a_page_that_asked_for_its_own_channel_with_a_function(visit, place: Place):
    page = visit()
    page.evaluate(
        """() => {
          const show = (data) => (document.title = data.title);
          window.leave = MechaMapWebSocket.subscribe('private-user.2', show);
          return mechaMapSocket.emitWithAck('ping');
        }"""
    )
    notify(place, {"id": 12, "title": "Mine", "message": "", "unread_count": 2})
    expect(page).to_have_title("Mine")
    expect(page.locator("#notificationBadge")).to_have_text("2")
    page.evaluate("() => { leave(); return mechaMapSocket.emitWithAck('ping'); }")
    notify(place, {"id": 13, "title": "No longer asked for", "message": "", "unread_count": 3})
    expect(page.locator("#notificationBadge")).to_have_text("3")
    expect(page).to_have_title("Mine")


def test_words_of_others_stay_words(visit, place: Place):
    page = visit()
    evil = "<img src=x onerror=\"document.title='pwned'\"> & 'co'"
    data = {"id": '"><b id=evil>', "title": evil, "message": evil, "icon": '"><u>', "color": "red; x"}
    addresses = {"action_url": "javascript:document.title='pwned'", "data": {"image_url": "java\tscript:1"}}
    notify(place, {**data, **addresses})
    row = page.locator(".notification-item")
    expect(row.locator("h6")).to_have_text(evil)
    expect(page.locator(".notification-toast-title")).to_have_text(evil)
    assert row.locator("img, b, u, a").count() == 0
    assert page.locator(".notification-toast-message").inner_text() == evil
    expect(row.locator("i")).to_have_class("fa-bell text-primary")
    expect(row).to_have_attribute("title", "")


def test_one_row_under_several_names_is_shown_once(visit, place: Place):
    page = visit(badge='<span id="notificationBadge">1</span>')
    row = {"id": 8, "title": "Once", "message": "only"}
    notify(place, row, "notification.received")
    notify(place, row, "notification")
    notify(place, {"notification": row, "unread_count": 5}, "notification.sent")
    expect(page.locator("#notificationBadge")).to_have_text("5")
    expect(page.locator(".notification-item")).to_have_count(1)
    assert page.evaluate("told") == ["Once"]


def test_reading_elsewhere_lowers_the_badge_here(visit, place: Place):
    label = '<span class="visually-hidden">unread</span>'
    page, other = visit(badge=f'<span id="notificationBadge">4 {label}</span>'), visit()
    notify(place, {"id": 4, "title": "Row four", "message": "", "unread_count": 120})
    expect(page.locator("#notificationBadge")).to_have_text("99+")
    expect(other.locator(".notification-item.unread")).to_have_count(1)
    other.evaluate("MechaMapWebSocket.getSocket().emit('notification_read', {notificationId: 4})")
    expect(page.locator(".notification-item")).to_have_class("notification-item")
    expect(page.locator("#notificationBadge")).to_have_text("3")
    notify(place, {"notification_id": 3, "was_read": False}, "notification.deleted")
    expect(page.locator("#notificationBadge")).to_have_text("2")
    notify(place, {"user_id": 2, "unread_count": 0}, "unread.count.updated")
    expect(page.locator("#notificationBadge")).to_be_hidden()


def test_a_channel_s_events_reach_who_asked_for_it_and_nobody_else(visit, place: Place):
    page = visit()
    page.evaluate(
        """() => {
          window.heard = [];
          window.leave = MechaMapWebSocket.subscribe('showcase.1', (data, event) => {
            heard.push([event, data.type]);
          });
          MechaMapWebSocket.subscribe('public.other', (data) => heard.push(['other', data.type]));
          MechaMapWebSocket.getSocket().on('subscribed', ({channel}) => document.body.dataset.last = channel);
        }"""
    )
    page.wait_for_selector("body[data-last='public.other']")
    place.broadcast("showcase.1", "rating_liked", {"type": "rating_liked"})
    place.broadcast("public.other", "x", {"type": "y"})
    until(page, "heard.length == 2")
    assert page.evaluate("heard") == [["rating_liked", "rating_liked"], ["other", "y"]]
    page.evaluate("leave()")
    until(page, "MechaMapWebSocket.getSocket().connected")
    wait_until(
        lambda: place.broadcast("showcase.1", "rating_liked", {}).json()["subscriberCount"] == 0, "left"
    )


def test_a_channel_that_is_refused_is_told_and_not_asked_for_again(visit, place: Place):
    page = visit(user=3)
    page.evaluate("() => { MechaMapWebSocket.subscribe('forum.2', () => {}); }")
    until(page, "errors.length")
    assert page.evaluate("errors") == ["role_too_low"]


def test_the_page_s_double_initialisation_makes_one_connection(visit, site: LaravelPage):
    before = site.asked
    page = visit()
    assert page.evaluate("MechaMapWebSocket.isConnected()")
    assert page.evaluate("notificationService.socket === MechaMapWebSocket.getSocket()")
    assert page.evaluate("MechaMapWebSocket.initialize().then((socket) => socket === mechaMapSocket)")
    assert site.asked == before + 1


def test_where_a_websocket_is_forbidden_it_polls(visit, site: LaravelPage, page_errors: list[str]):
    site.websocket = False
    try:
        page = visit()
    finally:
        site.websocket = True
    assert page.evaluate("mechaMapSocket.io.engine.transport.name") == "polling"
    assert all("Content Security Policy" in line for line in page_errors)
    page_errors.clear()


def test_a_token_that_ends_is_replaced(visit, site: LaravelPage):
    before = site.asked
    site.tokens = [site.token(seconds=-3)]  # within the leeway, for two seconds more
    page = visit()
    wait_until(lambda: site.asked == before + 2, "a second token")
    until(page, "mechaMapSocket.connected")
    assert page.evaluate("errors") == []


def test_a_token_that_another_tab_replaced_is_fetched_again(visit, site: LaravelPage):
    site.tokens = [site.token(seconds=-60)]
    page = visit()
    assert page.evaluate("MechaMapWebSocket.isConnected()")


def test_who_is_refused_for_good_is_told_why_and_stays_away(visit, site: LaravelPage):
    before = site.asked
    page = visit(user=5)
    assert page.get_attribute("body", "data-socket") == "none"
    assert page.evaluate("errors") == ["user_banned"]
    assert site.asked == before + 1 and not page.evaluate("mechaMapSocket.active")


def test_who_signed_out_meanwhile_stops_asking(visit, site: LaravelPage, page_errors: list[str]):
    site.tokens = [""]
    page = visit()
    assert page.evaluate("errors") == ["signed_out"] and not page.evaluate("mechaMapSocket.active")
    wait_until(lambda: page_errors, "the browser's own line about the 401")
    assert all("401" in line for line in page_errors)
    page_errors.clear()


def test_who_is_sent_away_by_an_operator_is_told_and_stays_away(visit, place: Place):
    page = visit()
    sid = page.evaluate("mechaMapSocket.id")
    form = f"/admin/connections/disconnect?sid={sid}"
    answer = place.operator().submit(form, "/admin/connections/disconnect", sid=sid)
    assert answer.status < 400, answer.text
    until(page, "errors.length")
    assert page.evaluate("errors") == ["operator"] and not page.evaluate("mechaMapSocket.active")


def test_a_page_too_many_comes_back_when_it_is_looked_at(visit):
    page, _ = visit(user=4), visit(user=4)
    until(page, "errors.length")
    assert page.evaluate("errors") == ["connection_limit"] and not page.evaluate("mechaMapSocket.active")
    page.evaluate("() => { document.dispatchEvent(new Event('visibilitychange')); }")
    until(page, "mechaMapSocket.connected")


def test_nobody_is_connected_who_is_not_signed_in(site: LaravelPage, place: Place, open_page):
    before = site.asked
    site.user, site.badge = "", ""
    page = open_page()
    page.goto(site.url)
    page.wait_for_selector("body[data-socket=none]")
    assert site.asked == before


def test_a_page_has_its_channels_again_after_the_server_was_restarted(
    visit, place: Place, site: LaravelPage, page_errors: list[str]
):
    page = visit()
    page.evaluate(
        """() => {
          window.heard = [];
          MechaMapWebSocket.subscribe('showcase.1', (data) => heard.push(data.n));
          mechaMapSocket.emit('subscribe_request', {channel: 'thread.1'});
          mechaMapSocket.on('comment.created', (data) => heard.push(data.n));
          mechaMapSocket.emit('join_group', {group_id: 2}, () => document.body.dataset.asked = '');
          mechaMapSocket.on('group_message', (data) => heard.push(data.n));
        }"""
    )
    page.wait_for_selector("body[data-asked]")
    before = site.asked
    place.server.stop()
    place.server.start()
    until(page, "mechaMapSocket.connected")

    def published(channel: str, event: str, n: int) -> bool:
        return place.broadcast(channel, event, {"n": n}).json()["subscriberCount"] == 1

    wait_until(lambda: published("showcase.1", "rating_liked", 1), "subscribed again with a function")
    wait_until(lambda: published("thread.1", "comment.created", 2), "asked for again as by the thread page")
    wait_until(lambda: published("group.2", "group_message", 3), "joined again as the page of groups does")
    until(page, "heard.length >= 3")
    assert set(page.evaluate("heard")) == {1, 2, 3}
    assert site.asked == before + 1
    page_errors[:] = [line for line in page_errors if "ERR_CONNECTION_REFUSED" not in line]


def test_browsers_keep_the_script_and_other_sites_may_use_it(place: Place, site: LaravelPage):
    for path in ("/static/js/mechamap.js", "/static/vendor/socket.io.min.js"):
        answer = place.server.get(path, headers={"Origin": site.laravel.url})
        assert answer.status == 200
        assert answer.headers["cache-control"] == "public, max-age=3600"
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
        assert answer.headers["access-control-allow-origin"] == site.laravel.url
        again = place.server.get(path, headers={"If-None-Match": answer.headers["etag"]})
        assert again.status == 304
    own = place.server.get("/static/js/live.js")
    assert own.headers["cache-control"] == "no-cache"
    assert "cross-origin-resource-policy" not in own.headers
