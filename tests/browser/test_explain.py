"""Why: the console's explanations, and the live console, on the running server."""

import re
import time

from playwright.sync_api import expect

from .place import flask


def test_an_event_that_reached_a_browser_is_explained(place, demo, console):
    tab = demo(2)
    place.broadcast("private-user.2", "explained.once", {"word": "rhubarb"})
    page = console("/admin/explain/")
    page.get_by_label("User id").first.fill("2")
    page.get_by_label("Channel").first.fill("private-user.2")
    page.get_by_label("or about when").fill(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    page.get_by_role("button", name="Ask").first.click()
    card = page.locator("#event-question")
    expect(card.locator(".verdict")).to_contain_text(re.compile("reached the user|was written"))
    expect(card).to_contain_text("explained.once")
    expect(card).to_contain_text("has had it on private-user.2")
    expect(card.locator("tbody tr")).to_have_count(1)
    assert "rhubarb" not in page.content()
    tab.close()


def test_a_user_without_a_connection_did_not_get_it(place, console):
    receipt = place.broadcast("private-user.5", "explained.unheard", {}).json()
    page = console(f"/admin/explain/?ask=event&user=5&event={receipt['id']}")
    expect(page.locator("#event-question .verdict")).to_contain_text("No: the user had no connection")


def test_what_names_no_event_is_refused_in_a_sentence(place):
    operator = place.operator()
    for query in (
        "user=2",
        "user=x&event=1",
        "user=2&event=<u>",
        "user=2&event=1&channel=nope.1",
        "user=2&at=noon",
    ):
        answer = operator.get(f"/admin/explain/?ask=event&{query}")
        assert answer.status == 422, query
        assert 'role="alert"' in answer.text
        assert "<u>" not in answer.text


def test_joining_is_explained_by_its_rule_and_facts(console):
    page = console("/admin/explain/?ask=join&user=2&channel=forum.2")
    card = page.locator("section", has=page.get_by_role("heading", name="May this user join that channel?"))
    expect(card.locator(".verdict code")).to_have_text(re.compile("allowed|role_too_low"))
    expect(card).to_contain_text("required role")
    expect(card).to_contain_text("Decided by")


def test_a_token_is_explained_check_by_check_and_not_sent_back(place, console):
    token = flask(place.server.settings, "tokens", "issue", "2").strip()
    forged = token[:-6] + ("A" * 6 if token[-6:] != "A" * 6 else "B" * 6)
    page = console("/admin/explain/")
    page.get_by_role("textbox", name="Token").fill(forged)
    page.get_by_role("button", name="Explain").click()
    card = page.locator("section", has=page.get_by_role("heading", name="Why is this token refused?"))
    expect(card.locator(".verdict")).to_contain_text("token_invalid")
    expect(card.locator("li", has_text="signature")).to_contain_text("failed")
    expect(card.locator("li", has_text="not revoked")).to_contain_text("not reached")
    assert forged not in page.content()
    page.get_by_role("textbox", name="Token").fill(token)
    page.get_by_role("button", name="Explain").click()
    expect(card.locator(".verdict")).to_contain_text("Accepted.")
    assert token not in page.content()
    assert token not in place.server.log()
    assert forged not in place.server.log()


def test_the_live_console_shows_what_happens_and_masks_what_is_said(place, demo, console):
    page = console("/admin/watch/")
    expect(page.locator("#pulse")).to_have_attribute("data-state", "live")
    tab = demo(3)
    tab.fill("#channel", "private-user.2")
    tab.click("#subscribe")
    place.broadcast("private-user.3", "watched.now", {"word": "rhubarb"})
    rows = page.locator("#records tr")
    expect(rows.filter(has_text="connect").first).to_contain_text("#3")
    expect(rows.filter(has_text="refusal")).to_contain_text("not_owner")
    event = rows.filter(has_text="watched.now")
    expect(event).to_contain_text("1 subscriber")
    assert "rhubarb" not in page.content()
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#pulse-text")).to_contain_text("Paused")
    event.get_by_role("link", name="Open").click()
    expect(page.locator("main")).to_contain_text("object of 1 field")
    assert "rhubarb" not in page.content()
    page.get_by_role("button", name="Show the payload").click()
    expect(page.get_by_label("Payload")).to_contain_text("rhubarb")
    page.goto(f"{place.url}/admin/audit/")
    expect(page.locator("tbody tr").first).to_contain_text("event.open")
    tab.close()


def test_the_live_console_shows_only_what_was_asked_for(place, demo, console):
    page = console("/admin/watch/?event=wanted&kind=event&kind=delivery")
    expect(page.locator("#pulse")).to_have_attribute("data-state", "live")
    for event in ("other.x", "wanted.y", "other.z"):
        place.broadcast("public.watched", event, {})
    expect(page.locator("#records tr")).to_have_count(1)
    expect(page.locator("#records")).to_contain_text("wanted.y")


def test_a_payload_is_opened_by_a_form_only(place):
    sent = place.broadcast("public.masked", "masked", {"word": "rhubarb"}).json()
    where = f"channel=public.masked&position={sent['epoch']}.{sent['offset']}"
    operator = place.operator()
    assert "rhubarb" not in operator.get(f"/admin/watch/event?{where}").text
    assert operator.get(f"/admin/watch/payload?{where}").status == 405
    refused = operator.post(f"/admin/watch/payload?{where}")
    assert (refused.status, "rhubarb" in refused.text) == (400, False)
    gone = operator.get("/admin/watch/event?channel=public.masked&position=AAAAAAAA.1")
    assert gone.status == 404
