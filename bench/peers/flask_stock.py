"""Peer: stock Flask-SocketIO. Run under gunicorn (module:app) or directly
(python flask_stock.py PORT -> socketio.run). QUEUE=redis://... adds the stock Redis manager."""

import os
import sys

if __name__ == "__main__":
    from gevent import monkey

    monkey.patch_all()
import jwt
from flask import Flask, jsonify, request
from flask_socketio import SocketIO, emit, join_room

app = Flask(__name__)
kw = {}
if os.environ.get("ORJSON"):
    import orjson

    class J:
        @staticmethod
        def dumps(o, **k):
            return orjson.dumps(o).decode()

        loads = staticmethod(orjson.loads)

    kw["json"] = J
if os.environ.get("QUEUE"):
    kw["message_queue"] = os.environ["QUEUE"]
socketio = SocketIO(
    app,
    async_mode=os.environ.get("MODE", "gevent"),
    cors_allowed_origins="*",
    ping_interval=25,
    ping_timeout=60,
    **kw,
)
SECRET = os.environ.get("JWT_SECRET")


@socketio.on("connect")
def on_connect(auth=None):
    if SECRET:
        claims = jwt.decode(auth["token"], SECRET, algorithms=["HS256"])
        join_room(f"private-user.{claims['userId']}")


@socketio.on("subscribe")
def on_subscribe(data):
    join_room(data["channel"])
    emit("subscribed", {"channel": data["channel"], "status": "success"})


@app.post("/api/broadcast")
def broadcast():
    b = request.get_json()
    socketio.emit(b["event"], b["data"], to=b["channel"])
    return jsonify(success=True)


if __name__ == "__main__":
    socketio.run(app, host="127.0.0.1", port=int(sys.argv[1]))
