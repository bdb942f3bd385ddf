"""Acts on keys and apps."""

import re

from playwright.sync_api import Locator, expect

from tests.services.processes import wait_until

from ..hands import Hands
from . import Site, walk


def key(site: Site, name: str) -> str:
    """Make one in another browser; the secret."""
    page = site.other.submit("/admin/keys/", "/admin/keys/create", name=name, scopes="forum.*").text
    return re.search(r'id="secret" class="mono" value="([^"]+)"', page)[1]


def app(site: Site, name: str) -> None:
    site.other.submit("/admin/apps/", "/admin/apps/create", name=name)


def row(hands: Hands, name: str) -> Locator:
    return hands.page.locator("tbody tr", has_text=name)


def publishes(site: Site, secret: str, channel: str) -> int:
    return site.place.broadcast(channel, "x", {}, key=secret).status


@walk("/admin/keys/", "/admin/keys/create")
def a_key_is_made_after_a_preview(hands: Hands, site: Site) -> None:
    name = site.fresh("by hand")
    hands.menu("Keys")
    hands.write("Name", name)
    hands.write("May publish to", "forum.*")
    hands.push("Preview scopes")
    expect(hands.page.get_by_role("status").first).to_be_focused()
    expect(hands.page.get_by_role("status").first).to_contain_text("forum.{id}")
    hands.push("Make key")
    secret = hands.page.get_by_label("Secret").input_value()
    hands.press("Copy")
    expect(hands.page.get_by_role("button", name=re.compile("Copied|Press"))).to_be_focused()
    assert [publishes(site, secret, name) for name in ("forum.1", "public.x")] == [200, 403]
    hands.push("I have it, back to the keys")
    expect(row(hands, name)).to_contain_text("forum.*")
    assert secret not in hands.page.content()
    assert "forum.*" in site.noted("key.create", f"key:{name}")


@walk("/admin/keys/<key_id>/scopes")
def the_scopes_of_a_key_are_changed_after_a_preview(hands: Hands, site: Site) -> None:
    name = site.fresh("scoped")
    secret = key(site, name)
    hands.menu("Keys")
    hands.push(f"Scopes of {name}")
    hands.write("Patterns of channel names", "(")
    hands.push("Preview")
    expect(hands.page.get_by_label("Patterns of channel names")).to_be_focused()
    hands.page.keyboard.press("ControlOrMeta+A")
    hands.page.keyboard.type("public.*")
    hands.push("Preview")
    expect(hands.page.get_by_role("status").first).to_be_focused()
    hands.push("Save")
    hands.told(f"The key {name} has new scopes")
    expect(row(hands, name)).to_contain_text("public.*")
    wait_until(lambda: publishes(site, secret, "forum.1") == 403, "the old scope to end")
    assert publishes(site, secret, "public.x") == 200
    assert "forum.* → public.*" in site.noted("key.scopes", f"key:{name}")


@walk("/admin/keys/<key_id>/rotate", "/admin/keys/<key_id>/revoke")
def a_key_is_rotated_and_its_secrets_revoked(hands: Hands, site: Site) -> None:
    name = site.fresh("turned")
    first = key(site, name)
    hands.menu("Keys")
    hands.push(f"Rotate {name}")
    hands.to("The present secret goes on for")
    hands.page.keyboard.type("1 hour")
    hands.push("Make a new secret")
    hands.reads(f"The new secret of {name} is ready")
    second = hands.page.get_by_label("Secret").input_value()
    assert [publishes(site, secret, "forum.1") for secret in (first, second)] == [200, 200]
    hands.push("I have it, back to the keys")
    expect(row(hands, name).filter(has_text="old secret")).to_have_count(1)
    hands.push(f"Revoke {name}, old secret {first[:10]}")
    hands.push("Revoke")
    hands.told(f"The old secret of the key {name} is revoked")
    hands.push(f"Revoke {name}")
    hands.push("Revoke")
    hands.told(f"The key {name} is revoked")
    expect(row(hands, name).filter(has_text="revoked")).to_have_count(2)
    assert second[:10] in site.noted("key.rotate", f"key:{name}")
    assert second[:10] in site.noted("key.revoke", f"key:{name}")
    for secret in (first, second):
        wait_until(lambda secret=secret: publishes(site, secret, "forum.1") == 401, "the secret to end")


@walk("/admin/apps/", "/admin/apps/create")
def an_app_is_made(hands: Hands, site: Site) -> None:
    name = site.fresh("shop")
    hands.menu("Apps")
    hands.write("Name", name)
    hands.press("It has an id, a key or a secret already")
    hands.write("Key", "a b")
    hands.push("Make app")
    expect(hands.page.get_by_label("Key")).to_be_focused()
    hands.page.keyboard.press("ControlOrMeta+A")
    hands.page.keyboard.press("Delete")
    hands.push("Make app")
    hands.reads(f"The app {name} is ready")
    secret = hands.page.get_by_label("Secret").input_value()
    hands.push("I have it, back to the apps")
    expect(row(hands, name)).to_contain_text("enabled")
    assert secret not in hands.page.content()
    assert "id " in site.noted("app.create", f"app:{name}")


@walk("/admin/apps/<app_id>/rotate", "/admin/apps/<app_id>/finish")
def an_app_gets_another_key_and_loses_the_old_one(hands: Hands, site: Site) -> None:
    name = site.fresh("turning")
    app(site, name)
    hands.menu("Apps")
    [old] = row(hands, name).locator("li").all_inner_texts()
    hands.push(f"Rotate {name}")
    hands.push("Make a new key")
    hands.reads(f"The new key of {name} is ready")
    hands.push("I have it, back to the apps")
    expect(row(hands, name).locator("li")).to_have_count(2)
    hands.push(f"End old keys of {name}")
    hands.push("End the old keys")
    hands.told(f"The app {name} has its newest key only")
    expect(row(hands, name).locator("li")).to_have_count(1)
    expect(row(hands, name)).not_to_contain_text(old)
    assert site.noted("app.rotate", f"app:{name}")
    assert "only" in site.noted("app.rotate_finish", f"app:{name}")


@walk("/admin/apps/<app_id>/disable", "/admin/apps/<app_id>/enable", "/admin/apps/<app_id>/delete")
def an_app_is_switched_off_and_on_and_deleted(hands: Hands, site: Site) -> None:
    name = site.fresh("seasonal")
    app(site, name)
    hands.menu("Apps")
    for act, state in (("Disable", "disabled"), ("Enable", "enabled")):
        hands.push(f"{act} {name}")
        hands.push(act)
        hands.told(f"The app {name} is {state}")
        expect(row(hands, name)).to_contain_text(state)
        assert site.noted(f"app.{act.lower()}", f"app:{name}")
    hands.push(f"Delete {name}")
    hands.push("Delete")
    hands.told(f"The app {name} is deleted")
    expect(row(hands, name)).to_have_count(0)
    assert site.noted("app.delete", f"app:{name}")
