"""Chromium, driven by Playwright: fixture `chromium_page`; a page that logs an error fails its test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from .processes import ROOT, program

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
ARTIFACTS = ROOT / "tests" / "artifacts"

# --no-sandbox: containers and root have no user namespaces. The rest keeps Chromium from calling home:
# without them a machine that is cut off from the network sees many refused connections at each start.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def screenshots(page: Page, name: str) -> list[Path]:
    """The whole page at desktop and phone width, as `tests/artifacts/NAME-desktop.png` and `NAME-phone.png`.

    The page is back at desktop size afterwards.
    """
    ARTIFACTS.mkdir(exist_ok=True)
    taken = []
    for device, size in (("phone", PHONE), ("desktop", DESKTOP)):
        page.set_viewport_size(size)
        taken.append(ARTIFACTS / f"{name}-{device}.png")
        page.screenshot(path=taken[-1], full_page=True)
    return taken


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The system's Chromium, headless, one process for the run.

    Playwright keeps an asyncio loop in a greenlet of the main thread; with the standard library patched that
    loop waits in gevent's hub, so greenlets and servers in this process go on while a page loads. Two things
    follow: only the main greenlet may call Playwright, and `asyncio.run` fails in tests that come after.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program("chromium", "chromium-browser", "google-chrome"), args=list(ARGUMENTS)
        )
        yield browser
        browser.close()


@pytest.fixture
def page_errors() -> list[str]:
    """What pages of this test logged as errors or threw; a test that provokes one checks and clears it."""
    return []


@pytest.fixture
def open_page(chromium: Browser, page_errors: list[str]) -> Iterator[Callable[..., Page]]:
    """Opens pages that share nothing, each a visitor of its own; options are Playwright's `new_context`'s."""
    contexts = []

    def open_new(**options: Any) -> Page:
        context = chromium.new_context(**{"viewport": DESKTOP, "ignore_https_errors": True, **options})
        contexts.append(context)
        context.set_default_timeout(10_000)
        page = context.new_page()
        page.on("console", noticed)
        page.on("pageerror", lambda error: page_errors.append(f"uncaught: {error}"))
        return page

    def noticed(message: ConsoleMessage) -> None:
        if message.type == "error":
            page_errors.append(f"console: {message.text} ({message.location.get('url', '')})")

    yield open_new
    for context in contexts:
        context.close()
    assert not page_errors, "the page logged errors:\n" + "\n".join(page_errors)


@pytest.fixture
def chromium_page(open_page: Callable[..., Page]) -> Page:
    """One fresh page at desktop size."""
    return open_page()
