"""Flask-SocketIO's public API on this engine: what is documented works in its test client."""

import pytest
from flask import Flask, request
from flask import json as flask_json
from flask_socketio import ConnectionRefusedError, Namespace, disconnect, emit, join_room, leave_room, rooms
from socketio import packet as sio

from mechamap.engine import SocketIO
from mechamap.engine.strict_packet import Packet


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
