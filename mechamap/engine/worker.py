"""The gunicorn worker class: `worker_class = 'mechamap.engine.worker.Worker'`.

GeventWebSocketWorker (gevent-websocket 0.10.1) with our HTTP handler and an end of its own. What stock
gunicorn 27.0.1 does wrong for a server of long connections:
* `worker_connections` counts open WebSockets and stops accepting at the limit, so health checks hang; here
  the limit answers 503 and leaves room for short requests;
* SIGTERM waits the whole `graceful_timeout` for WebSockets that never end and is then killed without running
  a single disconnect handler; here clients are closed in paced slices, told in a way that makes them
  reconnect elsewhere;
* a request of a session that lives in another worker is refused; here `affinity` takes it there.
Imported by gunicorn's master before gevent patches anything: nothing of python-socketio may come in here.
"""

import itertools
import math
import os
import time

import gevent
from gevent.pool import Pool
from geventwebsocket.gunicorn.workers import GeventWebSocketWorker
from gunicorn.http.wsgi import base_environ
from gunicorn.sock import ssl_context
from gunicorn.workers.ggevent import VERSION

from .affinity import Affinity, Door
from .answering import logs_access
from .collector import Collector
from .connections import Connections, descriptors_for
from .http import Handler
from .listener import Listener
from .slots import current_slot, on_orphaned

_TICK = 0.1  # seconds between looks at the signal flag
_SLICE_PAUSE = 0.05
_LOOK_EVERY = 60  # heartbeats between two looks at what the garbage collector froze


class Worker(GeventWebSocketWorker):
    """One process: its listeners, its connections, and their orderly end."""

    server_class = Listener
    wsgi_handler = Handler
    folder: str | None = None  # set by the `pre_fork` of slots
    affinity: Affinity | None = None
    door: Door | None = None
    drain_seconds = 5.0  # at most, to close all clients: their reconnects must not arrive as one wave

    def run(self) -> None:
        limit = descriptors_for(self.worker_connections)
        if limit < self.worker_connections:
            self.log.warning("worker_connections is lowered to %d by the limit of open files", limit)
        self.connections = Connections(limit)
        self.collector = Collector()
        self.collector.start()
        listeners = [self._listen(sock) for sock in self.sockets]
        self._join_the_others(listeners)
        for listener in listeners:
            listener.start()
        heartbeat = gevent.spawn(self._heartbeat)
        try:
            while self.alive:
                gevent.sleep(_TICK)
            self._drain(listeners)
        finally:
            if self.door is not None:
                self.door.leave()
                if os.getppid() != self.ppid:
                    on_orphaned(self.folder)
            heartbeat.kill()  # waits: gunicorn closes the file it touches right after

    def _heartbeat(self) -> None:
        for beat in itertools.count(1):
            self.notify()
            gevent.sleep(1.0)
            if beat % _LOOK_EVERY == 0:
                self.collector.look(len(self.connections))

    def _listen(self, sock) -> Listener:
        sock.setblocking(1)
        environ = base_environ(self.cfg)
        environ.update({"wsgi.multithread": True, "SERVER_SOFTWARE": VERSION})
        tls = {"ssl_context": ssl_context(self.cfg)} if self.cfg.is_ssl else {}
        listener = self.server_class(
            sock,
            application=self.wsgi,
            spawn=Pool(),
            log=self.log,
            handler_class=self.wsgi_handler,
            environ=environ,
            **tls,
        )
        listener.connections = self.connections
        if not logs_access(self.log):  # its lines are made from an environ
            listener.express = getattr(self.wsgi, "extensions", {}).get("express")
        return listener

    def _join_the_others(self, listeners: list[Listener]) -> None:
        """Find the sessions of the other workers of this master, and be found by them."""
        path = self._transport_path()
        if self.folder is None or path is None:
            return
        affinity = Affinity(self.folder, current_slot(), path)
        try:
            self.door = Door(affinity.door(current_slot()), listeners[0])
            self.door.start()
        except OSError as err:  # a disk that is full or a folder swept away must not stop WebSockets
            self.log.error("workers cannot hand requests to each other, long polling will suffer: %s", err)
            return
        self.affinity = affinity
        for listener in listeners:
            listener.affinity = affinity

    def _transport_path(self) -> str | None:
        """How the paths of the transport's requests begin, as the middleware in front of the app has it."""
        socketio = getattr(self.wsgi, "extensions", {}).get("socketio")
        middleware = socketio.sockio_mw if socketio is not None else self.wsgi
        return getattr(middleware, "engineio_path", None)

    # --- the end ---

    def _drain(self, listeners: list[Listener]) -> None:
        """Leave in order: not ready, no new connections, clients away in slices, handlers run, then out."""
        deadline = time.monotonic() + self.cfg.graceful_timeout * 0.8
        transport = self._transport()
        if transport is not None:
            transport.draining = True
        for listener in listeners:
            listener.close()
        self.connections.drain()
        if transport is not None:
            self._close_sessions(transport, min(self.drain_seconds, self.cfg.graceful_timeout / 3))
            transport.farewells.join(max(0.0, deadline - time.monotonic()))
        if self.affinity is not None:
            self.affinity.cut_relays()
        while len(self.connections) and time.monotonic() < deadline:
            gevent.sleep(_TICK)
        if len(self.connections):
            self.log.warning("%d connections did not end in time", len(self.connections))
        for listener in listeners:
            listener.stop(timeout=0)

    def _transport(self):
        """The Engine.IO server of what is being served, if it has one: a Flask app or an engineio.WSGIApp."""
        socketio = getattr(self.wsgi, "extensions", {}).get("socketio")
        if socketio is not None:
            return socketio.server.eio
        return getattr(self.wsgi, "engineio_app", None)

    def _close_sessions(self, transport, seconds: float) -> None:
        sessions = list(transport.sockets.values())
        size = max(32, math.ceil(len(sessions) * _SLICE_PAUSE / seconds))
        for start in range(0, len(sessions), size):
            if start:
                gevent.sleep(_SLICE_PAUSE)
            for session in sessions[start : start + size]:
                session.close("drain", 1001)
