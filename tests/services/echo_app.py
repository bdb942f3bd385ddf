"""The smallest Flask-SocketIO application: what the tests of the services themselves run against."""

import logging
import os

from flask import Flask, request
from flask_socketio import ConnectionRefusedError, SocketIO

app = Flask(__name__)
app.config["SECRET_KEY"] = "only-for-the-tests-of-the-services"
socketio = SocketIO(app, async_mode="gevent", cors_allowed_origins="*")


@app.get("/health")
def health():
    return {"settings": sorted(os.environ)}


@app.get("/page")
def page():
    return "<!doctype html><title>Page</title><link rel=icon href=data:,><main><h1>Parts</h1></main>"


@app.get("/broken-page")
def broken_page():
    return "<!doctype html><link rel=icon href=data:,><script>console.error('no such part'); fail()</script>"


@app.get("/traceback")
def traceback():
    logging.getLogger().error("caught", exc_info=ValueError("provoked"))
    logging.getLogger().error("Traceback (most recent call last)")
    return {}


@socketio.on("connect")
def connect(auth):
    if (auth or {}).get("token") == "wrong":
        raise ConnectionRefusedError("Unauthorized", {"code": "token_invalid"})


@socketio.on("echo")
def echo(*args):
    socketio.emit("echoed", args, to=request.sid)
    return args


@socketio.on("ask")
def ask(question):
    def answered(*answer):
        socketio.emit("answered", answer, to=sid)

    sid = request.sid
    socketio.emit("question", question, to=sid, callback=answered)
