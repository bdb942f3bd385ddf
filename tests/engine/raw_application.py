"""A raw Engine.IO application under engineio's own WSGIApp; `ENGINE` holds Server options as JSON."""

import json
import os

import engineio

from mechamap.engine import Server

eio = Server(**json.loads(os.environ.get("ENGINE", "{}")))
happened: list[list[str]] = []


@eio.on("connect")
def connect(sid, environ):
    if "refuse=politely" in environ["QUERY_STRING"]:
        return "not you"
    if "refuse=crash" in environ["QUERY_STRING"]:
        raise RuntimeError("a bug")
    eio.send(sid, "welcome")
    return None


@eio.on("message")
def message(sid, data):
    if data == "bye":
        eio.disconnect(sid)
    elif data == "transport":
        eio.send(sid, eio.transport(sid))
    elif data == "remember":
        with eio.session(sid) as session:
            session["count"] = session.get("count", 0) + 1
            eio.send(sid, str(session["count"]))
    elif data == "happened":
        eio.send(sid, {"happened": happened, "sessions": len(eio.sockets)})
    else:
        eio.send(sid, data)


@eio.on("disconnect")
def disconnect(sid, reason):
    happened.append([sid, reason])


def health(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]


app = engineio.WSGIApp(eio, health, engineio_path="custom/path")
