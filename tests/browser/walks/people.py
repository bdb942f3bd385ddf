"""Acts on sessions of the console."""

import re

from playwright.sync_api import expect

from ..hands import Hands
from . import Site, walk

VIEWER = "dung@mechamap.test"


@walk("/admin/people/", "/admin/people/end")
def sessions_of_somebody_else_are_ended(hands: Hands, site: Site) -> None:
    people = [site.place.operator(VIEWER) for _ in range(3)]
    hands.menu("People")
    hands.push(re.compile(r"End session \d+ of Dung"))
    hands.reads("End this session of Dung?")
    hands.push("End 1 session")
    hands.told("1 session of Dung ended.")
    assert sorted(each.get("/admin/rules/").status for each in people) == [200, 200, 302]
    hands.push("All sessions of Dung 4: end")
    hands.push("End 2 sessions")
    hands.told("2 sessions of Dung ended.")
    expect(hands.page.locator("tbody").first).not_to_contain_text("Dung")
    assert [each.get("/admin/rules/").status for each in people] == [302, 302, 302]
    assert "2 sessions ended" in site.noted("console.end_sessions", "user:4")


@walk("/admin/account/", "/admin/account/sign-out")
def one_signs_out_elsewhere_and_everywhere(hands: Hands, site: Site) -> None:
    elsewhere = site.place.operator()
    hands.menu("Anna administrator")
    hands.reads("Your sessions")
    hands.push(re.compile("Sign out there, unknown at .*"))  # the newest of them
    hands.told("1 session ended.")
    assert elsewhere.get("/admin/rules/").status == 302
    third = site.place.operator()
    hands.push("Sign out everywhere")
    hands.reads("Sign in")
    assert third.get("/admin/rules/").status == 302
    hands.page.goto(f"{site.place.url}/admin/")
    hands.reads("Sign in")
    assert "ended" in site.noted("console.signout", "user:1")
