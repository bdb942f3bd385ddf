"""Searching connections and looking at one: what a worker answers, merged over several."""

from dataclasses import replace

import pytest

from mechamap.broker.inquiries import LocalInquiries
from mechamap.domain.dialects import Dialect
from mechamap.domain.errors import InvalidField, NotFound
from mechamap.domain.identity import Identity, TokenKind
from mechamap.domain.searching import Order, Place, Search, read_place, read_search, shown_place
from mechamap.hub.inquiries import Inquiries
from mechamap.hub.inspections import Inspections
from mechamap.hub.protocol import Buffered
from mechamap.hub.seeing import Seeing
from tests.contract.conftest import describe


class Queues:
    """The bytes that wait for each connection."""

    def __init__(self) -> None:
        self.bytes: dict[str, int] = {}

    def buffered(self, sid):
        return Buffered("polling" if sid == "1.3" else "websocket", self.bytes.get(sid, 0), 1)


@pytest.fixture
def queues():
    return Queues()


@pytest.fixture
def look(world, queues):
    """Inspections of a world of one worker with four connections."""
    link = LocalInquiries("w1")
    inquiries = Inquiries(link, world.roster)
    seeing = Seeing(world.hub.connections, queues, sleep=lambda seconds: None, clock=lambda: world.now)
    seeing.register(inquiries)
    link.start(inquiries.answer)
    world.roster.start(lambda: describe("w1"))
    for number, (user_id, token) in enumerate(
        ((7, "a" * 16), (8, "b" * 16), (1, "c" * 16), (7, "d" * 16)), 1
    ):
        identity = Identity(user_id, "member", f"User {user_id}", TokenKind.JWT, None, token)
        dialect = Dialect.ECHO if number == 2 else Dialect.PLAN
        about = {"transport": "polling" if number == 3 else "websocket", "user_agent": "agent \ud800"}
        address = f"203.0.113.{number}"
        admission = world.hub.connect(
            f"1.{number}",
            identity,
            world.facts.people[user_id],
            None,
            address=address,
            dialect=dialect,
            **about,
        )
        world.hub.join(admission)
        world.now += 10
    world.hub.subscribe("1.1", "thread.10")
    return Inspections(world.broker, world.roster, inquiries)


def sids(found) -> list[str]:
    return [row.sid for row in found.rows]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, "4321"),
        ({"q": "7"}, "41"),
        ({"q": "user 8"}, "2"),
        ({"q": "thread.1"}, "1"),
        ({"q": "super"}, "3"),
        ({"q": "nobody"}, ""),
        ({"q": "1.3"}, "3"),
        ({"address": "113.2"}, "2"),
        ({"channel": "thread:10"}, "1"),
        ({"channel": "user.7"}, "41"),
        ({"transport": "polling"}, "3"),
        ({"dialect": "echo"}, "2"),
        ({"kind": "sanctum"}, ""),
        ({"age": "25"}, "21"),
        ({"queue": "500"}, "21"),
        ({"order": "oldest"}, "1234"),
        ({"order": "queue"}, "2143"),
        ({"user_id": "7", "order": "oldest"}, "14"),
        ({"worker": "w1"}, "4321"),
        ({"worker": "w2"}, ""),
    ],
    ids=str,
)
def test_connections_are_found_by_what_they_are(look, queues, asked, found):
    queues.bytes = {"1.1": 600, "1.2": 900}
    result = look.find(read_search(asked))
    assert sids(result) == [f"1.{number}" for number in found]
    assert result.matches == len(found)
    assert result.after is None


def test_a_search_by_token_finds_what_came_with_it(look):
    assert sids(look.find(Search(token="b" * 16))) == ["1.2"]


@pytest.mark.parametrize("order", list(Order))
def test_pages_hold_everything_once_in_order(look, queues, order):
    queues.bytes = {"1.1": 600}
    search, pages = Search(order=order, limit=1), []
    while True:
        found = look.find(search)
        assert found.matches == 4
        pages += sids(found)
        if found.after is None:
            break
        search = replace(search, after=read_place(shown_place(found.after)))
    assert pages == sids(look.find(Search(order=order)))
    assert sorted(pages) == ["1.1", "1.2", "1.3", "1.4"]


@pytest.mark.parametrize(
    "asked",
    [{"age": "-1"}, {"queue": "many"}, {"dialect": "x"}, {"order": "x"}, {"after": "x~1"}, {"after": "1~"}]
    + [{"q": "x" * 201}, {"kind": "x"}, {"after": "1.2.3~4.5"}],
    ids=str,
)
def test_what_cannot_be_meant_names_its_field(asked):
    with pytest.raises(InvalidField) as refusal:
        read_search(asked)
    assert refusal.value.field == next(iter(asked))


def test_places_survive_being_shown():
    place = Place(1_764_115_200.123456, "12.34567")
    assert read_place(shown_place(place)) == place


def test_one_connection_is_told_in_full(look, world, queues):
    queues.bytes = {"1.1": 600}
    seen = look.connection("1.1")
    assert (seen.record.user_id, seen.record.address) == (7, "203.0.113.1")
    assert (seen.full.token, seen.full.row.queued_bytes, seen.full.session) == ("a" * 16, 600, True)
    assert seen.full.row.user_agent == "agent ?"
    assert [(each.name, each.canonical, each.dialect) for each in seen.full.channels] == [
        ("private-user.7", "user:7", "plan"),
        ("thread.10", "thread:10", "plan"),
    ]
    assert all(each.joined_at >= seen.record.connected_at for each in seen.full.channels)


def test_its_last_events_are_those_it_was_to_be_sent(look, world):
    from tests.contract.recorder import event

    world.broker.publish(event("early", "thread.10"))
    world.hub.subscribe("1.4", "thread.10")
    for name, channels, but in (
        ("one", ("thread.10",), None),
        ("own", ("thread.10",), "1.4"),
        ("both", ("thread.10", "private-user.7"), None),
        ("other", ("private-user.8",), None),
    ):
        world.broker.publish(replace(event(name, *channels), except_id=but))
    events = look.connection("1.4").events
    assert [each.event for each in events] == ["both", "one"]
    assert [each.event for each in look.connection("1.1").events] == ["both", "own", "one", "early"]


def test_a_connection_that_ended_is_not_found(look, world):
    world.hub.disconnect("1.1", "gone")
    with pytest.raises(NotFound):
        look.connection("1.1")


def test_leaving_a_channel_keeps_the_times_of_the_others(world):
    connection = world.connect("1.9")
    for name in ("thread.10", "forum.1"):
        world.hub.subscribe("1.9", name)
    before = dict(zip(connection.canonicals, connection.joined_at, strict=True))
    world.hub.unsubscribe("1.9", "thread.10")
    after = dict(zip(connection.canonicals, connection.joined_at, strict=True))
    assert after == {name: at for name, at in before.items() if name != "thread:10"}


def test_the_reach_of_a_channel_is_told_by_dialect_and_transport(look, world):
    from mechamap.domain.channels import parse_channel

    for sid in ("1.2", "1.3"):
        world.hub.subscribe(sid, "forum.1", dialect=Dialect.ECHO if sid == "1.2" else None)
    reach = look.reach(parse_channel("forum.1"))
    assert (reach.workers, reach.connections, reach.users) == (1, 2, 2)
    assert reach.dialects == {"echo": 1, "plan": 1}
    assert reach.transports == {"websocket": 1, "polling": 1}


def test_a_channels_rate_counts_the_last_minute(look, world):
    from mechamap.domain.channels import parse_channel
    from tests.contract.recorder import event

    for at in (world.now - 90, world.now - 30, world.now - 1):
        publication = event("x", "forum.1")
        world.broker.publish(replace(publication, accepted_at=at))
    seen = look.channel(parse_channel("forum.1"), world.now)
    assert (seen.per_minute, seen.at_least, seen.log.events) == (2, False, 3)
    assert look.purge(parse_channel("forum.1")) == 3
    assert look.channel(parse_channel("forum.1"), world.now).events == ()
