"""What keeps people from a page: found by axe and by measuring, in both schemes, at a desktop's and a phone's
width."""

import os
from itertools import count
from pathlib import Path

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

from tests.services.browser import DESKTOP, PHONE

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
EVERYTHING = {"type": "tag", "values": TAGS}
VIEWS = (
    # Structure differs with the width and colours with the scheme, neither with both: axe, which takes most
    # of the time, sees each once.
    (DESKTOP, "light", EVERYTHING),
    (DESKTOP, "dark", None),
    (PHONE, "light", None),
    (PHONE, "dark", EVERYTHING),
)
VIOLATIONS = """async (rules) => {
  const found = await axe.run(document, { runOnly: rules, resultTypes: ["violations"] });
  return found.violations.map(({ id, help, nodes }) => `${id}: ${help} (${nodes[0].html.slice(0, 120)})`);
}"""
MEASURED = """(scheme) => {
  const found = [], root = document.documentElement, console = location.pathname.startsWith("/admin/");
  if (root.scrollWidth > innerWidth) found.push(`scrolls sideways: ${root.scrollWidth} wide`);
  const paper = getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number);
  const bright = paper.reduce((sum, part) => sum + part, 0);
  if (scheme === "dark" ? bright > 100 : bright < 650) found.push(`is not ${scheme}: ${paper}`);
  for (const card of document.querySelectorAll(".card, .figure, .notice, .bar")) {
    const { right } = card.getBoundingClientRect();
    for (const part of card.querySelectorAll("*")) {
      const own = part.getBoundingClientRect();
      if (own.width > 1 && own.right > right + 1 && !part.closest(".visually-hidden, .skip, svg"))
        found.push(`sticks out by ${Math.round(own.right - right)}: ${part.outerHTML.slice(0, 120)}`);
    }
  }
  const heading = document.querySelector("h1").innerText.trim(), { title } = document;
  if (console && !title.includes(heading)) found.push(`the title «${title}» does not say «${heading}»`);
  return found;
}"""
ALBUM = os.environ.get("PICTURES")
"""A folder for a picture of everything that is looked at."""
_NUMBERS = count(1)


def faults(page: Page) -> list[str]:
    """What is wrong with the page as it stands; it is at a desktop's size and light afterwards."""
    page.evaluate(AXE_SCRIPT)
    found, number = [], next(_NUMBERS)
    for size, scheme, rules in VIEWS:
        view = f"{size['width']} {scheme}"
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme)
        seen = page.evaluate(MEASURED, scheme)
        if rules is not None:
            seen += page.evaluate(VIOLATIONS, rules)
        found += [f"{view}: {fault}" for fault in seen]
        if ALBUM:
            page.screenshot(path=Path(ALBUM) / f"{number:03} {view}.png", full_page=True)
    page.set_viewport_size(DESKTOP)
    page.emulate_media(color_scheme="light")
    return found


def only_refusals(page_errors: list[str]) -> None:
    """A browser notes a page that comes with a status over 399 as an error; nothing else may be noted."""
    refused = "the server responded with a status of "
    assert [error for error in page_errors if refused not in error] == []
    page_errors.clear()
