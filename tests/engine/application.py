"""The application the engine is tested with; `ENGINE` in the environment holds SocketIO options as JSON."""

import gc
import json
import os
import time

import gevent
from flask import Flask, request
from flask_socketio import ConnectionRefusedError, close_room, emit, join_room, leave_room, rooms
from gevent.event import AsyncResult

from mechamap.engine import Postponed, SocketIO

app = Flask(__name__)
app.config["SECRET_KEY"] = "only-for-the-tests-of-the-engine"
happened: list[list[str]] = []
postponed: set[str] = set()
options = json.loads(os.environ.get("ENGINE", "{}"))
socketio = SocketIO(app, on_drop=lambda sid, reason: happened.append(["drop", sid, reason]), **options)


@app.get("/health")
def health():
    return {"draining": socketio.draining, "pid": os.getpid()}


@app.get("/late-health")
def late_health():
    gevent.sleep(0.8)
    return health()


@app.get("/state")
def state():
    greenlets = [g for g in gc.get_objects() if isinstance(g, gevent.Greenlet) and not g.dead]
    eio = socketio.server.eio
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),
        "greenlets": len(greenlets),
        "sessions": len(eio.sockets),
        "queued_bytes": sum(session.queued_bytes for session in eio.sockets.values()),
        "members": len(socketio.server.manager.members("/")),
        "environs": len(socketio.server.environ),
        "connections": [
            [c.sid, c.transport, c.remote_addr, c.connected_at, c.queued_packets]
            for c in socketio.connections()
        ],
        "happened": happened,
        "eio_sids": [session.sid for session in eio.sockets.values()],
    }


@app.post("/deliver")
def deliver():
    order = request.get_json()
    return {"reached": socketio.deliver(order["rooms"], order["event"], tuple(order["args"]))}


@app.post("/deliver-binary")
def deliver_binary():
    return {"reached": socketio.deliver(["everyone"], "blob", (request.get_data(), {"more": b"\x00\xff"}))}


@app.post("/flood")
def flood():
    for _ in range(int(request.args["count"])):
        socketio.deliver([request.args.get("room", "everyone")], "flood", ("x" * int(request.args["size"]),))
    return {}


@app.post("/close/<sid>")
def close(sid):
    before = time.monotonic()
    known = socketio.close(sid, "kicked")
    return {"known": known, "seconds": time.monotonic() - before}


@app.post("/ping/<sid>")
def ping(sid):
    socketio.ping(sid)
    return {}


@app.post("/answers/<sid>")
def answers(sid):
    return {"answers": socketio.answers(sid)}


@app.post("/emit")
def emit_to_all():
    order = request.get_json()
    socketio.emit(order["event"], tuple(order["args"]), to=order.get("to"))
    return {}


@app.post("/ask/<sid>")
def ask(sid):
    """Emit to a socket on any worker and give back what it acknowledged."""
    answer = AsyncResult()
    socketio.emit("question", "?", to=sid, callback=lambda *args: answer.set(args))
    return {"answer": answer.get(timeout=3)}


@app.post("/disconnect/<sid>")
def disconnect_anywhere(sid):
    socketio.server.disconnect(sid)
    return {}


@app.post("/move/<sid>/<room>")
def move(sid, room):
    socketio.server.enter_room(sid, room)
    return {}


@app.post("/send/<sid>")
def send(sid):
    return {"sent": socketio.send_to(sid, "private", 1, 2)}


@socketio.on("connect")
def connect(auth):
    wish = (auth or {}).get("wish")
    emit("hello", wish)
    join_room("everyone")
    if wish == "slow":
        gevent.sleep(0.3)
    if wish in ("slow-refusal", "refusal"):
        gevent.sleep(0.3 if wish == "slow-refusal" else 0)
        raise ConnectionRefusedError("Unauthorized", {"code": "token_invalid"})
    if wish == "unsendable":
        raise ConnectionRefusedError("Unauthorized", object())
    if wish == "false":
        return False
    if wish == "type-error":
        len(5)
    if wish == "crash":
        raise RuntimeError("secret internals")
    if wish == "os-error":
        raise OSError(111, "database at 10.0.0.7 refused")
    if wish == "hang":
        gevent.sleep(60)
    if wish == "postponed" or ((wish or "").startswith("postponed-once") and wish not in postponed):
        postponed.add(wish)
        raise Postponed
    if wish in ("answer", "answer-refusal"):
        socketio.answer_with(request.sid, {"pid": "mine", "more": [1, {"é": None}]})
        socketio.answer_with("unknown", {"pid": "nobody's"})
        return wish == "answer"
    return None


@socketio.on("connect", namespace="/admin")
def connect_admin(auth):
    socketio.answer_with(request.sid, {"pid": "the administrator's"}, namespace="/admin")


@socketio.on("disconnect")
def disconnect(reason):
    happened.append(["disconnect", request.sid, reason])


@socketio.on("echo")
def echo(*args):
    return args


def unknown(event, sid, *args):
    return ("unknown", event, sid, *args)


socketio.server.on("*", unknown)  # python-socketio's own: the id is the second argument


@socketio.on("nothing")
def nothing():
    return None


@socketio.on("slow-then-fast")
def slow_then_fast(number, seconds):
    gevent.sleep(seconds)
    emit("done", number)


@socketio.on("crash")
def crash():
    raise RuntimeError("a bug in a handler")


@socketio.on("ask-back")
def ask_back():
    return socketio.call("question", "why", to=request.sid, timeout=3)


@socketio.on("join")
def join(room):
    join_room(room)
    return rooms()


@socketio.on("leave")
def leave(room):
    leave_room(room)
    return rooms()


@socketio.on("close-room")
def close_the_room(room):
    close_room(room)
    return rooms()


@socketio.on("emit-to")
def emit_to(target):
    socketio.emit("addressed", target, to=target)


@socketio.on("bad-number")
def bad_number():
    try:
        socketio.emit("number", float("nan"), to="everyone")
    except ValueError as err:
        return str(err)
    return "sent"


@socketio.on("connect", namespace="/other")
def connect_other(auth):
    return None


@socketio.on("request")
def show_request():
    return {
        "colour": request.args.get("colour"),
        "address": request.remote_addr,
        "method": request.method,
        "headers": dict(request.headers),
    }
