"""The demonstration a newcomer sees: two people, two tabs, one command line."""

import json
import shlex

from playwright.sync_api import expect

from .place import KEY


def test_the_printed_line_shows_a_notification_and_reading_it_in_one_tab_clears_it_in_the_other(place, demo):
    first = demo(2)
    second = demo(2, beside=first)
    stranger = demo(3)
    for page in (first, second):
        expect(page.locator("#unread")).to_have_text("4")
    words = shlex.split(first.inner_text("#line").replace("\\\n", " "))
    assert words[:2] == ["curl", f"{place.url}/api/broadcast"]
    assert "X-API-Key: $KEY" in words
    assert (
        place.server.request(
            "POST", "/api/broadcast", words[words.index("-d") + 1], headers={"X-API-Key": KEY}
        ).json()["subscriberCount"]
        == 2
    )

    for page in (first, second):
        expect(page.locator(".letter").first).to_contain_text("New answer")
    first.locator(".letter").first.get_by_role("button").click()
    for page in (first, second):
        expect(page.locator(".letter").first).to_have_class("letter read")
        expect(page.locator("#unread")).to_have_text("3")
    second.reload()
    expect(second.locator(".letter.read")).to_have_count(1)
    assert "New answer" not in stranger.inner_text("#letters")


def test_a_refused_subscription_says_why_and_an_allowed_one_is_listed(demo):
    page = demo(3)
    page.get_by_role("button", name="forum.2").click()
    expect(page.locator("#answer")).to_contain_text("role_too_low")
    page.fill("#channel", "forum.1")
    page.click("#subscribe")
    expect(page.locator("#joined")).to_contain_text("forum.1")
    page.get_by_role("button", name="Unsubscribe from forum.1").click()
    expect(page.locator("#joined")).not_to_contain_text("forum.1")


def test_an_event_of_a_channel_appears_in_the_log_of_its_subscribers(place, demo):
    page = demo(4)
    page.fill("#channel", "public.news")
    page.click("#subscribe")
    expect(page.locator("#joined")).to_contain_text("public.news")
    place.broadcast("public.news", "news.published", {"headline": "<b>bold</b>"})
    expect(page.locator("#events li").first).to_contain_text('news.published {"headline":"<b>bold</b>"}')


def test_the_page_shows_over_which_transport_it_is_connected(demo):
    expect(demo(2).locator("#state-text")).to_have_text("Connected · websocket")


def test_a_banned_user_is_refused_with_the_code(place, open_page):
    page = open_page()
    page.goto(f"{place.url}/demo/5")
    expect(page.locator("#refusal")).to_contain_text("user_banned")
    expect(page.locator("#state-text")).to_have_text("Refused")


def test_the_page_lists_its_own_users_notifications_and_needs_the_users_token(place, demo):
    refused = place.server.get("/demo/notifications.json")
    assert (refused.status, refused.json()["code"]) == (401, "token_missing")
    token = place.server.get("/demo/3/token").json()["token"]
    listed = place.server.get("/demo/notifications.json", headers={"Authorization": f"Bearer {token}"})
    assert [row["id"] for row in listed.json()["notifications"]] == [6, 5]
    assert listed.headers["cache-control"] == "no-store"


def test_a_browser_at_the_root_is_led_to_the_demo_and_a_machine_is_told_the_version(place):
    browser = place.server.get("/", headers={"Accept": "text/html,*/*;q=0.8"})
    assert (browser.status, browser.headers["location"]) == (302, "/demo")
    assert json.loads(place.server.get("/").body)["name"] == "MechaMap real-time"


def test_the_list_of_people_leads_to_their_pages(place, chromium_page):
    chromium_page.goto(f"{place.url}/demo")
    chromium_page.get_by_role("link", name="Chi").click()
    expect(chromium_page.locator("h1")).to_contain_text("Chi")
    expect(chromium_page.locator("#state")).to_have_attribute("data-state", "on")


def test_the_broadcast_key_is_nowhere_on_the_page(place):
    assert KEY not in place.server.get("/demo/2").text
