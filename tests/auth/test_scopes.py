"""What a key's scopes reach."""

import pytest

from mechamap.auth.scopes import Kind, _meet, reach
from mechamap.domain.grammar import GRAMMAR


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("forum.*", "forum.*", True),
        ("forum.7", "forum.*", True),
        ("*", "forum.*", True),
        ("*.7", "forum.*", True),
        ("f*7", "forum.*", True),
        ("forum", "forum.*", False),
        ("forum.", "forum.*", True),
        ("forums.*", "forum.*", False),
        ("user.*.orders", "user.*.messages", False),
        ("user.*s", "user.*.messages", True),
        ("**", "notifications", True),
        ("notifications", "notifications", True),
        ("notification", "notifications", False),
        ("a*b*c", "*x*", True),
        ("abc", "a*", True),
        ("", "*", True),
        ("", "a", False),
    ],
)
def test_two_patterns_meet_where_some_name_matches_both(one, other, meet):
    assert _meet(one, other) is meet
    assert _meet(other, one) is meet


def test_scopes_reach_kinds_wholly_or_in_part_and_channels_that_exist_now():
    found = reach(["forum.*", "private-user.7", "nothing.*"], ["forum.1", "private-user.7", "private-user.8"])
    assert found.kinds == (Kind("forum.{id}", True), Kind("private-user.{id}", False))
    assert found.channels == ("forum.1", "private-user.7")
    assert found.idle == ("nothing.*",)


def test_no_scopes_reach_everything():
    found = reach([], ["forum.1", "site-channel"])
    assert {kind.shown for kind in found.kinds} <= {row.shown for row in GRAMMAR}
    assert len(found.kinds) == len({row.canonical for row in GRAMMAR})
    assert all(kind.whole for kind in found.kinds)
    assert found.channels == ("forum.1", "site-channel")


def test_another_spelling_reaches_nothing():
    """As keys are judged: by a channel's first spelling."""
    assert reach(["private-forum.*"], ["forum.1"]).idle == ("private-forum.*",)
