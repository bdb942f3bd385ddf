"""Channels that only Laravel knows: who is asked, who joins, and what an outage of it changes."""

import pytest

from mechamap.auth.channel_authorization import ChannelAuthorization
from mechamap.domain.access import Decision
from mechamap.domain.credentials import Credentials
from mechamap.domain.errors import Forbidden, InvalidChannel, Unavailable
from mechamap.domain.identity import UserFacts
from mechamap.domain.recovery import Returning
from mechamap.domain.rules import Policy

NAME = "private-App.Models.Order.5"


class LaravelByHand:
    """Lets in whom a test names; remembers what it was asked."""

    def __init__(self):
        self.allowed = {7}
        self.asked = []
        self.away = False

    def decide(self, identity, channel, credentials):
        assert credentials.sid
        self.asked.append((identity.user_id, channel.name))
        if self.away:
            raise Unavailable("Laravel does not answer.", code="laravel_unavailable")
        yes = identity.user_id in self.allowed
        return Decision(yes, "Laravel decides", "Laravel decided.", "allowed" if yes else "laravel_refused")


@pytest.fixture
def laravel():
    return LaravelByHand()


def site_of(build, laravel, **chain):
    ways = ChannelAuthorization([laravel], **{"by_rules": True, "again": laravel, **chain})
    return build(policy=Policy(site_channels=True), site=ways)


@pytest.fixture
def site(build, laravel):
    return site_of(build, laravel)


def join(world, sid, name):
    return world.hub.subscribe(sid, name, credentials=Credentials(sid))


def test_laravel_decides_about_guarded_names(site, laravel):
    site.connect("a")
    site.connect("b", 8)
    assert join(site, "a", NAME).channel.canonical == f"site:{NAME}"
    with pytest.raises(Forbidden) as refusal:
        join(site, "b", NAME)
    assert refusal.value.code == "laravel_refused"
    assert laravel.asked == [(7, NAME), (8, NAME)]
    assert site.hub.unsubscribe("a", NAME).name == NAME
    assert site.broker.channels() == {"user:7": 1, "user:8": 1}


def test_open_names_are_for_everyone_and_our_own_are_judged_by_us_alone(site, laravel):
    site.connect("a", 8)
    site.hub.subscribe("a", "orders.5")
    for name, code in (("private-user.7", "not_owner"), ("admin.x", "role_too_low")):
        with pytest.raises(Forbidden) as refusal:
            site.hub.subscribe("a", name)
        assert refusal.value.code == code
    with pytest.raises(InvalidChannel):
        site.hub.subscribe("a", "private-user.7abc")
    assert laravel.asked == []


def test_a_presence_channel_of_a_site_has_members(site):
    site.connect("a")
    join(site, "a", "presence-room@1")
    [args] = [args for event, args in site.transport.sent["a"] if event == "presence:subscribed"]
    assert (args[0], [member["user_id"] for member in args[1]]) == ("presence-room@1", [7])


def test_without_someone_to_ask_guarded_names_are_refused(build):
    world = build(policy=Policy(site_channels=True))
    world.connect("a", 1)
    with pytest.raises(Forbidden) as refusal:
        world.hub.subscribe("a", NAME)
    assert refusal.value.code == "authorizer_missing"


def test_where_the_site_has_no_channels_of_its_own_they_do_not_exist(build, laravel):
    world = build()
    world.connect("a")
    for name in (NAME, "orders.5"):
        with pytest.raises(InvalidChannel) as refusal:
            world.hub.subscribe("a", name)
        assert refusal.value.code == "channel_unknown"
    assert laravel.asked == []


def test_without_credentials_nobody_is_asked(site, laravel):
    site.connect("a")
    with pytest.raises(Forbidden) as refusal:
        site.hub.subscribe("a", NAME)
    assert refusal.value.code == "auth_no_credentials"
    assert laravel.asked == []


def test_an_outage_of_laravel_lets_nobody_in_and_may_end(site, laravel):
    site.connect("a")
    laravel.away = True
    with pytest.raises(Unavailable) as refusal:
        join(site, "a", NAME)
    assert refusal.value.code == "laravel_unavailable"
    assert site.broker.channels() == {"user:7": 1}
    laravel.away = False
    join(site, "a", NAME)


def test_laravel_is_not_asked_about_somebody_who_was_banned_meanwhile(site, laravel):
    site.connect("a")
    site.facts.people[7] = UserFacts(7, "User 7", "member", banned=True)
    with pytest.raises(Forbidden) as refusal:
        join(site, "a", NAME)
    assert refusal.value.code == "user_banned"
    assert laravel.asked == []


def test_a_connection_that_left_while_laravel_was_asked_has_nothing(site, laravel):
    site.connect("a")
    decide = laravel.decide

    def slowly(identity, channel, credentials):
        site.hub.disconnect("a", "transport_close")
        return decide(identity, channel, credentials)

    laravel.decide = slowly
    with pytest.raises(Exception, match="not signed in"):
        join(site, "a", NAME)
    assert site.broker.channels() == {}


def test_what_a_live_connection_has_is_not_asked_about_again(site, laravel):
    site.connect("a")
    join(site, "a", NAME)
    laravel.allowed.clear()
    laravel.asked.clear()
    site.rechecks.everyone()
    assert laravel.asked == []
    assert site.hub.connections.get("a").spellings == ("private-user.7", NAME)


def returns(world, *names):
    """A connection in these channels that lost the network; a call brings it back."""
    connection = world.connect("old")
    for name in names:
        join(world, "old", name)
    returning = Returning(connection.pid, world.broker.position(""))
    world.transport.close("old", "transport_close")
    world.hub.disconnect("old", "transport_close")
    return lambda credentials: world.arrive("new", returning=returning, credentials=credentials)


def test_at_a_return_laravel_is_asked_again(site, laravel):
    come_back = returns(site, NAME, "private-b")
    laravel.asked.clear()
    decide = laravel.decide
    laravel.decide = lambda i, c, cr: (
        decide(i, c, cr) if c.name == NAME else Decision(False, "Laravel decides", "No.", "auth_denied_403")
    )
    admission = come_back(Credentials("new"))
    assert admission.recovered
    assert admission.connection.spellings == ("private-user.7", NAME)
    assert [(c.name, d.code) for c, d in admission.claim.refused] == [("private-b", "auth_denied_403")]


def test_a_return_without_credentials_loses_what_laravel_decides(site, laravel):
    admission = returns(site, NAME)(None)
    assert admission.recovered
    assert [d.code for _, d in admission.claim.refused] == ["auth_no_credentials"]


def test_a_return_waits_for_a_laravel_that_is_away(site, laravel):
    come_back = returns(site, NAME)
    laravel.away = True
    with pytest.raises(Unavailable):
        come_back(Credentials("new"))
    laravel.away = False
    assert come_back(Credentials("new")).connection.spellings == ("private-user.7", NAME)


def test_where_signatures_count_a_return_keeps_what_was_authorised(build, laravel):
    only_signed = site_of(build, laravel, again=None, signed=True)
    assert returns(only_signed, NAME)(Credentials("new")).connection.spellings == ("private-user.7", NAME)
    world = site_of(build, laravel, signed=True)
    for given in (None, Credentials("new"), Credentials("new", headers={"X-CSRF-TOKEN": "x"})):
        come_back = returns(world, NAME)
        laravel.asked.clear()
        assert come_back(given).connection.spellings == ("private-user.7", NAME)
        assert laravel.asked == []
        world.hub.disconnect("new", "client_disconnect")
    come_back = returns(world, NAME)
    laravel.allowed.clear()
    assert come_back(Credentials("new", headers={"Cookie": "x"})).connection.spellings == ("private-user.7",)


def test_without_our_rules_laravel_judges_our_channels_in_every_spelling(build, laravel):
    world = site_of(build, laravel, by_rules=False)
    world.connect("a", 8)
    for name in ("private-user.7", "forum.1", "thread.10", "presence-thread.10", "admin.x", "seller.5"):
        with pytest.raises(Forbidden) as refusal:
            join(world, "a", name)
        assert refusal.value.code == "laravel_refused"
    assert len(laravel.asked) == 6
    laravel.asked.clear()
    for name in ("public.news", "private-user.8"):
        join(world, "a", name)
    for name in ("system.x", "notifications.role.admin"):
        with pytest.raises(Forbidden):
            join(world, "a", name)
    assert laravel.asked == []
