"""Incoming: the bytes of one HTTP connection, read for the parser and the body, with one account of patience.

Stands where gevent 26.9.0's pywsgi has a BufferedReader (8 KB each, used or not) and its callers a
`gevent.Timeout` around every read. Here a timer exists only while a read waits, and time is counted over all
the reads of one purpose, so dripping bytes buys a peer nothing.

gevent's `recv` does not switch when data is there, so a publisher that always has some would keep the worker
to itself. Only the first read of a connection is tried at once; every other waits until the event loop, which
has then served all the others, says that there is something. That costs 2 us, and saves the `recv` that finds
nothing.
"""

from __future__ import annotations

import errno
import math
import ssl
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import gevent

from .turn import breathe

if TYPE_CHECKING:
    from gevent.socket import socket as Socket

_READ = 8_192
_READ_MOST = 65_536  # for a large body
_RECORD = 16_384  # the largest a TLS record is; one read takes all of it, so nothing stays inside OpenSSL
_ENDS = (ssl.SSLZeroReturnError, ssl.SSLEOFError)


class Incoming:
    """A readable binary file as far as pywsgi needs one.

    `patience` is how many seconds it will still wait for the peer, all reads together; whoever reads for a
    new purpose sets it anew. Reads raise TimeoutError when it is used up.
    """

    __slots__ = ("_at", "_data", "_fresh", "_sock", "closed", "patience")

    def __init__(self, sock: Socket, data: bytes = b"") -> None:
        """`data` came before what the socket will give."""
        self._sock = sock
        self._data = data
        self._at = 0  # what is before has been consumed
        self._fresh = True  # nothing has been asked for yet
        self.patience = math.inf
        self.closed = False

    def await_more(self) -> bool:
        """Give the others their turn, then wait for the next byte; False when the peer has finished."""
        if self._at == len(self._data):
            return self._fill()
        if not self._fresh:
            breathe()
        self._fresh = False
        return True

    def through(self, end_of: Callable[[bytes, int], int]) -> bytes:
        """What comes up to the end that `end_of(data, searched)` finds, which gives 0 to see more.

        EOFError when the peer finishes before.
        """
        searched = 0
        if self._at:
            self._data, self._at = self._data[self._at :], 0
        while not (end := end_of(self._data, searched)):
            searched = len(self._data)
            if not self._fill():
                raise EOFError("the peer finished in the middle")
        self._at = end
        return self._data[:end]

    def ahead(self) -> bytes:
        """What was read and not consumed, left in its place."""
        return self._data[self._at :]

    def read(self, size: int) -> bytes:
        """`size` bytes, fewer only at the end."""
        if self._at + size <= len(self._data):
            return self._take(size)
        parts = [self._take(size)]
        missing = size - len(parts[0])
        while missing and self._fill(missing):
            parts.append(self._take(missing))
            missing -= len(parts[-1])
        return b"".join(parts)

    def read1(self, size: int) -> bytes:
        """Up to `size` bytes, as soon as there are any; nothing only at the end."""
        if self._at == len(self._data):
            self._fill(size)
        return self._take(size)

    def readline(self, size: int) -> bytes:
        """Up to a line feed, at most `size` bytes."""
        parts: list[bytes] = []
        while size and (self._at < len(self._data) or self._fill()):
            end = self._data.find(b"\n", self._at, self._at + size)
            parts.append(self._take(size if end < 0 else end + 1 - self._at))
            size = 0 if end >= 0 else size - len(parts[-1])
        return b"".join(parts)

    def close(self) -> None:
        self.closed = True
        self._data, self._at = b"", 0

    def _take(self, size: int) -> bytes:
        at = self._at
        taken = self._data[at : at + size]
        self._at = at + len(taken)
        if self._at == len(self._data):
            self._data, self._at = b"", 0
        return taken

    def _fill(self, wanted: int = 0) -> bool:
        more = self._receive(min(max(wanted, _READ), _READ_MOST))
        self._fresh = False
        if self._at < len(self._data):
            self._data = self._data[self._at :] + more
        else:
            self._data = more
        self._at = 0
        return bool(more)

    def _receive(self, size: int) -> bytes:
        waits = not self._fresh
        while True:
            if waits:
                self._wait(self._sock._read_event)
            try:
                return self._sock._sock.recv(size)
            except BlockingIOError:
                waits = True

    def _wait(self, watcher) -> None:
        hub = gevent.get_hub()
        if self.patience == math.inf:
            hub.wait(watcher)
            return
        if self.patience <= 0:
            raise TimeoutError("the peer is too slow")
        began = time.monotonic()
        timer = hub.loop.timer(self.patience)
        timer.start(gevent.getcurrent().throw, TimeoutError("the peer is too slow"), update=True)
        try:
            hub.wait(watcher)
        finally:
            timer.stop()
            timer.close()
            self.patience -= time.monotonic() - began


class SecureIncoming(Incoming):
    """The same over TLS. What is inside OpenSSL makes no descriptor readable."""

    __slots__ = ()

    def _receive(self, size: int) -> bytes:
        tls = self._sock._sslobj
        if tls is None:
            raise OSError(errno.EBADF, "the TLS connection is closed")
        if not self._fresh and not tls.pending():
            self._wait(self._sock._read_event)
        while True:
            try:
                return tls.read(max(size, _RECORD))
            except ssl.SSLWantReadError:
                self._wait(self._sock._read_event)
            except ssl.SSLWantWriteError:
                self._wait(self._sock._write_event)
            except _ENDS:
                return b""
            except ssl.SSLError as err:
                raise ConnectionResetError(errno.ECONNRESET, "TLS is broken") from err


def incoming(sock: Socket, data: bytes = b"") -> Incoming:
    """The reader for a plain or a TLS socket."""
    return SecureIncoming(sock, data) if isinstance(sock, ssl.SSLSocket) else Incoming(sock, data)
