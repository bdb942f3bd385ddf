"""Channels that only Laravel knows: who is asked, who joins, and what an outage of it changes."""

import pytest

from mechamap.domain.access import Decision, Policy
from mechamap.domain.errors import Forbidden, InvalidChannel, Unavailable

NAME = "private-App.Models.Order.5"


class LaravelByHand:
    """Lets in whom a test names; remembers what it was asked."""

    def __init__(self):
        self.allowed = {7}
        self.asked = []
        self.away = False

    def decide(self, identity, channel):
        self.asked.append((identity.user_id, channel.name))
        if self.away:
            raise Unavailable("Laravel does not answer.", code="laravel_unavailable")
        yes = identity.user_id in self.allowed
        return Decision(yes, "Laravel decides", "Laravel decided.", "allowed" if yes else "laravel_refused")


@pytest.fixture
def laravel():
    return LaravelByHand()


@pytest.fixture
def site(build, laravel):
    return build(policy=Policy(site_channels=True), site=laravel)


def test_laravel_decides_about_guarded_names(site, laravel):
    site.connect("a")
    site.connect("b", 8)
    assert site.hub.subscribe("a", NAME).channel.canonical == f"site:{NAME}"
    with pytest.raises(Forbidden) as refusal:
        site.hub.subscribe("b", NAME)
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
    site.hub.subscribe("a", "presence-room@1")
    [args] = [args for event, args in site.transport.sent["a"] if event == "presence:subscribed"]
    assert (args[0], [member["user_id"] for member in args[1]]) == ("presence-room@1", [7])


def test_without_someone_to_ask_guarded_names_are_refused(build):
    world = build(policy=Policy(site_channels=True))
    world.connect("a", 1)
    with pytest.raises(Forbidden) as refusal:
        world.hub.subscribe("a", NAME)
    assert refusal.value.code == "authorizer_missing"


def test_where_the_site_has_no_channels_of_its_own_they_do_not_exist(build, laravel):
    world = build(site=laravel)
    world.connect("a")
    for name in (NAME, "orders.5"):
        with pytest.raises(InvalidChannel) as refusal:
            world.hub.subscribe("a", name)
        assert refusal.value.code == "channel_unknown"
    assert laravel.asked == []


def test_a_recheck_asks_again_and_an_outage_takes_nothing(site, laravel):
    site.connect("a")
    for name in (NAME, "orders.5", "forum.1"):
        site.hub.subscribe("a", name)
    laravel.away = True
    site.rechecks.everyone()
    assert site.transport.events("a", "unsubscribed") == []
    laravel.away = False
    laravel.allowed.clear()
    site.rechecks.everyone()
    assert [told["code"] for told in site.transport.events("a", "unsubscribed")] == ["laravel_refused"]
    assert site.hub.connections.get("a").spellings == ("private-user.7", "orders.5", "forum.1")
