"""The upgrade request: a WebSocket that is offered and not yet accepted.

gevent-websocket 0.10.1 answers 101 before the application is asked. Here `environ["wsgi.websocket"]` is an
offer: the application looks at origin and session first, and `accept` then takes the descriptor from the HTTP
handler. Handler, greenlet, environ and read buffer end with the request.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import socket
import ssl
from typing import TYPE_CHECKING

from .connection import Connection
from .descriptors import SEND_BUFFER
from .secure import SecureConnection

if TYPE_CHECKING:
    from .flusher import Flusher
    from .http import Handler

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Offer:
    """A valid upgrade request. Whoever does not accept it answers like any other request."""

    __slots__ = ("_handler", "_key")

    def __init__(self, key: str, handler: Handler) -> None:
        self._key = key.encode("latin-1")
        self._handler = handler

    def accept(self, flusher: Flusher, max_message: int, first: bytes = b"") -> tuple[Connection, bytes]:
        """Answer 101 with the `first` frames in the same write; the connection, which speaks HTTP no more,
        and what the client sent behind its request. OSError when the client is gone.
        """
        digest = base64.b64encode(hashlib.sha1(self._key + _GUID).digest()).decode()
        headers = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", digest)]
        handler = self._handler
        handler.switch_protocols(headers, first)
        sock, connections = handler.socket, handler.server.connections
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        early = handler.rfile.ahead()
        handler.socket = None  # it ends its loop, and closes nothing
        self._handler = None  # the application may keep the offer; handler and buffers end with the request
        if isinstance(sock, ssl.SSLSocket):
            tls, raw = sock._sslobj, sock._sock
            sock._sslobj = None
            sock._detach_socket("detached")  # frees the watchers and leaves the descriptor open
            return SecureConnection(raw, tls, flusher, connections, max_message), early
        return Connection(sock.detach(), flusher, connections, max_message), early


def offer(handler: Handler) -> str | None:
    """Put `wsgi.websocket` into the environ of a valid upgrade request; the status line of an invalid one."""
    environ, head = handler.environ, handler.head
    if environ["HTTP_UPGRADE"].lower() != "websocket":
        return None
    connection = [token.strip() for token in environ.get("HTTP_CONNECTION", "").lower().split(",")]
    if head.method != "GET" or head.version != "HTTP/1.1" or "upgrade" not in connection:
        return "400 Bad Request"
    if head.length or head.chunked:  # the body would be taken for frames
        return "400 Bad Request"
    if environ.get("HTTP_SEC_WEBSOCKET_VERSION") != "13":
        return "426 Upgrade Required"
    key = environ.get("HTTP_SEC_WEBSOCKET_KEY", "")
    try:
        length = len(base64.b64decode(key, validate=True))
    except (binascii.Error, ValueError):
        return "400 Bad Request"
    if length != 16:
        return "400 Bad Request"
    environ["wsgi.websocket"] = Offer(key, handler)
    return None
