"""Rooms and members, through Flask-SocketIO's public API and its test client."""

import time

import pytest

from mechamap.engine.acknowledgements import MAX_CALLBACKS
from mechamap.engine.clock import Clock
from mechamap.engine.flusher import Flusher
from mechamap.engine.reasons import Limits
from mechamap.engine.rooms import MAX_HELD, RoomManager
from mechamap.engine.strict_packet import Packet


class Sink:
    """What RoomManager needs of its server: ids, a packet class, and somewhere to send."""

    packet_class = Packet

    def __init__(self):
        self.eio = self
        self.flusher = Flusher(Clock(), Limits(ping_interval=25, ping_timeout=20))
        self.count = 0
        self.sent: list[tuple[str, str]] = []
        self.ended: list[tuple[str, str]] = []

    def generate_id(self):
        self.count += 1
        return f"1{self.count:016d}.{self.count:020d}"

    def _send_eio_packet(self, eio_sid, packet):
        self.sent.append((eio_sid, packet.encode()))
        return True

    def end(self, eio_sid, reason):
        self.ended.append((eio_sid, reason))


@pytest.fixture
def sink():
    return Sink()


@pytest.fixture
def manager(sink):
    manager = RoomManager()
    manager.set_server(sink)
    return manager


def joined(manager, eio_sid, *names):
    sid = manager.connect(eio_sid, "/")
    for name in names:
        manager.enter_room(sid, "/", name)
    return sid


# --- membership ---


def test_leaving_costs_only_ones_own_rooms(manager):
    sids = [joined(manager, f"e{n}", f"private-{n}") for n in range(2000)]

    def leave(sid):
        began = time.perf_counter()
        manager.disconnect(sid, "/")
        return time.perf_counter() - began

    # stock 5.18.1 scans all 4,000 rooms, 0.4 ms each time; the quickest of 50 is free of other processes
    assert min(leave(sid) for sid in sids[:50]) < 0.0001


def test_nothing_is_kept_of_members_that_left(manager):
    sids = [joined(manager, f"e{n}", "shared", f"own-{n}") for n in range(10)]
    for sid in sids:
        manager.disconnect(sid, "/")
    assert manager.get_namespaces() == []


def test_a_transport_is_in_a_namespace_once(manager):
    joined(manager, "e")
    assert manager.pre_connect("e", "/") is None


def test_own_id_and_no_room_can_be_neither_entered_nor_left(manager, sink):
    sid = joined(manager, "e", "room")
    manager.enter_room(sid, "/", sid)
    for room in (sid, None):
        manager.leave_room(sid, "/", room)
    assert manager.get_rooms(sid, "/") == [sid, "room"]
    manager.emit("x", None, "/", to=sid)
    manager.emit("y", None, "/")
    assert len(sink.sent) == 2


@pytest.mark.parametrize("room", [None, "", 0, "1" * 17 + "." + "2" * 20])
def test_a_room_needs_a_name_that_is_no_socket_id(manager, room):
    sid = joined(manager, "e")
    with pytest.raises(ValueError):
        manager.enter_room(sid, "/", room)


def test_another_sockets_id_is_no_room(manager):
    sid, other = joined(manager, "e1"), joined(manager, "e2")
    with pytest.raises(ValueError):
        manager.enter_room(sid, "/", other)
    with pytest.raises(ValueError):
        manager.close_room(other, "/")


def test_only_members_enter_rooms(manager):
    with pytest.raises(ValueError):
        manager.enter_room("1.2", "/", "room")


# --- delivery ---


def test_a_member_of_several_rooms_gets_one_copy(manager, sink):
    joined(manager, "both", "a", "b")
    joined(manager, "one", "b")
    assert manager.deliver(["a", "b", "a"], "e", (1,)) == 2
    assert sorted(sink.sent) == [("both", '42["e",1]'), ("one", '42["e",1]')]


def test_an_event_is_encoded_once_for_all(manager, sink, monkeypatch):
    for n in range(5):
        joined(manager, f"e{n}", "room")
    encoded = []
    original = Packet.encode
    monkeypatch.setattr(Packet, "encode", lambda self: encoded.append(1) or original(self))
    manager.deliver(["room"], "e", ())
    assert (len(encoded), len(sink.sent)) == (1, 5)


def test_skipped_sockets_get_nothing(manager, sink):
    sid = joined(manager, "e1", "room")
    joined(manager, "e2", "room")
    assert manager.deliver(["room"], "e", (), skip={sid}) == 1
    manager.emit("e", None, "/", to="room", skip_sid=sid)
    manager.emit("e", None, "/", to="room", skip_sid=[sid])
    assert [who for who, _ in sink.sent] == ["e2"] * 3


def test_delivery_to_an_unknown_namespace_reaches_nobody(manager):
    assert manager.deliver(["room"], "e", (), namespace="/none") == 0


def test_bad_data_reaches_nobody(manager, sink):
    joined(manager, "e", "room")
    with pytest.raises(ValueError):
        manager.deliver(["room"], "e", (float("nan"),))
    assert sink.sent == []


@pytest.mark.parametrize("target", [[], "", 0, [None], [""], [[]], {}])
def test_an_empty_target_reaches_nobody(manager, sink, target):
    joined(manager, "e", "room")
    manager.emit("x", None, "/", to=target)
    assert sink.sent == []


def test_a_list_of_rooms_and_sockets_reaches_each_once(manager, sink):
    sid = joined(manager, "e1", "room")
    joined(manager, "e2", "room")
    manager.emit("x", None, "/", to=["room", sid, "none"])
    assert sorted(who for who, _ in sink.sent) == ["e1", "e2"]


def test_what_waits_for_a_member_that_is_not_accepted_yet_is_sent_when_it_is(manager, sink):
    sid = manager.pre_connect("e", "/")
    manager.enter_room(sid, "/", "room")
    assert manager.deliver(["room"], "e", (1,)) == 0
    assert sink.sent == []
    manager.connect(sid, "/")
    assert sink.sent == [("e", '42["e",1]')]


def test_what_waits_for_a_refused_member_is_forgotten(manager, sink):
    sid = manager.pre_connect("e", "/")
    manager.emit("x", None, "/")
    manager.disconnect(sid, "/")
    assert sink.sent == []


def test_what_waits_is_bounded(manager, sink):
    sid = manager.pre_connect("e", "/")
    for _ in range(MAX_HELD + 1):
        manager.emit("x", None, "/", to=sid)
    manager.connect(sid, "/")
    assert sink.sent == []
    assert sink.ended == [("e", "slow_consumer")]


def test_a_member_that_is_leaving_gets_nothing(manager, sink):
    sid = joined(manager, "e", "room")
    manager.pre_disconnect(sid, "/")
    assert manager.deliver(["room"], "e", ()) == 0
    assert manager.send_to(sid, "e", ()) is False


# --- acknowledgements ---


def test_callbacks_are_bounded_and_the_oldest_gives_way(manager):
    sid = joined(manager, "e")
    for n in range(MAX_CALLBACKS + 1):
        manager.emit("x", None, "/", to=sid, callback=lambda n=n: n)
    assert manager.take_callback(sid, 1, "/") is None
    assert manager.take_callback(sid, MAX_CALLBACKS + 1, "/")() == MAX_CALLBACKS


def test_a_callback_is_given_once_and_only_to_its_socket(manager):
    sid, other = joined(manager, "e1"), joined(manager, "e2")
    manager.emit("x", None, "/", to=sid, callback=print)
    assert manager.take_callback(other, 1, "/") is None
    assert manager.take_callback(sid, 1, "/") is print
    assert manager.take_callback(sid, 1, "/") is None


# --- rooms of one, of a few, of many ---


def test_a_room_grows_from_one_member_and_shrinks_to_it_again(manager, sink):
    first, second, third = (joined(manager, f"e{n}", "room") for n in range(3))
    for sid in (second, first):
        manager.leave_room(sid, "/", "room")
    manager.emit("x", None, "/", to="room")
    assert [eio_sid for eio_sid, _ in sink.sent] == ["e2"]
    manager.enter_room(first, "/", "room")
    manager.disconnect(third, "/")
    manager.emit("y", None, "/", to="room")
    assert [eio_sid for eio_sid, _ in sink.sent[1:]] == ["e0"]
    manager.leave_room(first, "/", "room")
    assert list(manager.get_participants("/", "room")) == []


def test_entering_twice_is_entering_once(manager):
    sid = joined(manager, "e", "room", "room")
    assert manager.get_rooms(sid, "/") == [sid, "room"]
    manager.leave_room(sid, "/", "room")
    assert manager.get_rooms(sid, "/") == [sid]


def test_a_member_of_many_rooms_leaves_each_and_all(manager):
    names = [f"room-{n}" for n in range(30)]
    sid, other = joined(manager, "e1", *names), joined(manager, "e2", *names)
    manager.leave_room(sid, "/", "room-17")
    manager.close_room("room-18", "/")
    assert set(manager.get_rooms(sid, "/")) == {sid, *names} - {"room-17", "room-18"}
    assert set(manager.get_rooms(other, "/")) == {other, *names} - {"room-18"}
    manager.disconnect(sid, "/")
    manager.disconnect(other, "/")
    assert manager.get_namespaces() == []
