"""The connection on which Laravel's Redis is heard: follows ``<prefix>*`` and does nothing but read."""

import re
import socket
import threading
import time
from collections.abc import Callable

import redis

from ..broker.connection import listening_connection
from .push_reader import Oversized, PushReader

TICK = 0.25
"""Seconds after which a silent connection looks whether it is still wanted."""
QUIET = 1.0
"""Seconds of silence after which Redis is asked for a sign of life."""
DEAF = 5.0
"""Seconds without any sign after which the connection is given up."""
CHUNK = 262_144
BURST = 0.005
"""Seconds after which others get a turn even though more messages wait."""

Receive = Callable[[bytes, bytes | Oversized], None]


class Subscription:
    """One connection's life. ``receive`` takes (pub/sub channel, message) and must not raise."""

    def __init__(self, url: str, prefix: str, max_message: int, receive: Receive) -> None:
        self._connection = listening_connection(url, timeout=TICK)
        self._pattern = pattern_of(prefix)
        self._reader = PushReader(self._pattern, max_message)
        self._receive = receive
        self._stopping = threading.Event()

    @property
    def hearing(self) -> bool:
        """Whether Redis confirmed that messages come."""
        return self._reader.subscribed

    def stop(self) -> None:
        """End ``run`` within ``TICK``."""
        self._stopping.set()

    def run(self) -> None:
        """Read until ``stop``.

        Raises:
            redis.RedisError, OSError, ProtocolError: the connection ended.
        """
        try:
            # redis-py connects (TLS, password, unix socket); afterwards the socket is ours alone.
            self._connection.connect()
            sock = self._connection._get_socket()
            if sock is None:
                raise redis.ConnectionError("the connection ended at once")
            sock.settimeout(TICK)
            self._send(sock, b"PSUBSCRIBE", self._pattern)
            self._read(sock)
        finally:
            self._connection.disconnect()

    def _read(self, sock: socket.socket) -> None:
        heard = turn = time.monotonic()
        asked = False
        while not self._stopping.is_set():
            try:
                data = sock.recv(CHUNK)
            except TimeoutError:
                turn = time.monotonic()
                if turn - heard > DEAF:
                    raise redis.TimeoutError("no sign of life") from None
                if turn - heard > QUIET and not asked:
                    asked = True
                    self._send(sock, b"PING")
                continue
            if not data:
                raise redis.ConnectionError("Redis closed the connection")
            heard, asked = time.monotonic(), False
            for channel, message in self._reader.feed(data):
                self._receive(channel, message)
            if heard - turn > BURST:
                # A sleep of zero would not let gevent look at its sockets.
                time.sleep(0.00001)
                turn = time.monotonic()

    def _send(self, sock: socket.socket, *command: bytes) -> None:
        for piece in self._connection.pack_command(*command):
            sock.sendall(piece)


def pattern_of(prefix: str) -> bytes:
    """The glob that matches what begins with ``prefix``, taken literally."""
    return re.sub(rb"([*?\[\]\\])", rb"\\\1", prefix.encode()) + b"*"
