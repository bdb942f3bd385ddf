"""May this user join that channel: the verdict with what it rests on."""

import pytest

from mechamap.domain.channels import parse_channel, parse_channel_of_site
from mechamap.domain.errors import DirectoryUnavailable
from mechamap.domain.roles import Ladder
from mechamap.hub.access import Judge
from mechamap.hub.joining import JoinExplaining

from .test_site_channels import NAME, LaravelByHand, site_of


class Users:
    """The facts of a world, with or without a table of users."""

    def __init__(self, facts, known=True):
        self._facts = facts
        self._known = known

    def __getattr__(self, name):
        return getattr(self._facts, name)

    def knows_users(self):
        return self._known


def explaining(world, known=True):
    judge = Judge(world.facts, world.policy, world.site)
    return JoinExplaining(judge, Users(world.facts, known), Ladder(), 5.0)


def test_the_rule_and_the_facts_are_shown(world):
    told = explaining(world).explain(7, parse_channel("presence-thread.11"))
    assert (told.decision.allowed, told.decision.code) == (False, "thread_hidden")
    assert told.decided_by == "rules"
    assert (told.level, told.fresh) == ("member", 5.0)
    assert told.facts["thread"]["hidden"] is True
    assert told.facts["forum"]["forum_id"] == 1
    assert "moderators excepted" in told.decision.rule


def test_nobody_and_no_table(world):
    assert explaining(world).explain(99, parse_channel("public.x")).decision.code == "user_unknown"
    told = explaining(world, known=False).explain(99, parse_channel("forum.1"))
    assert (told.known, told.user, told.level) == (False, None, "guest")


def test_facts_that_are_away_are_no_verdict(world):
    world.facts.away = True
    with pytest.raises(DirectoryUnavailable):
        explaining(world).explain(7, parse_channel("forum.1"))


def test_laravel_is_asked_only_with_the_users_own_token(build):
    laravel = LaravelByHand()
    world = site_of(build, laravel)
    channel = parse_channel_of_site(NAME)
    told = explaining(world).explain(7, channel)
    assert (told.decided_by, told.asked, told.decision.code) == ("laravel", False, "auth_no_credentials")
    assert laravel.asked == []
    told = explaining(world).explain(7, channel, "Bearer x", "203.0.113.9")
    assert (told.asked, told.decision.allowed) == (True, True)
    assert laravel.asked == [(7, NAME)]
