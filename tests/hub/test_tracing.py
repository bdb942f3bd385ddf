"""What is told afterwards of an event that reached a user, or did not."""

import pytest

from mechamap.broker.inquiries import LocalInquiries
from mechamap.domain.channels import parse_channel
from mechamap.domain.errors import Forbidden, InvalidField
from mechamap.domain.history import Position
from mechamap.domain.identity import UserFacts
from mechamap.domain.payloads import payload_of
from mechamap.domain.publication import Publication
from mechamap.domain.recovery import Returning
from mechamap.hub.event_search import Wanted
from mechamap.hub.explaining import Explaining
from mechamap.hub.inquiries import Inquiries
from mechamap.hub.protocol import Buffered
from mechamap.hub.tracing import Tracing
from mechamap.presence.protocol import WorkerRecord


class Told:
    """A world whose one worker explains what it did. ``waiting`` is set by the test."""

    def __init__(self, world) -> None:
        self.world = world
        self.waiting = Buffered("websocket", 0, 0)
        self.started_at = 0.0
        world.roster.workers = lambda: [WorkerRecord("w1", 1, 1, "here", self.started_at, 0, 0)]
        self.link = LocalInquiries("w1")
        inquiries = Inquiries(self.link, world.roster)
        self.link.start(inquiries.answer)
        hub = world.hub
        self.explaining = Explaining(world.broker, world.roster, inquiries, parse_channel)
        self.explaining.answer_with(Tracing(hub.connections, hub.journal, world.broker, self))

    def buffered(self, sid: str) -> Buffered:
        return self.waiting

    def publish(self, channel: str, except_id: str | None = None) -> Publication:
        sent = Publication(
            (parse_channel(channel),),
            "said",
            payload_of({"secret": "cake"}),
            except_id=except_id,
            accepted_at=self.world.now,
        )
        self.world.broker.publish(sent)
        return sent

    def delivery(self, event: Publication, user_id: int = 7):
        return self.explaining.delivery(user_id, Wanted(event.id, event.channels[0]))

    def outcomes(self, event: Publication, user_id: int = 7) -> dict[str, str]:
        told = self.delivery(event, user_id)
        return {at.trace.sid: at.trace.outcome.value for at in told.connections}

    def pass_heartbeats(self) -> None:
        """As long as it takes until what clients have is certain."""
        for _ in range(33):
            self.world.now += 4
            self.world.hub.confirm_received()


@pytest.fixture
def told(world) -> Told:
    return Told(world)


def test_an_event_is_written_and_received_once_a_heartbeat_was_answered(told):
    told.world.connect("a")
    event = told.publish("private-user.7")
    assert told.outcomes(event) == {"a": "written"}
    told.pass_heartbeats()
    told_now = told.delivery(event)
    assert (told_now.outcome, told_now.unknown) == ("received", ())
    assert told_now.event.origin == "server"
    assert told_now.event.size == len(event.payload)
    assert told_now.workers[0].traced.heard == {"user:7": True}


def test_the_answer_holds_nothing_of_the_payload(told):
    told.world.connect("a")
    assert "cake" not in repr(told.delivery(told.publish("private-user.7")))


def test_what_waits_for_a_client_is_told(told):
    told.world.connect("a")
    event = told.publish("private-user.7")
    told.waiting = Buffered("websocket", bytes=900, packets=3)
    (at,) = told.delivery(event).connections
    assert (at.trace.outcome, at.trace.frames, at.trace.bytes) == ("queued", 3, 900)


def test_each_connection_has_its_own_outcome_and_the_best_is_the_answer(told):
    told.world.connect("sender")
    told.world.connect("other")
    event = told.publish("private-user.7", except_id="sender")
    assert told.outcomes(event) == {"other": "written", "sender": "excluded"}
    assert told.delivery(event).outcome == "written"


@pytest.mark.parametrize(
    ("code", "outcome"),
    [("slow_consumer", "dropped"), ("ping_timeout", "unproven"), ("transport_close", "unproven")],
)
def test_a_connection_that_ended_behind_the_event(told, code, outcome):
    told.world.connect("a")
    event = told.publish("private-user.7")
    told.world.hub.disconnect("a", code)
    told_now = told.delivery(event)
    assert told_now.outcome == outcome
    assert told_now.connections[0].trace.code == code


def test_what_was_confirmed_before_the_end_was_received(told):
    told.world.connect("a")
    event = told.publish("private-user.7")
    told.pass_heartbeats()
    told.world.hub.disconnect("a", "slow_consumer")
    assert told.outcomes(event) == {"a": "received"}


def test_a_connection_that_had_ended_and_one_that_came_later(told):
    told.world.connect("before")
    told.world.hub.disconnect("before", "client_disconnect")
    event = told.publish("private-user.7")
    told.world.connect("after")
    assert told.outcomes(event) == {"before": "had_ended", "after": "came_later"}


def test_a_client_that_returned_got_it_as_something_missed(told):
    connection = told.world.connect("a")
    first = told.publish("private-user.7")
    told.world.hub.disconnect("a", "transport_close")
    missed = told.publish("private-user.7")
    told.world.connect("b", returning=Returning(connection.pid, Position(first.epoch, first.offset)))
    live = told.publish("private-user.7")
    assert told.outcomes(first) == {"a": "unproven", "b": "came_later"}
    assert told.outcomes(missed) == {"a": "had_ended", "b": "written"}
    by_sid = {at.trace.sid: at.trace for at in told.delivery(missed).connections}
    assert by_sid["b"].replayed
    assert not {at.trace.sid: at.trace for at in told.delivery(live).connections}["b"].replayed


def test_the_sender_is_left_out_at_its_return_too(told):
    connection = told.world.connect("a")
    first = told.publish("private-user.7")
    told.world.hub.disconnect("a", "transport_close")
    own = told.publish("private-user.7", except_id="a")
    told.world.connect("b", returning=Returning(connection.pid, Position(first.epoch, first.offset)))
    assert told.outcomes(own)["b"] == "excluded"


def test_why_a_connection_was_not_subscribed(told):
    world = told.world
    world.connect("never")
    world.connect("refused")
    with pytest.raises(Forbidden):
        world.hub.subscribe("refused", "forum.2")
    world.connect("left")
    world.facts.people[7] = UserFacts(7, "User 7", "senior_member")
    world.hub.subscribe("left", "forum.2")
    world.hub.unsubscribe("left", "forum.2")
    event = told.publish("forum.2")
    world.connect("late")
    world.hub.subscribe("never", "forum.2")
    traces = {at.trace.sid: at.trace for at in told.delivery(event).connections}
    assert {sid: (t.outcome.value, t.code) for sid, t in traces.items()} == {
        "never": ("not_subscribed", ""),
        "refused": ("not_subscribed", "role_too_low"),
        "left": ("not_subscribed", "unsubscribed"),
        "late": ("came_later", "new"),
    }
    assert traces["never"].reason == "It subscribed only behind the event."
    assert told.outcomes(told.publish("forum.2"))["never"] == "written"


def test_a_channel_that_was_taken_away(told):
    world = told.world
    world.facts.people[7] = UserFacts(7, "User 7", "senior_member")
    world.connect("a")
    world.hub.subscribe("a", "forum.2")
    world.facts.people[7] = UserFacts(7, "User 7", "member")
    world.rechecks.user(7)
    (at,) = told.delivery(told.publish("forum.2")).connections
    assert (at.trace.outcome, at.trace.code) == ("not_subscribed", "role_too_low")


def test_a_connection_older_than_the_journal_is_judged_by_the_books(told):
    told.world.connect("a")
    told.world.now += 700
    event = told.publish("private-user.7")
    assert told.world.hub.journal.of_user(7) == []
    assert told.outcomes(event) == {"a": "written"}


def test_what_cannot_be_known_is_said(told):
    nobody = told.publish("private-user.7")
    assert (told.delivery(nobody).outcome, told.delivery(nobody).unknown) == ("no_connection", ())
    told.started_at = told.world.now + 1
    assert told.delivery(nobody).outcome == "unknown"
    assert "started after the event" in told.delivery(nobody).unknown[0]
    told.started_at = 0.0
    told.world.now += 1
    told.world.connect("a")
    told.world.now += 700
    told.world.hub.disconnect("a", "x")
    told.world.now += 1
    assert "has forgotten" in told.delivery(nobody).unknown[0]
    told.link.stop()
    assert "did not answer" in told.delivery(nobody).unknown[0]
    assert told.delivery(nobody).outcome == "unknown"


def test_an_event_is_found_by_id_offset_position_and_time(told):
    world, explaining = told.world, told.explaining
    world.connect("a")
    world.hub.subscribe("a", "public.news")
    event = told.publish("public.news")
    for text in (event.id, str(event.offset), f"{event.epoch}.{event.offset}"):
        found = explaining.delivery(7, Wanted(text))
        assert found.event.id == event.id, text
        assert set(found.searched) == {"private-user.7", "public.news"}
    world.now += 60
    other = told.publish("public.news")
    at = explaining.delivery(7, Wanted(channel=parse_channel("public.news"), at=world.now - 60))
    assert at.event.id == event.id
    both = explaining.delivery(7, Wanted(channel=parse_channel("public.news"), at=world.now + 8))
    assert both.event.id == other.id
    world.now += 1
    told.publish("public.news")
    several = explaining.delivery(7, Wanted(channel=parse_channel("public.news"), at=world.now))
    assert (several.outcome, len(several.candidates)) == ("ambiguous", 2)
    assert explaining.delivery(7, Wanted("f" * 32)).outcome == "not_found"
    assert explaining.delivery(7, Wanted("999999")).outcome == "not_found"


@pytest.mark.parametrize("text", ["", "two words", "<b>", "x" * 201])
def test_what_names_no_event_is_refused(told, text):
    with pytest.raises(InvalidField):
        told.explaining.delivery(7, Wanted(text))


def test_the_journal_is_bounded_in_number_and_age(build):
    world = build()
    journal = world.hub.journal
    journal._most = 50
    for number in range(30):
        world.connect("a")
        world.now += 1
        world.hub.disconnect("a", f"end {number}")
    assert len(journal) == 50
    assert journal.since > 1_000_000.0
    world.now += 601
    assert (journal.of_user(7), len(journal)) == ([], 0)
