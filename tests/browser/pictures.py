"""Makes the README's pictures anew; no test, and collected only by name: `pytest tests/browser/pictures.py`.

`PICTURES=FOLDER pytest tests/browser/test_looks.py` puts every page there, at two widths and in both schemes.
"""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.services.processes import ROOT

from .place import Place

IMAGES = ROOT / "docs" / "images"
SIZE = {"width": 1280, "height": 800}
SECONDS = 150
"""The charts have a point for every ten; after two minutes it is certain what a browser has."""
NEWS = (
    ("private-user.2", "notification.sent", {"id": 5, "title": "Chi answered you"}),
    ("presence-thread.1", "comment.created", {"id": 71, "thread_id": 1}),
    ("forum.1", "thread.created", {"id": 9, "title": "Which grease for 6208-2RS?"}),
    ("public.news", "announcement.published", {"id": 3}),
    ("private-user.3", "message.received", {"id": 12, "from": 2}),
)


@pytest.fixture(scope="module")
def place(serve_module, seeded, lasting_redis) -> Place:
    return seeded.place(serve_module, RATE_LIMITS="off", WEB_CONCURRENCY="2", REDIS_URL=lasting_redis.url)


@pytest.mark.timeout(400)
def test_pictures(place: Place, demo: Callable[..., Page], console: Callable[..., Page]) -> None:
    tabs = [demo(user) for user in (2, 2, 3, 4, 4)]
    for tab, channels in zip(
        tabs, (("presence-thread.1", "forum.1"), ("public.news",), ("forum.1",), (), ()), strict=True
    ):
        for channel in channels:
            tab.fill("#channel", channel)
            tab.click("#subscribe")
            expect(tab.locator("#joined")).to_contain_text(channel)
    overview, live = console(viewport=SIZE), console("/admin/watch/", viewport=SIZE)
    receipt = ""
    for turn in range(SECONDS * 4):
        channel, event, data = NEWS[(turn * 7 + turn // 3) % len(NEWS)]
        sent = place.broadcast(channel, event, data).json()
        if turn < 8 and channel == NEWS[0][0]:
            receipt = sent["id"]  # long enough ago
        if turn % 10 == 5:  # a member asks for the room of the administrators
            tabs[2].fill("#channel", "admin.reports")
            tabs[2].click("#subscribe")
        overview.wait_for_timeout(150 + turn % 7 * 20)
    for name, shown in (("dashboard", overview), ("live", live)):
        shown.bring_to_front()
        shown.screenshot(path=IMAGES / f"{name}.png")

    page = console("/admin/connections/?q=binh", viewport=SIZE)
    page.locator("#live-connections tbody tr").last.get_by_role("link", name="Binh").first.click()
    expect(page.locator("#live-connection")).to_contain_text("comment.created")
    explain = f"/admin/explain/?ask=event&user=2&channel=private-user.2&event={receipt}"
    why = console(explain, viewport=SIZE)
    for name, shown in (("connection", page), ("explain", why)):
        shown.screenshot(path=IMAGES / f"{name}.png")
