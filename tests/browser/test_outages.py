"""What the console says when something it depends on is away."""

import signal

import pytest
from playwright.sync_api import expect

from .looking import faults, only_refusals
from .place import Place


@pytest.fixture
def clustered(serve, seeded, redis_server) -> Place:
    return seeded.place(serve, REDIS_URL=redis_server.url)


def signed_in(place: Place, page):
    place.sign_in(page)
    page.goto(f"{place.url}/admin/")
    expect(page.locator("#pulse")).to_have_attribute("data-state", "live")
    return page


def test_without_the_broker_every_page_renders_and_says_that_numbers_are_unknown(
    clustered, redis_server, chromium_page, page_errors
):
    page = signed_in(clustered, chromium_page)
    operator = clustered.operator()
    redis_server.stop()
    expect(page.locator("#live-problem")).to_contain_text("broker_unavailable", timeout=20_000)
    expect(page.locator("[data-figure=connections]")).to_have_text("—")
    expect(page.locator("#live-health")).to_contain_text("down")
    assert faults(page) == []
    for path in ("/admin/", "/admin/connections/?q=x", "/admin/channels/", "/admin/keys/", "/admin/rules/"):
        assert operator.get(path).status == 200
    answer = page.goto(f"{clustered.url}/admin/connections/disconnect?user_id=2")
    assert answer.status == 503
    expect(page.locator("main")).to_contain_text("broker_unavailable")
    expect(page.get_by_role("link", name="Try again")).to_be_visible()
    assert faults(page) == []
    only_refusals(page_errors)


def test_a_page_says_since_when_the_server_has_not_answered_and_recovers(
    clustered, chromium_page, page_errors
):
    page = signed_in(clustered, chromium_page)
    clustered.server.stop(signal.SIGTERM)
    expect(page.locator("#trouble")).to_contain_text("The server cannot be reached", timeout=10_000)
    expect(page.locator("#pulse")).to_have_attribute("data-state", "lost")
    assert faults(page) == []
    clustered.server.start()
    expect(page.locator("#pulse")).to_have_attribute("data-state", "live", timeout=15_000)
    expect(page.locator("#trouble")).to_be_hidden()
    assert all("ERR_CONNECTION_REFUSED" in error for error in page_errors)
    page_errors.clear()
