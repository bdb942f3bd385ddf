"""Rooms and members, through Flask-SocketIO's public API and its test client."""

import time

import pytest
from flask import Flask, request
from flask import json as flask_json
from flask_socketio import ConnectionRefusedError, Namespace, disconnect, emit, join_room, leave_room, rooms
from socketio import packet as sio

from mechamap.engine import SocketIO
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


# --- Flask-SocketIO's public API ---


@pytest.fixture
def app():
    app = Flask(__name__)
    app.config["SECRET_KEY"] = "only-for-this-test"
    return app


@pytest.fixture
def socketio(app):
    socketio = SocketIO(app)

    @socketio.on("connect")
    def connect(auth):
        join_room("all")

    @socketio.on("say")
    def say(text):
        emit("said", text, to="all", include_self=False)
        return "ok", {"length": len(text)}

    @socketio.on("where")
    def where():
        return rooms()

    @socketio.on("go")
    def go():
        leave_room("all")
        disconnect()

    return socketio


def names(client):
    return [received["name"] for received in client.get_received()]


def test_emit_rooms_and_acknowledgements_work_in_the_test_client(app, socketio):
    one, two = socketio.test_client(app), socketio.test_client(app)
    assert one.emit("say", "hello", callback=True) == ["ok", {"length": 5}]
    assert (names(one), names(two)) == ([], ["said"])
    assert "all" in one.emit("where", callback=True)


def test_deliver_and_send_to_work_in_the_test_client(app, socketio):
    client = socketio.test_client(app)
    [info] = socketio.connections()
    assert socketio.deliver(["all"], "news", (1, b"\x00")) == 1
    assert socketio.send_to(info.sid, "private", 2)
    assert [received["args"] for received in client.get_received()] == [[1, b"\x00"], [2]]


def test_disconnect_and_close_work_in_the_test_client(app, socketio):
    client, other = socketio.test_client(app), socketio.test_client(app)
    client.emit("go")
    assert not client.is_connected()
    [info] = socketio.connections()
    assert socketio.close(info.sid, "kicked")
    assert not other.is_connected()
    assert socketio.connections() == []


@pytest.mark.parametrize("target", [[], "", 0])
def test_emitting_to_nobody_is_not_emitting_to_everybody(app, socketio, target):
    client = socketio.test_client(app)
    socketio.emit("x", to=target)
    socketio.emit("x", room=target)
    socketio.server.emit("x", to=target)
    assert names(client) == []
    socketio.emit("x")
    socketio.send("y")
    assert names(client) == ["x", "message"]


@pytest.mark.parametrize("error", [TypeError("x"), RuntimeError("x"), ConnectionRefusedError("no", 1)])
def test_an_error_hook_does_not_admit_a_client_its_handler_refused(app, error):
    class Chat(Namespace):
        calls = 0

        def on_connect(self, auth=None):
            Chat.calls += 1
            raise error

        def error(self, exc):
            return None

    socketio = SocketIO(app)
    socketio.on_namespace(Chat("/chat"))
    socketio.on_error_default(lambda err: None)
    assert not socketio.test_client(app, namespace="/chat").is_connected("/chat")
    assert Chat.calls == 1


def test_handlers_without_arguments_work_as_documented(app):
    socketio, seen = SocketIO(app), []
    socketio.on_event("connect", lambda: seen.append("connect"))
    socketio.on_event("disconnect", lambda: seen.append("disconnect"))
    client = socketio.test_client(app, auth={"a": 1})
    client.disconnect()
    assert seen == ["connect", "disconnect"]


def test_a_failing_disconnect_handler_runs_once_and_the_client_is_gone(app):
    socketio, seen = SocketIO(app), []

    @socketio.on("disconnect")
    def gone(reason):
        seen.append((request.sid, reason))
        raise TypeError("a bug")

    client = socketio.test_client(app)
    client.disconnect()
    assert [reason for _, reason in seen] == ["client disconnect"]
    assert socketio.connections() == []


def test_a_callback_of_emit_runs_in_the_clients_context(app):
    socketio, answers = SocketIO(app), []

    @socketio.on("ask")
    def ask():
        emit("question", callback=lambda answer: answers.append((answer, request.sid)))

    client = socketio.test_client(app)
    client.emit("ask")
    socketio.server._handle_eio_message(client.eio_sid, sio.Packet(sio.ACK, id=1, data=["yes"]).encode())
    [info] = socketio.connections()
    assert answers == [("yes", info.sid)]


@pytest.mark.parametrize(
    "option",
    [
        {"always_connect": True},
        {"monitor_clients": False},
        {"async_mode": "threading"},
        {"serializer": "xml"},
        {"max_queue_byte": 1},
    ],
)
def test_an_option_that_would_take_a_guarantee_away_is_refused_by_name(app, option):
    with pytest.raises(ValueError, match=next(iter(option))):
        SocketIO(app, **option)


def test_an_own_json_module_is_used_by_this_server_only(app):
    class Loud:
        @staticmethod
        def dumps(value, **formatting):
            return '["loud"]'

        loads = staticmethod(lambda text, **options: ["loud"])

    assert SocketIO(app, json=Loud).server.packet_class(sio.EVENT, data=["x"]).encode() == '2["loud"]'
    assert Packet(sio.EVENT, data=["x"]).encode() == '2["x"]'


def test_flasks_json_is_the_apps_own_provider(app):
    app.json.sort_keys = True
    packets = SocketIO(app, json=flask_json).server.packet_class
    assert packets(sio.EVENT, data=["x", {"b": 1, "a": 2}]).encode() == '2["x",{"a":2,"b":1}]'


def test_limits_are_options(app):
    socketio = SocketIO(app, connect_timeout=3, max_queue_bytes=5, ping_interval=(0.25, 0.05))
    limits = socketio.server.eio.limits
    assert (limits.connect_timeout, limits.max_queue_bytes, limits.ping_interval) == (3, 5, 0.25)


def test_two_apps_in_one_process_share_nothing(app):
    first, second = SocketIO(app), SocketIO(Flask("other"))
    assert first.server.manager is not second.server.manager
    assert first.server.eio.sockets is not second.server.eio.sockets


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
