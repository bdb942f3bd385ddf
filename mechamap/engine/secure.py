"""A connection over TLS: the same object, its reads and writes through OpenSSL on a non-blocking descriptor.

gevent's SSLSocket would switch greenlets where OpenSSL wants to wait; here its inner `_ssl` object is used,
which raises instead. Renegotiation is off in every context Python makes (OP_NO_RENEGOTIATION), so a read
wants to write, or a write to read, only around a TLS 1.3 key update, and the next event of the descriptor
continues it.
"""

from __future__ import annotations

import _socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING

from .connection import Connection

if TYPE_CHECKING:
    from .connections import Connections
    from .flusher import Flusher
    from .receiver import Receiver

_RECORD = 16_384  # the largest a TLS record is; one read takes all of it, so nothing stays inside OpenSSL
_WANTS = (ssl.SSLWantReadError, ssl.SSLWantWriteError)
_ENDS = (ssl.SSLZeroReturnError, ssl.SSLEOFError)


class SecureConnection(Connection):
    """`tls` refers to `sock` only weakly, so both are kept."""

    __slots__ = ("_sock", "_tls")

    def __init__(
        self,
        sock: _socket.socket,
        tls: ssl.SSLObject,
        flusher: Flusher,
        connections: Connections,
        max_message: int,
    ) -> None:
        super().__init__(sock.fileno(), flusher, connections, max_message)
        self._sock = sock
        self._tls = tls

    def start(self, receiver: Receiver, early: bytes) -> None:
        super().start(receiver, early)
        if self.fd >= 0 and self._tls.pending():  # of the record the handshake came in
            self._readable()

    def _receive(self, size: int) -> bytes:
        try:
            return self._tls.read(max(size, _RECORD))
        except _WANTS:
            raise BlockingIOError from None
        except _ENDS:
            return b""

    def _send(self, data: bytes | memoryview) -> int:
        sent, view = 0, memoryview(data)
        try:
            while sent < len(data):
                sent += self._tls.write(view[sent:])  # a record at a time
        except _WANTS:
            pass  # the rest is offered again, unchanged, as OpenSSL demands
        return sent

    def _shut_down(self) -> None:
        with suppress(OSError):  # close_notify; its answer is not waited for
            self._tls.shutdown()
        self._sock.shutdown(_socket.SHUT_WR)

    def _close(self, fd: int, reset: bool) -> None:
        self._sock.detach()
        super()._close(fd, reset)
