"""Handover: one client's connection, passed from one worker to another over a private unix socket.

What travels is the descriptor itself (SCM_RIGHTS) together with what the first worker knows: the client's
address and the bytes it has read already. The scheme goes without saying, as the workers of one master have
one configuration. Nothing of it is an HTTP header, so nothing a client writes can pretend to be it. On a
connection between two workers there is exactly one message: a length, one line of JSON, the bytes.

Three steps, so that exactly one worker serves the connection whoever dies or freezes in between: the
message, the owner's word that it has it, and the go-ahead. An owner that hears no go-ahead drops its copy; a
worker that got no answer in time goes on serving.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import struct
import time
from dataclasses import dataclass

import gevent
from gevent import monkey
from gevent.socket import socket as Socket

MAX_BYTES = 131_072  # of one message; what browsers and proxies send as a request head is below 32 KiB
PATIENCE = 1.0  # seconds for a worker to take a message; the client waits meanwhile
_RETRY = 0.01
_TAKEN, _GO = b"t", b"g"
_LENGTH = struct.Struct("!I")


class Broken(Exception):
    """What came over the private socket is not a whole message."""


@dataclass(frozen=True, slots=True)
class Handover:
    """What must be known to go on where another worker stopped."""

    address: tuple | str  # as accept() gave it
    data: bytes

    def encode(self) -> bytes:
        meta = json.dumps(self.address).encode()
        body = meta + b"\n" + self.data
        return _LENGTH.pack(len(body)) + body

    @classmethod
    def decode(cls, body: bytes) -> Handover:
        meta, _, data = body.partition(b"\n")
        try:
            address = json.loads(meta)
        except ValueError:
            raise Broken("the address is not JSON") from None
        if not isinstance(address, list | str):
            raise Broken("the address is neither a list nor text")
        return cls(tuple(address) if isinstance(address, list) else address, data)


def send(path: str, descriptor: int, handover: Handover) -> bool:
    """Give a copy of the descriptor to the worker listening at `path`; False when none takes it in time, and
    then none will.
    """
    message = handover.encode()
    with Socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        try:
            with gevent.Timeout(PATIENCE, TimeoutError("the worker does not take it")):
                _connect(channel, path)
                sent = socket.send_fds(channel, [message], [descriptor])
                channel.sendall(message[sent:])
                if channel.recv(1) != _TAKEN:
                    return False
                channel.sendall(_GO)
        except OSError:  # no such worker, a dead one, a frozen one
            return False
    return True


def _connect(channel: Socket, path: str) -> None:
    # gevent 26.9.0 waits for an unconnected unix socket to become writable, which it always is: with the
    # other side's queue full, connect() would spin
    deadline = time.monotonic() + PATIENCE
    while (code := channel._sock.connect_ex(path)) == errno.EAGAIN and time.monotonic() < deadline:
        gevent.sleep(_RETRY)
    if code:
        raise OSError(code, os.strerror(code))


def unwatch(sock: Socket) -> None:
    """Take a socket that lives on elsewhere out of this worker's event loop, before it is closed here.

    Linux keeps a registration with epoll until the last copy of the descriptor is closed, wherever that is.
    libev 4.33 (gevent 26.9.0) leaves it there; when the client then sends its next byte, to its new worker,
    libev is told of a descriptor it does not know and builds its whole set anew: one system call for each of
    this worker's connections.
    """
    loop = gevent.get_hub().loop
    if getattr(loop, "backend", "") != "epoll":
        return
    epoll = monkey.get_original("select", "epoll")
    with epoll.fromfd(os.dup(loop.fileno())) as registered:  # closes what it was made from
        try:
            registered.unregister(sock.fileno())
        except FileNotFoundError:
            pass  # its request was there before anybody had to wait for it


def receive(channel: Socket) -> tuple[Socket, Handover]:
    """Take the message of a worker that has just connected; OSError or Broken when it is not whole."""
    descriptors: list[int] = []
    try:
        with gevent.Timeout(PATIENCE, TimeoutError("the message came too slowly")):
            body = _read(channel, descriptors)
            if len(descriptors) != 1:
                raise Broken("a message carries one descriptor")
            handed = Handover.decode(body)
            channel.sendall(_TAKEN)
            if channel.recv(1) != _GO:
                raise Broken("the other worker has given up")
        return Socket(fileno=descriptors.pop()), handed
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _read(channel: Socket, descriptors: list[int]) -> bytes:
    data, whole = b"", _LENGTH.size
    while len(data) < whole:
        more, received, _, _ = socket.recv_fds(channel, 65_536, 1)
        descriptors += received
        if not more:
            raise Broken("the message ended early")
        data += more
        if len(data) >= _LENGTH.size:
            whole = _LENGTH.size + _LENGTH.unpack_from(data)[0]
            if whole > MAX_BYTES + 1024:
                raise Broken(f"a message is limited to {MAX_BYTES} bytes")
    if len(data) > whole:
        raise Broken("the message is longer than it says")
    return data[_LENGTH.size :]
