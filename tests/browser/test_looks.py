"""Every page in both schemes and at both widths: readable for people and for their tools."""

import html
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.services.browser import PHONE

CONSOLE = (
    "/admin/",
    "/admin/connections/",
    "/admin/connections/?q=binh",
    "/admin/connections/?q=nothing-like-it",
    "/admin/connections/disconnect?user_id=2",
    "/admin/connections/?order=queue&age=1",
    "/admin/blocks/",
    "/admin/blocks/block?user_id=2",
    "/admin/blocks/unblock?user_id=2",
    "/admin/channels/",
    "/admin/channel/?name=private-user.2",
    "/admin/channel/purge?name=private-user.2",
    "/admin/channels/publish?channel=private-user.2",
    "/admin/channels/disconnect?channel=private-user.2",
    "/admin/watch/",
    "/admin/explain/",
    "/admin/explain/?ask=join&user=2&channel=forum.2",
    "/admin/explain/?ask=event&user=2&channel=private-user.2&event=1",
    "/admin/keys/",
    "/admin/apps/",
    "/admin/people/",
    "/admin/people/end?user_id=1",
    "/admin/account/",
    "/admin/audit/",
    "/admin/audit/?outcome=refused&since=2026-01-01",
    "/admin/rules/",
)
OPEN = ("/admin/login", "/demo", "/demo/2", "/demo/5")


@pytest.fixture(scope="module")
def publishers(place) -> tuple[str, ...]:
    """Pages about one key that was rotated, and one app."""
    operator = place.operator()
    operator.submit("/admin/keys/", "/admin/keys/create", name="looks", scopes="forum.* nothing.*")
    operator.submit("/admin/keys/1/rotate", "/admin/keys/1/rotate", keep="3600")
    operator.submit("/admin/apps/", "/admin/apps/create", name="looks", id="77")
    return (
        *("/admin/keys/2/scopes", "/admin/keys/2/rotate", "/admin/keys/2/revoke", "/admin/keys/"),
        *("/admin/apps/77/rotate", "/admin/apps/77/delete", "/admin/apps/"),
    )


# Structure is the same in both schemes; only colours differ.
RULES = {
    "light": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"],
    "dark": {"type": "rule", "values": ["color-contrast"]},
}


def serious(page: Page, rules: object) -> list[str]:
    """What axe finds that keeps people out."""
    found = Axe().run(page, options={"runOnly": rules, "resultTypes": ["violations"]})
    return [
        f"{each['id']}: {each['help']} ({each['nodes'][0]['html'][:120]})"
        for each in found.response["violations"]
        if each["impact"] in ("serious", "critical")
    ]


def of_somebody(place) -> tuple[str, ...]:
    """The pages of one live connection, and of an event that it got."""
    operator = place.operator()
    sid = re.search(r'<tr data-key="([^"]+)"', operator.get("/admin/connections/").text)[1]
    sent = place.broadcast("private-user.2", "looked.at", {"id": 1}).json()["id"]
    told = operator.get(f"/admin/explain/?ask=event&user=2&event={sent}").text
    event = html.unescape(re.search(r'"(/admin/watch/event[^"]+)"', told)[1])
    return (
        *(f"/admin/connection/?sid={sid}", f"/admin/connection/revoke?sid={sid}"),
        *(f"/admin/connections/disconnect?sid={sid}", event),
        f"/admin/explain/?ask=event&user=2&event={sent}",
    )


def visit(page: Page, url: str) -> None:
    """Open a page and let its connection, if it has one, be accepted or refused."""
    page.goto(url)
    if "/demo/" in url:
        page.wait_for_selector("#state[data-state=on], #state[data-state=refused]")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible(place, demo, console, publishers, scheme):
    demo(2)
    page = console(color_scheme=scheme)
    problems = {}
    for path in (*CONSOLE, *publishers, *OPEN, *of_somebody(place)):
        visit(page, place.url + path)
        if found := serious(page, RULES[scheme]):
            problems[path] = found
    assert problems == {}


def test_no_page_is_wider_than_a_phone(place, demo, console, publishers):
    demo(2)
    page = console(viewport=PHONE)
    wide = {}
    for path in (*CONSOLE, *publishers, *OPEN, *of_somebody(place)):
        visit(page, place.url + path)
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > PHONE["width"]:
            wide[path] = width
    assert wide == {}


def test_dark_is_dark_and_light_is_light(place, open_page):
    brightness = {}
    for scheme in ("light", "dark"):
        page = open_page(color_scheme=scheme)
        page.goto(f"{place.url}/admin/login")
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        brightness[scheme] = sum(int(part) for part in colour.strip("rgb()").split(","))
    assert brightness["dark"] < 100
    assert brightness["light"] > 650


def test_the_policy_of_every_page_allows_nothing_inline_and_nothing_from_elsewhere(place):
    operator = place.operator()
    for path in (*CONSOLE, *OPEN):
        answer = operator.get(path)
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert " style=" not in answer.text
        assert "<style" not in answer.text
        assert " onclick=" not in answer.text


def test_the_console_works_for_people_who_want_no_motion(place, console):
    page = console(reduced_motion="reduce")
    page.wait_for_selector("#pulse[data-state=live]")
    assert page.evaluate("getComputedStyle(document.querySelector('.pulse-dot')).animationName") == "none"
