"""A small echo server: `gunicorn -k mechamap.engine.worker.Worker examples.echo:app`."""

from flask import Flask, request
from flask_socketio import emit, join_room

from mechamap.engine import SocketIO

app = Flask(__name__)
socketio = SocketIO(app, cors_allowed_origins=[])


@socketio.on("connect")
def connect(auth):
    join_room("everyone")


@socketio.on("echo")
def echo(*args):
    emit("echo", args)
    return args


@app.post("/say")
def say():
    reached = socketio.deliver(["everyone"], "said", (request.get_data(as_text=True),))
    return {"reached": reached, "connections": len(socketio.connections())}
