"""The live console's tap: nothing while nobody watches; filters, bounds and what was skipped while somebody
does."""

import pytest

from mechamap.broker.inquiries import LocalInquiries
from mechamap.domain.channels import parse_channel
from mechamap.domain.errors import Forbidden, InvalidField, Unavailable
from mechamap.domain.payloads import payload_of
from mechamap.domain.publication import Publication
from mechamap.hub.inquiries import Inquiries
from mechamap.hub.publishing import Publisher
from mechamap.hub.tap import BURST, GIVEN, KEPT, LEASE, MOST_CONSOLES, Filter, Kind, Tap
from mechamap.hub.watching import Watching, new_console
from mechamap.presence.protocol import WorkerRecord

EVERYTHING = Filter()


@pytest.fixture
def tap(clock) -> Tap:
    return Tap(clock=clock)


def test_nobody_watches_until_one_asks_and_after_its_lease(tap, clock):
    assert not tap.on
    tap.watch("c", EVERYTHING, None)
    assert tap.on
    clock.now += LEASE + 1
    tap.note(Kind.CONNECT, user_id=7)
    assert not tap.on
    assert tap._consoles == {}


def test_records_are_told_again_until_they_are_asked_after(tap):
    start = tap.watch("c", EVERYTHING, None)
    tap.note(Kind.CONNECT, user_id=7, sid="a")
    tap.note(Kind.KICK, user_id=7, sid="a", code="operator")
    for _ in range(2):
        seen = tap.watch("c", EVERYTHING, start.next)
        assert [record["kind"] for record in seen.records] == ["connect", "kick"]
    assert tap.watch("c", EVERYTHING, seen.next).records == []
    assert tap.watch("c", EVERYTHING, seen.next).next == seen.next


def test_numbers_go_on_for_a_console_that_was_forgotten(tap, clock):
    tap.watch("c", EVERYTHING, None)
    clock.now += LEASE + 1
    tap.note(Kind.CONNECT)
    assert tap.watch("c", EVERYTHING, 57).next == 57
    tap.note(Kind.CONNECT)
    assert [record["n"] for record in tap.watch("c", EVERYTHING, 57).records] == [58]


@pytest.mark.parametrize(
    ("wants", "seen"),
    [
        (Filter(), ["a", "b", "c", "d"]),
        (Filter(kinds=("refusal",)), ["b"]),
        (Filter(user_id=7), ["a", "d"]),
        (Filter(canonical="thread:7"), ["a"]),
        (Filter(channel="presence-thread.7"), ["a", "b"]),
        (Filter(event="sent"), ["d"]),
        (Filter(code="role"), ["b"]),
        (Filter(user_id=7, event="sent"), ["d"]),
    ],
    ids=str,
)
def test_a_console_gets_what_it_wants(tap, wants, seen):
    tap.watch("c", wants, None)
    tap.note(Kind.SUBSCRIBE, user_id=7, sid="a", channels=("thread:7",))
    tap.note(Kind.REFUSAL, user_id=8, sid="b", channels=("thread:71",), code="role_too_low")
    tap.note(Kind.DISCONNECT, user_id=8, sid="c", code="ping_timeout")
    tap.note(Kind.EVENT, sid="d", channels=("user:7",), event="notification.sent", code="accepted")
    assert [record["sid"] for record in tap.watch("c", wants, 0).records] == seen


def test_a_flood_is_skipped_with_a_count(tap, clock):
    tap.watch("c", EVERYTHING, None)
    for _ in range(10_000):
        tap.note(Kind.EVENT, event="flood")
    first = tap.watch("c", EVERYTHING, 0)
    assert len(first.records) == GIVEN
    assert first.skipped == 10_000 - BURST
    rest = tap.watch("c", EVERYTHING, first.next)
    assert (len(rest.records), rest.skipped) == (BURST - GIVEN, 0)
    for _ in range(30):  # a page that stopped asking for a while
        clock.now += 0.4
        for _ in range(100):
            tap.note(Kind.EVENT, event="steady")
    assert len(tap._consoles["c"].records) == KEPT


def test_the_number_of_consoles_is_bounded(tap):
    for number in range(MOST_CONSOLES):
        tap.watch(f"c{number}", EVERYTHING, None)
    with pytest.raises(Unavailable) as refusal:
        tap.watch("one more", EVERYTHING, None)
    assert refusal.value.code == "too_many_consoles"


def test_an_event_to_a_hundred_channels_is_a_short_record(tap):
    tap.watch("c", EVERYTHING, None)
    tap.note(Kind.EVENT, channels=tuple(f"user:{number}" for number in range(100)))
    (record,) = tap.watch("c", EVERYTHING, 0).records
    assert record["channels"] == [f"private-user.{number}" for number in range(4)]
    assert record["others"] == 96


@pytest.fixture
def watching(world):
    """A world that is watched, and what is seen since the last look."""
    world.roster.workers = lambda: [WorkerRecord("w1", 3, 1, "here", 0.0, 0, 0)]
    link = LocalInquiries("w1")
    inquiries = Inquiries(link, world.roster)
    link.start(inquiries.answer)
    made = Watching(inquiries)
    made.answer_with(world.hub.journal.tap, "w1")
    return made


def test_what_happens_to_a_user_is_seen_with_its_reasons_and_no_payload(world, watching):
    console = new_console()
    seen = watching.see(console, EVERYTHING, {})
    world.connect("a")
    world.hub.subscribe("a", "public.news")
    publisher = Publisher(world.broker, world.meter, 65_536, tap=world.hub.journal.tap)
    publisher._broker.publish  # noqa: B018
    from mechamap.auth.protocol import BroadcastKey

    publisher.publish(
        BroadcastKey("laravel"),
        Publication((parse_channel("public.news"),), "said", payload_of({"secret": "cake"}), origin="key:l"),
    )
    world.hub.unsubscribe("a", "public.news")
    world.hub.close(world.hub.connections.get("a"), "operator", "Go.")
    seen = watching.see(console, EVERYTHING, seen.cursors)
    told = [(r["kind"], r.get("code"), r.get("subscribers", r.get("connections"))) for r in seen.records]
    assert told == [
        ("connect", "new", None),
        ("subscribe", "allowed", None),
        ("subscribe", "allowed", None),
        ("delivery", None, 1),
        ("event", "accepted", 1),
        ("unsubscribe", "unsubscribed", None),
        ("kick", "operator", None),
    ]
    assert "cake" not in repr(seen)
    assert {record["worker"] for record in seen.records} == {"w1"}
    assert watching.see(console, EVERYTHING, seen.cursors).records == []


def test_refused_publications_are_seen(world, watching):
    console = new_console()
    watching.see(console, EVERYTHING, {})
    from mechamap.auth.protocol import BroadcastKey

    publisher = Publisher(world.broker, world.meter, 65_536, tap=world.hub.journal.tap)
    world.broker.stop()
    with pytest.raises(Unavailable):
        publisher.publish(
            BroadcastKey("laravel"), Publication((parse_channel("public.news"),), "said", b"null")
        )
    (record,) = watching.see(console, EVERYTHING, {"w1": 0}).records
    assert (record["kind"], record["code"]) == ("refusal", "broker_unavailable")


def test_nothing_is_kept_of_what_happens_unwatched(world):
    world.connect("a")
    with pytest.raises(Forbidden):
        world.hub.subscribe("a", "private-user.8")
    assert world.hub.journal.tap._consoles == {}


def test_only_a_console_of_ours_is_asked_for(watching):
    with pytest.raises(InvalidField):
        watching.see("x", EVERYTHING, {})
