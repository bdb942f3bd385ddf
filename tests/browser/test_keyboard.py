"""The console without a mouse: every page and every act of docs/CONSOLE.md, on a desktop and on a phone in
turn."""

from itertools import cycle

import pytest

from tests.services.browser import DESKTOP, PHONE

from .addresses import documented
from .hands import Hands
from .looking import only_refusals
from .place import Operator, Place
from .walks import WALKS, Site, Walk

READ_BY_PAGES = {"/admin/live.json"}
VIEWS = {
    "desktop": {"viewport": DESKTOP, "color_scheme": "light"},
    "phone": {"viewport": PHONE, "color_scheme": "dark", "has_touch": True},
}
AUDITOR = "eve@mechamap.test"


@pytest.fixture(scope="module")
def place(serve_module, seeded, laravel) -> Place:
    more = {"CHANNEL_AUTH": "rules,laravel", "LARAVEL_AUTH_URL": f"{laravel.url}/broadcasting/auth"}
    return seeded.place(serve_module, RATE_LIMITS="off", **more)


@pytest.fixture(scope="module")
def other(place) -> Operator:
    place.sql("UPDATE users SET role = 'super_admin', banned_at = NULL WHERE id = 5")
    return place.operator(AUDITOR)


@pytest.mark.parametrize(
    ("walk", "view"),
    list(zip(WALKS, cycle(VIEWS), strict=False)),
    ids=lambda each: each if isinstance(each, str) else each.go.__name__,
)
def test_it_is_done_by_the_keyboard_alone(walk: Walk, view, place, demo, console, other, page_errors):
    hands = Hands(console(**VIEWS[view]))
    walk.go(hands, Site(place, demo, other, place.token(2)))
    assert walk.left_out(hands.went) == []
    only_refusals(page_errors)


def test_every_address_of_the_document_is_walked_to():
    walked = {address for walk in WALKS for address in walk.addresses}
    assert documented().keys() - READ_BY_PAGES == walked


def test_a_walk_that_does_not_act_is_found_out():
    walk = Walk(lambda hands, site: None, ("/admin/keys/", "/admin/keys/<key_id>/rotate"))
    went = [("GET", "/admin/keys/"), ("GET", "/admin/keys/1/rotate"), ("POST", "/admin/keys/1/revoke")]
    assert walk.left_out(went) == ["/admin/keys/<key_id>/rotate"]
    assert walk.left_out([*went, ("POST", "/admin/keys/1/rotate")]) == []
