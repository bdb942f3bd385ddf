"""Chromium opens pages, takes screenshots, and an error on a page does not pass unseen."""

import struct
from collections.abc import Callable

import gevent
from playwright.sync_api import Page

from .application import Application
from .browser import screenshots


def test_a_page_of_the_server_opens(echo_server: Application, chromium_page: Page) -> None:
    chromium_page.goto(f"{echo_server.url}/page")
    assert chromium_page.inner_text("h1") == "Parts"


def test_an_error_on_the_console_and_an_uncaught_one_are_noticed(
    echo_server: Application, chromium_page: Page, page_errors: list[str]
) -> None:
    chromium_page.goto(f"{echo_server.url}/broken-page")
    chromium_page.wait_for_load_state()
    assert [error.split(":")[0] for error in page_errors] == ["console", "uncaught"]
    assert "no such part" in page_errors[0]
    page_errors.clear()


def test_a_page_is_shot_at_desktop_and_phone_width(echo_server: Application, chromium_page: Page) -> None:
    chromium_page.goto(f"{echo_server.url}/page")
    widths = {}
    for shot in screenshots(chromium_page, "services-page"):
        widths[shot.stem], _ = struct.unpack(">II", shot.read_bytes()[16:24])
        shot.unlink()
    assert widths == {"services-page-desktop": 1280, "services-page-phone": 390}


def test_two_pages_share_no_cookies(echo_server: Application, open_page: Callable[..., Page]) -> None:
    first, second = open_page(), open_page()
    for page in (first, second):
        page.goto(f"{echo_server.url}/page")
    first.evaluate("document.cookie = 'visitor=1'")
    assert first.evaluate("document.cookie") == "visitor=1"
    assert second.evaluate("document.cookie") == ""


def test_greenlets_run_while_a_page_is_awaited(echo_server: Application, chromium_page: Page) -> None:
    chromium_page.goto(f"{echo_server.url}/page")
    ticks = []
    ticker = gevent.spawn(lambda: [(gevent.sleep(0.01), ticks.append(1)) for _ in range(5)])
    chromium_page.evaluate("new Promise(resolve => setTimeout(resolve, 300))")
    assert len(ticks) == 5
    ticker.join()
