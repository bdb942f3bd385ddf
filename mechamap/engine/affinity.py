"""Affinity: every request of a session reaches the worker that owns it, whoever accepted the connection.

Session ids carry the slot of their worker. A worker that reads a request of another's session passes the
connection on (see `handover`), and the owner serves it, this request and those that follow, as if it had
accepted it. So N workers share one port with long polling and upgrades, without a balancer that pins
browsers, and once it has arrived a connection costs nothing more; only TLS needs a `relay`.

Each worker listens on a unix socket named by its slot in a folder of mode 0700 that belongs to this master:
whoever may connect there is this user, and could as well read the workers' memory. A request that came
through it is never passed on again. A slot nobody listens for is left to the application, which answers
`Session ID unknown`, and the client starts afresh.
"""

from __future__ import annotations

import logging
import os
import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from gevent import socket as gevent_socket
from gevent.pool import Pool
from gevent.server import StreamServer

from . import handover
from .handover import Handover
from .ids import slot_of
from .incoming import incoming
from .relay import relay

if TYPE_CHECKING:
    from .http import Handler
    from .listener import Listener

LOG = logging.getLogger(__name__)

_BACKLOG = 1024  # handovers that may wait for a busy worker


class Door(StreamServer):
    """Where a worker takes connections from the others; open until the worker's last session is closed."""

    def __init__(self, path: str, listener: Listener) -> None:
        """What comes is served as if `listener` had accepted it, also after that one has closed."""
        self.path = path
        self._listener = listener
        super().__init__(_listen(path), self._take, spawn=Pool())

    def _take(self, channel: gevent_socket.socket, address: object) -> None:
        try:
            sock, handed = handover.receive(channel)
        except (OSError, handover.Broken) as err:  # the other worker died half-way
            LOG.warning("handover_failed", extra={"error": type(err).__name__})
            return
        finally:
            channel.close()
        try:
            self._resume(sock, handed)
        finally:
            sock.close()

    def _resume(self, sock: gevent_socket.socket, handed: Handover) -> None:
        handler = self._listener.handler_class(
            sock, handed.address, self._listener, incoming(sock, handed.data)
        )
        handler.handed = True
        handler.handle()

    def leave(self) -> None:
        """Stop listening, end what is still served."""
        self.stop(timeout=0)
        _remove(self.path)


def _listen(path: str) -> gevent_socket.socket:
    _remove(path)  # of a worker that was killed
    listener = gevent_socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(_BACKLOG)
    return listener


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


class Affinity:
    """What one worker knows about the sessions of the others: where they are, and how to get there."""

    def __init__(self, folder: str, slot: int, path: str) -> None:
        """`folder` holds the sockets of all workers, `path` begins every request of a session."""
        self._folder = folder
        self._slot = slot
        self._path = path
        self._relays: set[Handler] = set()

    def door(self, slot: int) -> str:
        return f"{self._folder}/{slot}"

    def pass_on(self, handler: Handler) -> bool:
        """Give the connection to the owner of the session it asks for.

        False when the session is ours, nobody's, or its owner cannot be reached: nothing has been consumed
        then. True when this handler has nothing more to do, not even to close the socket.
        """
        slot = self._owner(handler.environ)
        if slot is None:
            return False
        head = handler.head.raw  # whatever the parser takes it takes in one way only, there as here
        if isinstance(handler.socket, ssl.SSLSocket):
            return self._relay(handler, slot, head)
        data = head + handler.rfile.ahead()
        if not self._send(handler, slot, handler.socket.fileno(), data):
            return False
        _let_go(handler)
        return True

    def _owner(self, environ: dict) -> int | None:
        query = environ["QUERY_STRING"]
        if "sid=" not in query or not environ["PATH_INFO"].startswith(self._path):
            return None
        slot = slot_of(parse_qs(query).get("sid", [""])[0])
        return None if slot == self._slot else slot

    def _send(self, handler: Handler, slot: int, descriptor: int, data: bytes) -> bool:
        if len(data) > handover.MAX_BYTES:
            return False
        handed = Handover(handler.client_address, data)
        return handover.send(self.door(slot), descriptor, handed)

    def _relay(self, handler: Handler, slot: int, head: bytes) -> bool:
        inner, outer = gevent_socket.socketpair()
        with inner, outer:
            if not self._send(handler, slot, outer.fileno(), head):
                return False
            outer.close()
            self._relays.add(handler)
            try:
                relay(handler.socket, handler.rfile, inner, handler.write_timeout)
            finally:
                self._relays.discard(handler)
        return True

    def cut_relays(self) -> None:
        """End what belongs to sessions of other workers, which do not end with ours."""
        for handler in self._relays:
            handler.hang_up()


def _let_go(handler: Handler) -> None:
    """Close this process's copy, and nothing more: no shutdown, and no byte read that is the owner's."""
    handover.unwatch(handler.socket)
    handler.rfile.close()
    handler.socket.close()
    handler.socket = None
