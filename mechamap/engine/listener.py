"""One listening socket of a worker: what is accepted, at what pace, and its TLS handshake."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

import gevent
from gevent.socket import socket as Socket
from gunicorn.workers.ggevent import PyWSGIServer

if TYPE_CHECKING:
    from .affinity import Affinity
    from .connections import Connections
    from .express import Express


class Listener(PyWSGIServer):
    """gevent's WSGI server, with the books of the worker's connections."""

    tls_timeout = 10.0  # seconds for a TLS handshake
    max_accept = 16  # in one turn of the loop; stock 100 handshakes would keep all others waiting for 20 ms
    connections: Connections
    affinity: Affinity | None = None
    express: Express | None = None

    def init_socket(self) -> None:
        super().init_socket()
        # Linux gives it to every connection; without, a second piece of an answer waits 40 ms for Nagle
        if self.socket.family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # asking the listener for these would make an enumeration of each, for every connection
        self._kind = (int(self.socket.family), int(self.socket.type), self.socket.proto)

    def do_read(self) -> tuple[Socket, object] | None:
        try:
            fd, address = self.socket._accept()
        except BlockingIOError:
            return None
        return Socket(*self._kind, fileno=fd), address

    def wrap_socket_and_handle(self, client_socket, address):
        try:
            with gevent.Timeout(self.tls_timeout, TimeoutError("TLS handshake")):
                wrapped = self.wrap_socket(client_socket, **self.ssl_args)
        except (OSError, ssl.SSLError):  # a port scan is no event worth a traceback
            client_socket.close()
            return None
        try:
            return self.handle(wrapped, address)
        finally:
            wrapped.close()
