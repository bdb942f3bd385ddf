"""Development: the server that `SocketIO.run` starts, with Flask-SocketIO 5.7.0's options.

Stock starts gevent-websocket's own handler here, which knows nothing of this engine.
"""

from typing import TYPE_CHECKING

from werkzeug._reloader import run_with_reloader
from werkzeug.debug import DebuggedApplication

from .connections import Connections, descriptors_for
from .http import Handler
from .listener import Listener

if TYPE_CHECKING:
    from flask import Flask

    from .socketio import SocketIO

_CONNECTIONS = 1_000
_PORT = 5000


def serve(socketio: "SocketIO", app: "Flask", host: str | None, port: int | None, options: dict) -> None:
    """Serve until stopped. Options that are not Flask-SocketIO's go to gevent's server (`certfile`, …)."""
    debug = options.pop("debug", app.debug)
    log = "default" if options.pop("log_output", debug) else None
    reload, reloader = options.pop("use_reloader", debug), dict(options.pop("reloader_options", None) or {})
    if extra_files := options.pop("extra_files", None):
        reloader["extra_files"] = extra_files
    options.pop("allow_unsafe_werkzeug", None)  # Werkzeug's server is not used
    app.debug = debug
    if debug:
        socketio.sockio_mw.wsgi_app = DebuggedApplication(socketio.sockio_mw.wsgi_app, evalex=True)
    address = (host or "127.0.0.1", port or _port_of(app))
    server = Listener(address, app, handler_class=Handler, log=log, **options)
    server.connections = Connections(descriptors_for(_CONNECTIONS))
    socketio.wsgi_server = server
    if reload:
        run_with_reloader(server.serve_forever, **reloader)
    else:
        server.serve_forever()


def _port_of(app: "Flask") -> int:
    _, _, port = (app.config["SERVER_NAME"] or "").rpartition(":")
    return int(port) if port.isdigit() else _PORT
