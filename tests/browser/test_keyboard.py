"""The console without a mouse."""

from playwright.sync_api import Page, expect

MOST_STOPS = 60
FOCUSED = """() => {
  const at = document.activeElement, style = getComputedStyle(at);
  const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
  return [at.tagName, at.innerText.trim(), ring && at.getBoundingClientRect().width > 0];
}"""


def tab_to(page: Page, words: str) -> None:
    """Press Tab until what reads ``words`` has the focus; every stop on the way shows that it has it."""
    passed = []
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        tag, text, seen = page.evaluate(FOCUSED)
        assert tag == "BODY" or seen, f"the focus on {tag} «{text}» cannot be seen"
        if text == words:
            return
        passed.append(text)
    raise AssertionError(f"«{words}» is not reached; the focus went over {passed}")


def test_a_connection_is_found_and_closed_after_the_preview(place, demo, chromium_page: Page):
    tab, other = demo(2), demo(3)
    page = chromium_page
    page.goto(f"{place.url}/admin/login")
    expect(page.get_by_label("E-mail or user name")).to_be_focused()
    page.keyboard.type(place.login)
    page.keyboard.press("Tab")
    page.keyboard.type(place.password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")

    tab_to(page, "Connections")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Connections")
    tab_to(page, "Binh #2")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Binh #2")
    expect(page.locator("#pulse")).to_have_attribute("data-state", "live")
    tab_to(page, "Disconnect")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Disconnect one connection")
    expect(tab.locator("#state")).to_have_attribute("data-state", "on")
    tab_to(page, "Disconnect 1")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("1 connection")
    expect(tab.locator("#state")).not_to_have_attribute("data-state", "on")
    expect(other.locator("#state")).to_have_attribute("data-state", "on")
