"""Servers that the published protocol test suites expect: `engine` for Engine.IO, `sockets` for Socket.IO."""

import json
import os

import engineio
from flask import Flask
from flask_socketio import SocketIO as Stock
from flask_socketio import emit

from mechamap.engine import Server, SocketIO

options = json.loads(os.environ.get("ENGINE", "{}"))


def health(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]


eio = Server(**options)
eio.on("message", lambda sid, data: eio.send(sid, data))
engine = engineio.WSGIApp(eio, health)

sockets = Flask(__name__)
sockets.add_url_rule("/health", view_func=lambda: "ok")
socketio: Stock = SocketIO(sockets, **options)

for namespace in ("/", "/custom"):

    @socketio.on("connect", namespace=namespace)
    def connect(auth):
        emit("auth", auth or {})

    @socketio.on("message", namespace=namespace)
    def message(*data):
        emit("message-back", data)

    @socketio.on("message-with-ack", namespace=namespace)
    def message_with_ack(*data):
        return data
