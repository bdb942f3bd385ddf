"""How many connections each role may have, and which of too many go."""

import random

import pytest

from mechamap.domain.connection_limit import ConnectionLimits, Excess, Standing, excess
from mechamap.domain.roles import Ladder, Level


def standing(sid: str, *, age: float = 100.0, idle: float | None = None, answers=True, session=None):
    return Standing(sid, age, age if idle is None else idle, answers, session or f"session of {sid}")


@pytest.mark.parametrize(
    ("role", "limit"),
    [
        ("guest", 2),
        ("member", 5),
        ("senior_member", 5),
        ("supplier", 10),
        ("manufacturer", 10),
        ("brand", 10),
        ("verified_partner", 10),
        ("moderator", 20),
        ("marketplace_moderator", 20),
        ("content_admin", 20),
        ("super_admin", 20),
        ("wizard", 5),
        ("", 5),
        (None, 5),
    ],
)
def test_the_application_s_roles_have_its_limits(role, limit):
    assert ConnectionLimits().of(role) == limit


def test_single_roles_have_numbers_of_their_own():
    limits = ConnectionLimits(6, {"guest": 4, "brand": 3, "robot": 0})
    assert [limits.of(role) for role in ("guest", "brand", "robot", "member")] == [4, 3, None, 6]


def test_the_general_limit_raises_those_with_more_and_lowers_guests():
    assert [ConnectionLimits(50).of(r) for r in ("guest", "member", "brand", "admin")] == [2, 50, 50, 50]
    assert [ConnectionLimits(1).of(r) for r in ("guest", "member", "brand", "admin")] == [1, 1, 10, 20]


def test_a_role_of_the_site_s_own_is_staff_by_its_level():
    ladder = Ladder().extended({"helper": Level.MODERATOR, "visitor": Level.GUEST})
    limits = ConnectionLimits(ladder=ladder)
    assert (limits.of("helper"), limits.of("visitor")) == (20, 2)


def test_nobody_is_limited_when_it_is_off():
    limits = ConnectionLimits(0)
    assert limits.off
    assert [limits.of(role) for role in ("guest", "member", None)] == [None, None, None]


def test_nothing_goes_within_the_limit():
    assert excess([standing("a"), standing("b")], 2) == Excess()
    assert excess([], 1) == Excess()


def test_the_one_that_was_idle_the_longest_goes():
    tabs = [standing("a", age=100, idle=5), standing("b", age=90), standing("c", age=80, idle=1)]
    assert excess(tabs, 2) == Excess(living=("b",))
    assert excess(tabs, 1) == Excess(living=("b", "a"))


def test_of_two_that_were_idle_as_long_the_older_goes():
    tabs = [standing("a", age=50, idle=9), standing("b", age=90, idle=9), standing("c", age=1)]
    assert excess(tabs, 2).living == ("b",)


def test_the_newest_stays_however_busy_the_others_are():
    tabs = [standing("a", idle=0), standing("b", idle=0.1), standing("new", age=2, idle=2)]
    assert excess(tabs, 2).living == ("b",)
    assert excess([*tabs[:2], standing("new", age=2, answers=False)], 2) == Excess(living=("b",))


def test_one_whose_browser_does_not_answer_goes_before_any_that_does():
    tabs = [standing("a", age=1000), standing("b", age=3, answers=False), standing("c", age=2)]
    assert excess(tabs, 2) == Excess(gone=("b",))
    assert excess(tabs, 1) == Excess(gone=("b",), living=("a",))


def test_the_older_connection_of_a_session_goes_before_the_tabs():
    tabs = [
        standing("tab", age=1000),
        standing("old", age=20, session="page"),
        standing("new", age=1, session="page"),
    ]
    assert excess(tabs, 2) == Excess(gone=("old",))


def test_a_connection_that_was_told_twice_counts_once():
    assert excess([standing("a"), standing("a"), standing("b", age=1)], 2) == Excess()


def test_exactly_the_surplus_goes_in_one_order_for_all_who_ask():
    dice = random.Random(5)
    for _ in range(200):
        tabs = [
            standing(
                str(n),
                age=dice.choice([1, 5, 9]),
                idle=dice.choice([0, 1, 5]),
                answers=dice.random() < 0.7,
                session=dice.choice([None, "x", "y"]),
            )
            for n in range(dice.randrange(1, 12))
        ]
        limit = dice.randrange(1, 6)
        found = excess(tabs, limit)
        assert len(found.sids) == len(set(found.sids)) == max(0, len(tabs) - limit)
        dice.shuffle(tabs)
        assert excess(tabs, limit) == found
        assert excess(tabs, limit + 1).sids == found.sids[: max(0, len(tabs) - limit - 1)]
