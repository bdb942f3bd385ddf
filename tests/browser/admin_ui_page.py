"""The public Socket.IO Admin UI as its package serves it, on an origin of its own: `npm` brings the page."""

import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from playwright.sync_api import Locator, Page, Route, expect

from tests.services.processes import ROOT, free_port

DIST = ROOT / "tests" / "clients" / "node_modules" / "@socket.io" / "admin-ui" / "ui" / "dist"
FONTS = ("https://fonts.googleapis.com/**", "https://cdn.jsdelivr.net/**")
"""The page takes its letters and icons from there; the tests do without."""


class AdminUiSite:
    """A web server with nothing but the files of that page."""

    def __init__(self) -> None:
        self.port = free_port()
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), partial(Files, directory=DIST))
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


class Files(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""


class AdminUi:
    """One open page of it."""

    def __init__(self, page: Page, site: AdminUiSite) -> None:
        self.page = page
        for fonts in FONTS:
            page.route(fonts, _nothing)
        page.goto(site.url)

    def sign_in(
        self, server: str, username: str, password: str, *, websocket_only: bool = True, parser: str = ""
    ) -> None:
        """Fill in the form and send it, whatever comes of it."""
        form = self.page.locator(".v-dialog--active form")
        form.get_by_label("Server URL").fill(server)
        form.get_by_label("Username").fill(username)
        form.get_by_label("Password").fill(password)
        if not form.get_by_label("Path").is_visible():
            form.get_by_text("Advanced options").click()
        only = form.get_by_label("WebSocket only?")
        if only.is_checked() != websocket_only:
            form.get_by_text("WebSocket only?").click()
        form.get_by_label("Admin namespace").fill("/admin")
        form.get_by_label("Path").fill("/socket.io")
        if parser:
            form.locator(".v-select").click()
            self.page.get_by_role("option", name=parser).click()
        form.get_by_role("button", name="Connect").click()

    def expect_connected(self) -> None:
        expect(self.page.locator("header")).to_contain_text("Status: connected")
        expect(self.page.locator(".v-dialog--active")).to_have_count(0)

    def open(self, name: str) -> None:
        """A page of the menu."""
        self.page.locator("nav").get_by_role("link", name=name, exact=True).click()
        self.arrive(name)

    def arrive(self, title: str) -> None:
        """Wait until the page before is gone, which slides away."""
        expect(self.main.locator(".v-breadcrumbs")).to_have_text([re.compile(rf"{title}$")])

    @property
    def main(self) -> Locator:
        return self.page.locator("main")

    def card(self, title: str) -> Locator:
        """The part of a page under this title."""
        heading = self.page.locator(".v-card__title", has_text=title)
        return self.main.locator(".v-card").filter(has=heading)

    def row(self, text: str) -> Locator:
        """The row of a table that shows this."""
        return self.main.locator("tbody tr").filter(has_text=text)


def _nothing(route: Route) -> None:
    route.fulfill(status=200, content_type="text/css", body="")
