"""The body of a request: read within a deadline, and not read at all when nobody wants it.

gevent 26.9.0's pywsgi times each `recv` alone, so a body that drips a byte every 19 s is read for
days; and it reads a refused upload to its end, however long that is declared to be.
"""

import socket

import gevent
from gevent.pywsgi import Input

UNREAD_LIMIT = 65_536  # bytes of an ignored body worth reading to keep the connection
LINGER_SECONDS = 2.0
LINGER_BYTES = 8_388_608


class _Within:
    """A file whose reads share one deadline."""

    def __init__(self, file, seconds: float) -> None:
        self._file = file
        self._left = seconds
        self._now = gevent.get_hub().loop.now

    def read(self, size: int) -> bytes:
        return self._timed(self._file.read, size)

    def readline(self, size: int) -> bytes:
        return self._timed(self._file.readline, size)

    def _timed(self, function, size: int) -> bytes:
        began = self._now()
        try:
            with gevent.Timeout(self._left, TimeoutError("the request body came too slowly")):
                return function(size)
        finally:
            self._left = max(0.0, self._left - (self._now() - began))


class Body(Input):
    """`wsgi.input` with a deadline for the whole of it."""

    __slots__ = ("unread",)

    def __init__(self, file, content_length: int | None, sock, *, chunked: bool, seconds: float) -> None:
        super().__init__(_Within(file, seconds), content_length, socket=sock, chunked_input=chunked)
        self.unread = False  # whether the connection has to be closed because the body is still in it

    def _discard(self) -> None:
        if self.chunked_input or (self.content_length or 0) - self.position > UNREAD_LIMIT:
            self.unread = not (self.chunked_input and self.chunk_length == 0)
        else:
            super()._discard()


def linger(file, sock) -> None:
    """Read on for a moment before closing: input left unread resets the connection, and the answer is lost to
    a client that was still sending (PHP and curl send the whole body before they look).
    """
    left = LINGER_BYTES
    try:
        if not hasattr(sock, "pending"):  # half a TLS connection cannot be closed
            sock._sock.shutdown(socket.SHUT_WR)
        with gevent.Timeout(LINGER_SECONDS, TimeoutError("still sending")):
            while left > 0 and (data := file.read1(65_536)):
                left -= len(data)
    except (OSError, ValueError):
        pass
