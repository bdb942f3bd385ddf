"""The body of a request: read within a deadline, and not read at all when nobody wants it.

gevent 26.9.0's pywsgi times each `recv` alone, so a body that drips a byte every 19 s is read for days; it
reads a refused upload to its end, however long that is declared to be; and where a body came too slowly it
takes the rest for a request, or, where it was never asked for with 100 Continue, a request for the body.
"""

import socket

from gevent.pywsgi import Input

from .incoming import Incoming

UNREAD_LIMIT = 65_536  # bytes of an ignored body worth reading to keep the connection
LINGER_SECONDS = 2.0
LINGER_BYTES = 8_388_608


class Body(Input):
    """`wsgi.input`. The deadline is the patience of what it reads from."""

    __slots__ = ("unread",)

    def __init__(self, file: Incoming, content_length: int | None, sock, *, chunked: bool) -> None:
        """`sock`: where to say 100 Continue before the first read, or None."""
        super().__init__(file, content_length, socket=sock, chunked_input=chunked)
        self.unread = False  # whether the connection has to be closed because the body is still in it

    def _discard(self) -> None:
        if self.chunked_input:
            self.unread = self.chunk_length != 0 or self._chunked_input_error
        elif (left := (self.content_length or 0) - self.position) > UNREAD_LIMIT or (left and self.socket):
            self.unread = True  # with a socket, the client still waits to be asked and may never send it
        elif left:
            try:
                super()._discard()
            finally:
                self.unread = self.position < self.content_length


def linger(file: Incoming, sock) -> None:
    """Read on for a moment before closing: input left unread resets the connection, and the answer is lost to
    a client that was still sending (PHP and curl send the whole body before they look).
    """
    left = LINGER_BYTES
    file.patience = LINGER_SECONDS
    try:
        if not hasattr(sock, "pending"):  # half a TLS connection cannot be closed
            sock._sock.shutdown(socket.SHUT_WR)
        while left > 0 and (data := file.read1(65_536)):
            left -= len(data)
    except OSError:
        pass
