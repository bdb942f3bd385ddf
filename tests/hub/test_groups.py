"""What pages of groups ask for, and of whom it is refused."""

import pytest

from mechamap.domain.channels import parse_channel
from mechamap.domain.errors import DirectoryUnavailable, Forbidden, InvalidChannel, NotFound, NotStored
from mechamap.domain.facts import ConversationFacts, MembershipFacts
from mechamap.domain.group_messages import GroupMessage
from mechamap.hub.access import Judge
from mechamap.hub.groups import Groups

MESSAGE = GroupMessage("m-1", "Hello", None)


class Sizes:
    """The sizes of groups."""

    def __init__(self) -> None:
        self.of = {5: 12}

    def count(self, group_id: int) -> int:
        return self.of.get(group_id, 0)


class Stored:
    """Stores what it is given."""

    def __init__(self) -> None:
        self.messages: list[tuple] = []

    def store(self, group_id, user_id, message):
        self.messages.append((group_id, user_id, message))
        return 900 + len(self.messages)


@pytest.fixture
def make(world):
    """Person 7 is in group 5; 8 is not."""
    world.facts.conversations[5] = ConversationFacts(5, group=True)
    world.facts.memberships[5, 7] = MembershipFacts(5, 7, group_member=True)
    world.connect("a", 7)
    world.connect("b", 8)

    def make(messages=None) -> Groups:
        return Groups(
            connections=world.hub.connections,
            broker=world.broker,
            judge=Judge(world.facts, world.policy),
            members=Sizes(),
            messages=messages,
            parse=parse_channel,
            clock=lambda: world.now,
        )

    return make


def test_members_are_laravels_and_those_online_are_counted(world, make):
    groups = make()
    found = groups.count("a", "group.5")
    assert (found.group_id, found.members, found.online) == (5, 12, 0)
    world.hub.subscribe("a", "private-group.5")
    assert groups.count("a", "group.5").online == 0  # of the same second
    world.now += 1
    assert groups.count("a", "group.5").online == 1


def test_those_who_ask_while_counts_are_read_do_not_read_them_too_and_get_none_that_are_old(world, make):
    groups, read = make(), []
    channels = world.broker.channels

    def slowly() -> dict[str, int]:
        read.append(1)
        if len(read) in (2, 3):
            found.append(groups.count("a", "group.5").online)
        return channels()

    found: list[int] = []
    world.broker.channels = slowly
    groups.count("a", "group.5")
    world.hub.subscribe("a", "group.5")
    world.now += 1
    assert (groups.count("a", "group.5").online, found, len(read)) == (1, [0], 2)
    world.hub.unsubscribe("a", "group.5")
    world.now += 60
    assert (groups.count("a", "group.5").online, found, len(read)) == (0, [0, 0], 4)


@pytest.mark.parametrize(
    ("sid", "name", "error", "code"),
    [
        ("b", "group.5", Forbidden, "not_a_group_member"),
        ("a", "group.6", Forbidden, "group_not_found"),
        ("a", "group.5x", InvalidChannel, "channel_unknown"),
        ("a", None, InvalidChannel, "channel_required"),
        ("gone", "group.5", NotFound, "not_connected"),
    ],
)
def test_who_may_not_be_in_the_group_is_told_nothing_and_stores_nothing(make, sid, name, error, code):
    stored = Stored()
    groups = make(stored)
    for ask in (groups.count, lambda sid, name: groups.post(sid, name, MESSAGE)):
        with pytest.raises(error) as refused:
            ask(sid, name)
        assert refused.value.code == code
    assert stored.messages == []


def test_without_the_directory_only_those_who_are_in_the_channel_are_known(world, make):
    groups = make()
    world.hub.subscribe("a", "group.5")
    world.facts.away = True
    assert groups.count("a", "group.5").members == 12
    with pytest.raises(DirectoryUnavailable):
        groups.count("b", "group.5")


def test_a_message_is_stored_in_the_senders_name(make):
    stored = Stored()
    assert make(stored).post("a", "group.5", MESSAGE) == (5, 901)
    assert stored.messages == [(5, 7, MESSAGE)]


def test_where_nobody_stores_messages_that_is_said(make):
    with pytest.raises(NotStored) as refused:
        make().post("a", "group.5", MESSAGE)
    assert (refused.value.code, refused.value.details()) == ("group_message_unsupported", {})
