"""The ladder: the plan's six levels and the application's own role names on it."""

import pytest

from mechamap.domain.roles import Ladder, Level, level_named

REAL_ROLES = {
    "super_admin": 6,
    "system_admin": 5,
    "content_admin": 5,
    "content_moderator": 4,
    "marketplace_moderator": 4,
    "community_moderator": 4,
    "senior_member": 3,
    "member": 2,
    "verified_partner": 2,
    "manufacturer": 2,
    "supplier": 2,
    "brand": 2,
    "guest": 1,
}


@pytest.mark.parametrize(("role", "level"), REAL_ROLES.items())
def test_each_role_of_the_application_has_its_place(role, level):
    assert Ladder().level(role) == level


def test_the_plans_six_are_in_its_order():
    plan = ["guest", "member", "senior_member", "moderator", "admin", "super_admin"]
    assert [Ladder().level(role) for role in plan] == [1, 2, 3, 4, 5, 6]


def test_an_unknown_role_has_no_level_and_no_role_is_a_guest():
    assert Ladder().level("wizard") is None
    assert Ladder().level(None) == Level.GUEST
    assert Ladder().level("") == Level.GUEST


def test_extending_leaves_the_original_alone():
    ladder = Ladder()
    assert ladder.extended({"wizard": Level.ADMIN}).level("wizard") == Level.ADMIN
    assert ladder.level("wizard") is None


def test_levels_are_found_by_their_printed_name():
    assert all(level_named(level.label) is level for level in Level)
    assert level_named("wizard") is None
