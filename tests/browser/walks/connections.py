"""Acts on connections, users and channels."""

import re

from playwright.sync_api import expect

from ..hands import Hands
from . import Site, walk


@walk("/admin/", "/admin/connections/", "/admin/connection/", "/admin/connections/disconnect")
def a_connection_is_found_and_closed(hands: Hands, site: Site) -> None:
    tab, other = site.listener(2), site.listener(3)
    hands.menu("Overview")
    hands.reads("Overview")
    hands.menu("Connections")
    hands.write("Search connections", "binh")
    hands.push("Search")
    hands.push("Binh #2")
    hands.reads("Binh #2")
    expect(hands.page.locator("#pulse")).to_have_attribute("data-state", "live")
    hands.push("Disconnect")
    hands.reads("Disconnect one connection")
    expect(tab.locator("#state")).to_have_attribute("data-state", "on")
    hands.write("Reason, shown to the person", "Maintenance at noon.")
    hands.push("Disconnect 1")
    hands.told("1 connection ordered to close.")
    expect(tab.locator("#refusal")).to_contain_text("Maintenance at noon.")
    expect(other.locator("#state")).to_have_attribute("data-state", "on")
    assert "Maintenance at noon." in site.noted("connection.close", "connection:")


@walk("/admin/connections/disconnect")
def all_connections_of_a_user_are_closed(hands: Hands, site: Site) -> None:
    tabs = [site.listener(2), site.listener(2), site.listener(3)]
    hands.menu("Connections")
    hands.push("All of user 2: disconnect")
    hands.push("Disconnect 2")
    hands.told("2 connections ordered to close.")
    for tab, state in zip(tabs, ("refused", "refused", "on"), strict=True):
        expect(tab.locator("#state")).to_have_attribute("data-state", state)
    assert "2 ordered to close" in site.noted("connection.close", "user:2")


@walk("/admin/connection/revoke")
def a_token_is_revoked(hands: Hands, site: Site) -> None:
    tab = site.listener(4)
    hands.menu("Connections")
    hands.push("Dung #4")
    hands.push("Revoke the token")
    hands.push("Revoke and disconnect 1")
    hands.told("opens nothing any more; 1 connection ordered to close.")
    expect(tab.locator("#refusal")).to_contain_text("The token was revoked.")
    assert "of user 4" in site.noted("token", "token:")


@walk("/admin/blocks/", "/admin/blocks/block", "/admin/blocks/unblock")
def a_user_is_blocked_and_let_in_again(hands: Hands, site: Site) -> None:
    tab = site.listener(4)
    hands.menu("Connections")
    hands.push("Blocked users")
    hands.push("Block a user")
    hands.write("User id", "4")
    hands.push("Go on")
    hands.write("Minutes", "never")
    hands.push("Block and disconnect 1")
    expect(hands.page.get_by_label("Minutes")).to_be_focused()
    hands.page.keyboard.press("ControlOrMeta+A")
    hands.page.keyboard.type("30")
    hands.write("Reason, shown to the person", "Calm down.")
    hands.push("Block and disconnect 1")
    hands.told("1 connection ordered to close.")
    expect(tab.locator("#refusal")).to_contain_text("Calm down.")
    expect(hands.page.locator("#live-blocks tbody tr")).to_contain_text("Calm down.")
    hands.push("Let in user 4")
    hands.push("Let in")
    hands.told("User 4 may connect again.")
    expect(hands.page.locator("#live-blocks")).to_contain_text("Nobody is blocked.")
    tab.reload()
    expect(tab.locator("#state")).to_have_attribute("data-state", "on")
    assert "Calm down." in site.noted("user.block", "user:4")
    assert site.noted("user.unblock", "user:4")


@walk("/admin/channels/", "/admin/channels/publish")
def a_test_event_is_sent_after_a_preview(hands: Hands, site: Site) -> None:
    tab = site.listener(2)
    hands.menu("Channels")
    hands.write("Search channels", "private-user.2")
    hands.push("Search")
    hands.push("Publish to private-user.2")
    hands.write("Data (JSON)", "{")
    hands.push("Preview")
    field = hands.page.get_by_label("Data (JSON)")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-describedby", "error-data")
    hands.page.keyboard.press("ControlOrMeta+A")
    hands.page.keyboard.type('{"title": "By hand", "message": "Good morning"}')
    hands.push("Preview")
    expect(hands.page.locator(".facts")).to_contain_text("1 subscriber")
    assert "By hand" not in tab.inner_text("#letters")
    hands.push("Send to 1")
    hands.told("notification.sent went to 1 subscriber of private-user.2.")
    expect(tab.locator("#letters")).to_contain_text("By hand")
    assert "notification.sent to 1" in site.noted("event.publish", "channel:private-user.2")


@walk("/admin/channel/", "/admin/channel/data", "/admin/channel/purge")
def an_event_is_opened_and_a_log_is_purged(hands: Hands, site: Site) -> None:
    tab = site.listener(2, "public.by-hand")
    sent = site.place.broadcast("public.by-hand", "first.told", {"secret": "inside"}).json()
    hands.menu("Channels")
    hands.push("public.by-hand")
    assert "inside" not in hands.page.content()
    hands.push(f"Open the data of event {sent['offset']}")
    expect(hands.page.get_by_label("Data")).to_contain_text("inside")
    hands.push("Back to the channel")
    hands.push("Purge the log")
    hands.push(re.compile("Purge [12] events?"))  # the walk is gone twice
    hands.told("The log of public.by-hand is empty")
    expect(hands.page.locator("#live-channel")).to_contain_text("The log holds none.")
    expect(tab.locator("#state")).to_have_attribute("data-state", "on")
    assert "first.told" in site.noted("event.open", "channel:public.by-hand")
    assert site.noted("channel.purge", "channel:public.by-hand")


@walk("/admin/channels/disconnect")
def everybody_in_a_channel_is_disconnected(hands: Hands, site: Site) -> None:
    tab, other = site.listener(2, "public.closing"), site.listener(3)
    hands.menu("Channels")
    hands.push("Disconnect everyone in public.closing")
    hands.push("Disconnect 1")
    hands.told("1 connection of public.closing ordered to close.")
    expect(tab.locator("#state")).to_have_attribute("data-state", "refused")
    expect(other.locator("#state")).to_have_attribute("data-state", "on")
    assert site.noted("connection.close", "channel:public.closing")
