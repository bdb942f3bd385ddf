"""The subscribed connection of one worker: follows pub/sub channels, hands messages on, reconnects.

Not redis-py's ``PubSub``: there SUBSCRIBE returns before Redis confirmed it, a second thread may not send
while one reads, and reconnecting is entangled with retries. Here the reading thread alone opens and closes
the connection; others only send on it, under a lock. Redis answers SUBSCRIBE and UNSUBSCRIBE in order, once
per channel named, so "everything sent so far is confirmed" is a comparison of two counters.
"""

import logging
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterable
from itertools import islice

import redis

log = logging.getLogger(__name__)

QUIET = 1.0
"""Seconds without a message after which Redis is asked for a sign of life, and the longest a send may
take."""
DEAF = 3.0
"""Seconds without any sign after which the link counts as down."""
GIVE_UP = 6.0
"""Seconds without any sign after which the connection is replaced. Longer than ``DEAF``: a Redis that stalled
and woke up still holds what was published meanwhile, and a new connection would lose it."""
FIRST_RETRY, LAST_RETRY = 0.02, 2.0
"""Seconds before the first attempt to return, doubled up to the last. Three quarters of it are chance."""
NAMES = 1000
"""Channels per SUBSCRIBE."""
BURST = 0.01
"""Seconds after which other greenlets get a turn even though more messages wait."""

Deliver = Callable[[bytes, bytes], None]
"""Takes (pub/sub channel, message); must not raise."""


class Listener:
    """``run`` is its thread's body; the rest may be called from anywhere.

    ``always`` is followed from the beginning. ``on_ready`` is called, in the listener's thread, each time a
    new connection follows everything again; it fetches what was missed, so messages that came before are not
    handed on. By its errors of Redis the attempt has failed.
    """

    def __init__(
        self,
        connect: Callable[[], redis.Connection],
        always: str,
        deliver: Deliver,
        on_ready: Callable[[], None],
    ) -> None:
        self._connect = connect
        self._deliver = deliver
        self._on_ready = on_ready
        self._following = {always}
        self._sending = threading.Lock()  # taken before _changed, never after
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._connection: redis.Connection | None = None
        self._sent = self._confirmed = self._needed = 0
        self._ready = False
        self._attempted = False
        self._heard = 0.0
        self._pinged = False
        self.connects = 0
        self.failure = "connecting"

    @property
    def hearing(self) -> bool:
        """Whether what is published now reaches this worker, as far as can be known."""
        return self._ready and time.monotonic() - self._heard < DEAF

    @property
    def _agreed(self) -> bool:
        return self._ready and self._confirmed >= self._sent

    def attempted(self, timeout: float) -> None:
        """Wait until the first attempt to connect has ended, well or badly."""
        if not self._attempted:
            with self._changed:
                self._changed.wait_for(lambda: self._attempted, timeout)

    def follow(self, names: Iterable[str]) -> None:
        """Subscribe to the names not followed yet, now or as soon as there is a connection."""
        with self._sending:
            new = [name for name in names if name not in self._following]
            self._following.update(new)
            self._send(b"SUBSCRIBE", new)

    def leave(self, names: Iterable[str]) -> None:
        """Unsubscribe from those of the names that are followed."""
        with self._sending:
            old = [name for name in names if name in self._following]
            self._following.difference_update(old)
            self._send(b"UNSUBSCRIBE", old)

    def settled(self, timeout: float) -> bool:
        """Wait until Redis confirmed everything asked so far; False if it did not in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._agreed or self._stopping.is_set(), timeout)
            return self._agreed

    def stop(self) -> None:
        """End ``run`` soon."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        self.hang_up()

    def hang_up(self) -> None:
        """Make the reading thread see the end of the connection and replace it."""
        connection = self._connection
        sock = connection._get_socket() if connection is not None else None
        if sock is None:
            return
        try:
            # Through a second descriptor: shutdown() of a TLS socket takes its TLS away under the reader.
            with socket.socket(fileno=os.dup(sock.fileno())) as twin:
                twin.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # ended already

    def run(self) -> None:
        """Listen until ``stop``."""
        delay = FIRST_RETRY
        while not self._stopping.is_set():
            connection = self._connect()
            try:
                connection.connect()
                self._begin(connection)
                self._read(connection)
            except (redis.RedisError, OSError) as err:
                # The class only: texts of redis-py name the address.
                self.failure = type(err).__name__
                delay = FIRST_RETRY if self._ready else min(LAST_RETRY, delay * 2)
                if not self._stopping.is_set():
                    # A warning when it goes down or does not come up, not for every attempt after that.
                    level = logging.WARNING if self._ready or not self._attempted else logging.DEBUG
                    log.log(level, "broker_listener_down", extra={"error": self.failure})
            finally:
                self._end(connection)
            # Most of the delay is chance, so that the workers of a machine do not return in step.
            self._stopping.wait(delay * random.uniform(0.25, 1.0))

    def _begin(self, connection: redis.Connection) -> None:
        with self._sending:
            with self._changed:
                self._connection = connection
                self._sent = self._confirmed = 0
                self._needed = len(self._following)
                self._heard = time.monotonic()
                self._pinged = False
            self._send(b"SUBSCRIBE", list(self._following))

    def _end(self, connection: redis.Connection) -> None:
        with self._sending:
            with self._changed:
                self._connection = None
                self._ready = False
                self._attempted = True
                self._changed.notify_all()
            connection.disconnect()

    def _read(self, connection: redis.Connection) -> None:
        turn = time.monotonic()
        while not self._stopping.is_set():
            try:
                message = connection.read_response(disable_decoding=True, disconnect_on_error=False)
            except redis.TimeoutError:
                turn = time.monotonic()
                if turn - self._heard > GIVE_UP:
                    raise
                self._ping()
                continue
            now = self._heard = time.monotonic()
            self._pinged = False
            if isinstance(message, list):
                self._receive(message)
            if now - turn > BURST:
                # A sleep of zero would not let gevent look at its sockets.
                time.sleep(0.00001)
                turn = time.monotonic()

    def _receive(self, message: list) -> None:
        kind = message[0]
        if kind == b"message":
            if self._ready:
                self._deliver(message[1], message[2])
        elif kind in (b"subscribe", b"unsubscribe"):
            with self._changed:
                self._confirmed += 1
                if self._confirmed >= self._sent:
                    self._changed.notify_all()
            if not self._ready and self._confirmed >= self._needed:
                self._become_ready()

    def _become_ready(self) -> None:
        self._on_ready()
        self._heard = time.monotonic()
        self.failure = "no sign of life"
        self.connects += 1
        log.info("broker_listener_up", extra={"channels": self._needed, "connects": self.connects})
        with self._changed:
            self._ready = self._attempted = True
            self._changed.notify_all()

    def _ping(self) -> None:
        if not self._pinged:
            self._pinged = True
            with self._sending:
                self._write(b"PING")

    def _send(self, command: bytes, names: list[str]) -> None:
        if self._connection is None:
            return
        rest = iter(names)
        while chunk := list(islice(rest, NAMES)):
            with self._changed:
                self._sent += len(chunk)
            self._write(command, *chunk)

    def _write(self, *command: bytes | str) -> None:
        # Not connection.send_command: on an error it closes, and on a closed one reconnects, in whichever
        # thread calls it, while the listener reads from the same object (redis-py 8.1.0).
        connection = self._connection
        sock = connection._get_socket() if connection is not None else None
        if sock is None:
            return
        try:
            for piece in connection.pack_command(*command):
                sock.sendall(piece)
        except OSError:
            self.hang_up()  # half a command may be out
