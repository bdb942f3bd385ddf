"""One raw WebSocket handshake, up to the server's first Engine.IO packet: what a browser needs."""

import base64
import hashlib
import os
import socket
from contextlib import closing
from urllib.parse import urlsplit

from mechamap.cli.door import Door, why

PATH = "/socket.io/?EIO=4&transport=websocket"
TIMEOUT = 5.0
MAX_HEAD = 16_384
"""Bytes of an answer's head; nginx allows 8 KB."""
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class HandshakeFailed(Exception):
    """``str`` says what came instead, in words that can end a sentence."""


def handshake(door: Door, origin: str) -> None:
    """Open a WebSocket at the door, read the server's greeting, leave.

    Raises:
        HandshakeFailed
    """
    key = base64.b64encode(os.urandom(16))
    try:
        with closing(_connected(door)) as connection:
            connection.sendall(_request(door, origin, key))
            head, rest = _head(connection)
            _check_upgrade(head, key)
            _check_greeting(connection, rest)
    except OSError as err:
        raise HandshakeFailed(why(err)) from err


def _connected(door: Door) -> socket.socket:
    parts = urlsplit(door.base_url)
    context = door.tls()
    address = (parts.hostname or "", parts.port or (443 if context else 80))
    connection = socket.create_connection(address, timeout=TIMEOUT)
    if context is None:
        return connection
    try:
        return context.wrap_socket(connection, server_hostname=parts.hostname)
    except OSError:
        connection.close()
        raise


def _request(door: Door, origin: str, key: bytes) -> bytes:
    parts = urlsplit(door.base_url)
    lines = (
        f"GET {parts.path.rstrip('/')}{PATH} HTTP/1.1",
        f"Host: {parts.netloc.rpartition('@')[2]}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key.decode()}",
        f"Origin: {origin}",
        "User-Agent: flask doctor",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _head(connection: socket.socket) -> tuple[bytes, bytes]:
    """Status line and headers, and what was read beyond them."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(4096)
        if not piece:
            raise HandshakeFailed("the connection was closed without an answer")
        received += piece
        if len(received) > MAX_HEAD:
            raise HandshakeFailed("the answer's head is endless")
    head, _, rest = received.partition(b"\r\n\r\n")
    return head, rest


def _check_upgrade(head: bytes, key: bytes) -> None:
    lines = head.decode("latin-1").split("\r\n")
    status = (lines[0].split(" ") + ["", ""])[1]
    if status != "101":
        raise HandshakeFailed(f"the answer is HTTP {status or 'nonsense'} instead of 101")
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
    }
    expected = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest()).decode()
    if headers.get("sec-websocket-accept") != expected:
        raise HandshakeFailed("the 101 does not answer this request (Sec-WebSocket-Accept)")


def _check_greeting(connection: socket.socket, received: bytes) -> None:
    """The first frame is Engine.IO's «open»: a text frame that begins with 0{."""
    while len(received) < 2 or len(received) < _offset(received) + 2:
        piece = connection.recv(4096)
        if not piece:
            raise HandshakeFailed("the connection was closed right after the upgrade")
        received += piece
    start = _offset(received)
    if received[0] != 0x81 or received[start : start + 2] != b"0{":
        raise HandshakeFailed("what answers behind the upgrade is not Socket.IO")


def _offset(frame: bytes) -> int:
    """Where the payload of a server's frame begins: after 2 bytes, or 2 or 8 more of length."""
    return {126: 4, 127: 10}.get(frame[1] & 0x7F, 2)
