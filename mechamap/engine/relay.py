"""A relay: bytes both ways between a TLS connection and the worker that owns its session.

A TLS connection cannot change its process, its keys live in this one. So one end of a socket pair is handed
over instead of it, and this worker goes on to encrypt and decrypt until either side ends.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import gevent

if TYPE_CHECKING:
    from gevent.socket import socket as Socket

    from .incoming import Incoming

_READ_SIZE = 65_536


def relay(client: Socket, incoming: Incoming, inner: Socket, write_timeout: float) -> None:
    """Copy until either side ends; `inner` is closed afterwards, `client` is left to the caller.

    There is no deadline for silence: the owner keeps the session's time and closes its end, and the kernel
    closes it when the owner dies. A client that takes nothing for `write_timeout` seconds is given up.
    """
    client.settimeout(None)
    incoming.patience = math.inf
    inner.settimeout(None)
    upward = gevent.spawn(_up, incoming, inner)
    try:
        while data := inner.recv(_READ_SIZE):
            with gevent.Timeout(write_timeout, TimeoutError("the client does not read")):
                client.sendall(data)
    except OSError:
        pass  # either side went away, which is how relays end
    finally:
        upward.kill()
        inner.close()


def _up(incoming: Incoming, inner: Socket) -> None:
    try:
        # read1 gives first what the HTTP parser read beyond the request head
        while data := incoming.read1(_READ_SIZE):
            inner.sendall(data)
    except OSError:
        pass
    finally:
        _end(inner)


def _end(inner: Socket) -> None:
    # both directions: a client that has gone wants no answer, and the reader above must wake
    try:
        inner._sock.shutdown(2)
    except OSError:
        pass  # the owner was first
