"""Looking closely and acting: one connection, one channel, blocking, revoking, purging."""

import re

from playwright.sync_api import expect


def test_a_connections_page_tells_what_it_has_and_moves_by_itself(place, demo, console):
    tab = demo(2)
    page = console("/admin/connections/?q=binh")
    page.locator("#live-connections tbody tr").get_by_role("link", name="Binh").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Binh #2")
    expect(page.locator("#live-connection")).to_contain_text("HeadlessChrome")
    expect(page.locator("#live-connection")).to_contain_text("0 B in 0 packets")
    tab.fill("#channel", "public.looked-at")
    tab.click("#subscribe")
    expect(page.get_by_role("link", name="public.looked-at")).to_be_visible()
    place.broadcast("public.looked-at", "seen.live", {"secret": "inside"})
    expect(page.locator("#live-connection")).to_contain_text("seen.live")
    assert "inside" not in page.content()
    tab.close()
    expect(page.locator("#live-connection")).to_contain_text("This connection has ended.")


def test_a_token_is_revoked_after_it_was_shown_what_that_closes(demo, console):
    tab, other = demo(2), demo(3)
    page = console("/admin/connections/?q=binh")
    page.locator("#live-connections tbody tr").get_by_role("link", name="Binh").first.click()
    page.get_by_role("link", name="Revoke the token").click()
    expect(page.locator("main")).to_contain_text("1 connection that came with it will be closed")
    page.get_by_role("button", name="Revoke and disconnect 1").click()
    expect(page.get_by_role("status").first).to_contain_text("1 connection ordered to close.")
    expect(tab.locator("#refusal")).to_contain_text("The token was revoked.")
    expect(other.locator("#state")).to_have_attribute("data-state", "on")


def test_a_blocked_user_is_closed_listed_and_let_in_again(place, demo, console):
    tab = demo(4)
    page = console("/admin/blocks/")
    page.get_by_role("link", name="Block a user").click()
    page.get_by_label("User id").fill("4")
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("Minutes").fill("30")
    page.get_by_label("Reason").fill("Calm down.")
    page.get_by_role("button", name="Block and disconnect 1").click()
    expect(page.get_by_role("status").first).to_contain_text("1 connection ordered to close.")
    expect(tab.locator("#refusal")).to_contain_text("Calm down. You may connect again after")
    expect(page.locator("#live-blocks tbody tr")).to_contain_text("Calm down.")
    page.get_by_role("link", name="Let in").click()
    page.get_by_role("button", name="Let in").click()
    expect(page.locator("#live-blocks")).to_contain_text("Nobody is blocked.")
    tab.reload()
    expect(tab.locator("#state")).to_have_attribute("data-state", "on")
    rows = place.operator().get("/admin/audit/").text
    assert rows.index(">user.unblock<") < rows.index(">user.block<")


def test_a_log_is_seen_opened_by_who_may_and_purged_after_a_question(place, demo, console):
    tab = demo(2)
    tab.fill("#channel", "public.logged")
    tab.click("#subscribe")
    expect(tab.locator("#joined")).to_contain_text("public.logged")
    place.broadcast("public.logged", "first.told", {"secret": "inside"})
    place.broadcast("public.logged", "then.told", [2])
    page = console("/admin/channels/?q=public.logged")
    page.get_by_role("link", name="public.logged", exact=True).click()
    expect(page.locator("#live-channel tbody tr")).to_have_count(2)
    assert "inside" not in page.content()
    page.locator("#live-channel tbody tr", has_text="first.told").get_by_role("button").click()
    expect(page.get_by_label("Data")).to_have_text(re.compile(r'"secret": "inside"'))
    page.get_by_role("link", name="Back to the channel").click()
    page.get_by_role("link", name="Purge the log").click()
    page.get_by_role("button", name="Purge 2 events").click()
    expect(page.get_by_role("status").first).to_have_text(
        "The log of public.logged is empty; it held 2 events."
    )
    expect(page.locator("#live-channel")).to_contain_text("The log holds none.")
    rows = place.operator().get("/admin/audit/").text
    assert rows.index(">channel.purge<") < rows.index(">event.open<")


def test_the_members_of_a_presence_channel_are_listed(demo, console):
    tab = demo(2)
    tab.fill("#channel", "presence-thread.1")
    tab.click("#subscribe")
    expect(tab.locator("#joined")).to_contain_text("presence-thread.1")
    page = console("/admin/channel/?name=presence-thread.1")
    expect(page.locator(".members li")).to_have_text(["Binh #2"])


def test_a_search_is_narrowed_and_sorted(demo, console):
    demo(2), demo(3)
    page = console("/admin/connections/")
    page.get_by_text("Narrow down and sort").click()
    page.get_by_label("First").select_option("oldest")
    page.get_by_label("Worker").fill("0")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#live-connections tbody th")).to_contain_text(["Binh", "Chi"])


def test_what_cannot_be_meant_names_its_field(place, demo):
    demo(3)
    operator = place.operator()
    searched = operator.get("/admin/connections/?age=long")
    assert searched.status == 422
    assert 'id="error-age">age must be a whole number' in searched.text
    page = "/admin/blocks/block?user_id=3"
    for fields, field in (
        ({"minutes": "never"}, "minutes"),
        ({"minutes": "0"}, "minutes"),
        ({"reason": "x" * 201}, "reason"),
    ):
        answer = operator.submit(page, "/admin/blocks/block", user_id="3", **{"minutes": "5", **fields})
        assert answer.status == 422
        assert f'id="error-{field}"' in answer.text
    assert "Nobody is blocked" in operator.get("/admin/blocks/").text
    assert operator.get("/admin/connection/?sid=1.2").status == 404
    assert "This connection has ended." in operator.get("/admin/connection/?sid=1.2").text
    assert operator.get("/admin/channel/?name=nowhere").status == 422
