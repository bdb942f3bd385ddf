"""The live console, the explanations, the rules and the audit log."""

import json
import re
from pathlib import Path

from playwright.sync_api import expect

from ..hands import Hands
from . import Site, walk

CHAT = "private-chat.1"
"""A channel that Laravel decides on."""


@walk("/admin/watch/", "/admin/watch/event", "/admin/watch/payload")
def the_live_view_is_narrowed_and_paused_and_a_payload_opened(hands: Hands, site: Site) -> None:
    page, rows = hands.page, hands.page.locator("#records tr")
    hands.menu("Live")
    hands.write("Event", "wanted")
    for kind in ("refusal", "connect", "disconnect", "kick", "subscribe", "unsubscribe", "recovery", "gap"):
        hands.press(kind)
    hands.push("Show these")
    expect(page.get_by_label("refusal")).not_to_be_checked()
    expect(page.locator("#pulse")).to_have_attribute("data-state", "live")
    for event in ("other.x", "wanted.seen"):
        site.place.broadcast("public.watched", event, {"word": "rhubarb"})
    expect(rows).to_have_count(1)
    hands.press("Pause")
    expect(page.locator("#pulse-text")).to_contain_text("Paused")
    expect(page.get_by_role("button", name="Go on")).to_be_focused()
    site.place.broadcast("public.watched", "wanted.later", {})
    page.keyboard.press("Space")
    expect(rows).to_have_count(2)
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    hands.push(re.compile(r"Open wanted\.seen \d+"))
    expect(page.locator("main")).to_contain_text("object of 1 field")
    assert "rhubarb" not in page.content()
    hands.push("Show the payload")
    expect(page.get_by_label("Payload")).to_contain_text("rhubarb")
    assert "wanted.seen" in site.noted("event.open", "channel:public.watched")


@walk("/admin/explain/")
def it_is_asked_whether_an_event_reached_somebody(hands: Hands, site: Site) -> None:
    site.listener(2)
    sent = site.place.broadcast("private-user.2", "asked.about", {}).json()
    hands.menu("Explain")
    hands.write("User id", "2")
    hands.write("Event: id, offset or position", sent["id"])
    hands.push("Ask")
    hands.told(re.compile("reached the user|was written|waits"))
    expect(hands.page.locator("#event-question")).to_contain_text("asked.about")


@walk("/admin/explain/", "/admin/explain/laravel")
def laravel_is_asked_whether_somebody_may_join(hands: Hands, site: Site) -> None:
    hands.menu("Explain")
    hands.to("or about when")  # behind it is the button of the first question
    hands.to("Ask")
    hands.write("User id", "2")
    hands.write("Channel", CHAT)
    hands.push("Ask")
    hands.told("No.")
    hands.write("The user's own token", site.token)
    hands.push("Ask Laravel")
    hands.told("Yes. Laravel allows it.")
    assert site.token not in hands.page.content()


@walk("/admin/explain/token")
def a_token_is_explained(hands: Hands, site: Site) -> None:
    forged = site.token[:-6] + ("A" * 6 if site.token[-6:] != "A" * 6 else "B" * 6)
    hands.menu("Explain")
    for token, verdict in ((forged, "Refused."), (site.token, "Accepted.")):
        if verdict == "Accepted.":  # the verdict is behind the form
            hands.page.goto(f"{site.place.url}/admin/explain/")
        hands.write("Token", token)
        hands.push("Explain")
        hands.told(verdict)
        assert token not in hands.page.content()


@walk("/admin/rules/")
def the_rules_are_asked(hands: Hands, site: Site) -> None:
    hands.menu("Rules")
    hands.write("User id", "2")
    hands.write("Channel", "forum.1")
    hands.push("Ask")
    hands.told("Yes.")


@walk("/admin/audit/", "/admin/audit/export")
def the_audit_log_is_filtered_and_exported(hands: Hands, site: Site) -> None:
    hands.menu("Audit")
    hands.write("Action begins with", "console.signin")
    hands.push("Filter")
    expect(hands.page.locator("tbody tr").first).to_contain_text("console.signin")
    hands.to("Export")
    with hands.page.expect_download() as download:
        hands.page.keyboard.press("Enter")
    rows = [json.loads(line) for line in Path(download.value.path()).read_text().splitlines()]
    assert rows
    assert {row["action"] for row in rows} == {"console.signin"}
