"""Publications on their way into the engine: in which dialect, how often, and encoded how often."""

from collections import Counter

import pytest
from flask import Flask

from mechamap.domain.channels import parse_channel
from mechamap.domain.members import Announcement, Change, Member
from mechamap.domain.payloads import payload_of
from mechamap.domain.publication import Publication
from mechamap.engine import SocketIO
from mechamap.sockets import transport as module
from mechamap.sockets.transport import EngineTransport

EPOCH = "epochabc"


class Page:
    """A client of Flask-SocketIO's test client, and its id."""

    def __init__(self, socketio: SocketIO, app: Flask) -> None:
        before = socketio.server.manager.sids_in(("everybody",))
        self._client = socketio.test_client(app)
        [self.sid] = {info.sid for info in socketio.connections()} - before
        socketio.server.enter_room(self.sid, "everybody")

    def got(self) -> list[list]:
        return [[each["name"], *each["args"]] for each in self._client.get_received()]


@pytest.fixture
def app() -> Flask:
    return Flask("test")


@pytest.fixture
def socketio(app) -> SocketIO:
    return SocketIO(app)


@pytest.fixture
def transport(socketio) -> EngineTransport:
    return EngineTransport(socketio)


@pytest.fixture
def page(socketio, app):
    return lambda: Page(socketio, app)


@pytest.fixture
def encoded(monkeypatch) -> list[str | None]:
    """The spellings under which something was encoded, each time."""
    found: list[str | None] = []
    packet_of, copy_of = module.packet_of, module.copy_of

    def counted_packet_of(publication):
        found.append(None)
        return packet_of(publication)

    def counted_copy_of(publication, spelled, **more):
        found.append(spelled)
        return copy_of(publication, spelled, **more)

    monkeypatch.setattr(module, "packet_of", counted_packet_of)
    monkeypatch.setattr(module, "copy_of", counted_copy_of)
    return found


def news(data: object, *names: str, offset: int = 10, except_id: str | None = None) -> Publication:
    publication = Publication(tuple(map(parse_channel, names)), "news", payload_of(data), except_id)
    publication.place(EPOCH, offset)
    return publication


def test_without_pages_of_echo_an_event_is_encoded_once(transport, page, encoded):
    pages = [page() for _ in range(3)]
    for each in pages:
        transport.join(each.sid, "public:a")
        transport.join(each.sid, "public:b")
    assert transport.deliver(news({"n": 1}, "public.a", "public.b")) == 3
    assert all(each.got() == [["news", {"n": 1}, f"{EPOCH}.10"]] for each in pages)
    assert encoded == [None]


def test_each_spelling_is_encoded_once_however_many_hear_it(transport, page, encoded):
    pages = [page() for _ in range(12)]
    for number, each in enumerate(pages):
        transport.join(each.sid, "user:7", (None, "private-user.7", "user.7")[number % 3])
    assert transport.deliver(news("text", "private-user.7"), having=(pages[2].sid,)) == 11
    assert encoded == [None, "private-user.7", "user.7"]
    for number, each in enumerate(pages):
        name = ([], ["private-user.7"], ["user.7"])[number % 3]
        assert each.got() == ([["news", *name, "text", f"{EPOCH}.10"]] if number != 2 else [])


def test_of_several_copies_only_the_last_bears_the_events_position(transport, page, encoded):
    one, two, mixed, plan = page(), page(), page(), page()
    transport.join(one.sid, "public:a", "public.a")
    for room, name in (("public:a", "public.a"), ("public:b", "public.b"), ("public:c", "public.c")):
        transport.join(two.sid, room, name)
        transport.join(plan.sid, room)
    transport.join(mixed.sid, "public:a")
    transport.join(mixed.sid, "public:b", "public.b")
    assert transport.deliver(news(1, "public.a", "public.b", "public.c")) == 4
    assert one.got() == [["news", "public.a", 1, f"{EPOCH}.10"]]
    assert two.got() == [
        ["news", "public.a", 1, f"{EPOCH}.9"],
        ["news", "public.b", 1, f"{EPOCH}.9"],
        ["news", "public.c", 1, f"{EPOCH}.10"],
    ]
    assert mixed.got() == [["news", 1, f"{EPOCH}.9"], ["news", "public.b", 1, f"{EPOCH}.10"]]
    assert plan.got() == [["news", 1, f"{EPOCH}.10"]]
    # twice at most: as a last copy and as an earlier one
    assert Counter(encoded) == {None: 2, "public.a": 2, "public.b": 2, "public.c": 1}
    assert transport.deliver(news(2, "public.a", "public.b", except_id=two.sid), having=[one.sid]) == 2
    assert one.got() == two.got() == []


def test_a_replay_is_what_a_delivery_would_have_been(transport, page):
    one = page()
    transport.replay(one.sid, news(1, "public.a", "public.b"), (None, "public.b"))
    assert one.got() == [["news", 1, f"{EPOCH}.9"], ["news", "public.b", 1, f"{EPOCH}.10"]]
    transport.replay(one.sid, news(1, "public.a"), ())
    assert one.got() == []


def test_a_member_is_announced_under_the_name_that_is_used(transport, page):
    plan, echo = page(), page()
    transport.join(plan.sid, "thread:7")
    transport.join(echo.sid, "thread:7", "presence-thread.7")
    publication = Announcement(Change.LEAVING, "thread:7", Member(8, 'A"B", ["')).publication()
    publication.place(EPOCH, 3)
    transport.deliver(publication)
    member = {"user_id": 8, "user_info": {"id": 8, "name": 'A"B", ["'}}
    told = [["presence:leaving", "presence-thread.7", member, f"{EPOCH}.3"]]
    assert plan.got() == told
    assert echo.got() == told


def test_who_left_hears_nothing_and_leaves_nothing_behind(transport, page, encoded):
    one, two = page(), page()
    for each in (one, two):
        transport.join(each.sid, "public:a", "public.a")
    transport.leave(one.sid, "public:a", "public.a")
    assert transport.deliver(news(1, "public.a")) == 1
    assert (one.got(), len(two.got())) == ([], 1)
    transport.leave(two.sid, "public:a", "public.a")
    transport.leave(two.sid, "public:a", "public.a")
    encoded.clear()
    assert transport.deliver(news(1, "public.a")) == 0
    assert encoded == [None]


class Told:
    """A meter that keeps what it is told."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def deferred(self) -> None:
        self.heard.append("deferred")

    def written(self, accepted_at: float) -> None:
        self.heard.append(accepted_at)


def test_only_publications_that_the_flusher_writes_are_measured_by_it(socketio, page):
    meter = Told()
    transport = EngineTransport(socketio, meter)
    pages = [page() for _ in range(9)]
    for each in pages[:8]:
        transport.join(each.sid, "public:a")
    publication = news(1, "public.a")
    assert transport.deliver(publication) == 8  # a small room is written to at once
    assert meter.heard == []
    transport.join(pages[8].sid, "public:a")
    assert transport.deliver(publication) == 9
    assert meter.heard == ["deferred", publication.accepted_at]
    for each in pages:
        transport.leave(each.sid, "public:a")
    assert transport.deliver(publication) == 0
    assert len(meter.heard) == 2
