"""Somebody with a keyboard and no mouse."""

import re
from urllib.parse import urlsplit

from playwright.sync_api import Download, Page, Request, expect

MOST_STOPS = 80
FOCUSED = """() => {
  const at = document.activeElement, style = getComputedStyle(at);
  const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  const { width, top, bottom } = at.getBoundingClientRect();
  const words = at.ariaLabel ?? (at.labels?.[0] ?? at).textContent;
  const shown = ring && width > 0 && bottom > 0 && top < innerHeight;
  return [at.tagName, words.replace(/\\s+/g, " ").trim(), shown];
}"""
Words = str | re.Pattern[str]


class Hands:
    """Presses keys on one page. Wherever the focus stops on its way it has to be seen.

    Attributes:
        went: (method, path) of every page and file that was asked for.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.went: list[tuple[str, str]] = []
        page.on("request", self._noted)
        page.on("download", self._fetched)

    def menu(self, words: str) -> None:
        """Open a page that the menu at the top leads to."""
        self._tab_to(words)
        self._open()

    def to(self, words: Words) -> None:
        """Put the focus on what reads ``words``, past the menu if the page has not put it anywhere."""
        if self.page.evaluate("document.activeElement === document.body"):
            self.page.keyboard.press("Tab")
            expect(self.page.locator(":focus")).to_have_text("Skip to content")
            self.page.keyboard.press("Enter")
            expect(self.page.locator("#main")).to_be_focused()
        self._tab_to(words)

    def push(self, words: Words) -> None:
        """Follow a link, or send a form by its button."""
        self.to(words)
        self._open()

    def press(self, words: Words) -> None:
        """A button or a box that changes something on the page itself."""
        self.to(words)
        self.page.keyboard.press("Space")

    def write(self, label: str, text: str) -> None:
        """Put ``text`` into the field in place of what is in it."""
        self.to(label)
        self.page.keyboard.press("ControlOrMeta+A")
        self.page.keyboard.type(text)

    def reads(self, words: Words) -> None:
        """The page that came is about ``words``."""
        expect(self.page.get_by_role("heading", level=1)).to_have_text(words)

    def told(self, words: Words) -> None:
        """The act was confirmed, and who does not see the page is told: the sentence has the focus."""
        expect(self.page.get_by_role("status").first).to_contain_text(words)
        expect(self.page.get_by_role("status").first).to_be_focused()

    def _open(self) -> None:
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def _tab_to(self, words: Words) -> None:
        passed = []
        for _ in range(MOST_STOPS):
            self.page.keyboard.press("Tab")
            tag, text, seen = self.page.evaluate(FOCUSED)
            assert tag == "BODY" or seen, f"the focus on {tag} «{text}» cannot be seen"
            if text == words if isinstance(words, str) else words.fullmatch(text):
                return
            passed.append(text)
        raise AssertionError(f"«{words}» is not reached; the focus went over {passed}")

    def _noted(self, request: Request) -> None:
        if request.is_navigation_request():
            self.went.append((request.method, urlsplit(request.url).path))

    def _fetched(self, download: Download) -> None:
        self.went.append(("GET", urlsplit(download.url).path))
