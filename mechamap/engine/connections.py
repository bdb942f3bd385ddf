"""The open connections of a worker, over all its listeners: how many there may be, and their end."""

from __future__ import annotations

import resource
from typing import Protocol

_OTHER_DESCRIPTORS = 128  # listeners, log files, database and Redis connections, the event loop


class Connection(Protocol):
    """What can be hung up while it waits for a request."""

    idle: bool

    def hang_up(self) -> None: ...


class Connections:
    """Up to `limit` everything is served. Above it, `reserve` more are accepted for short requests such as
    health checks, and the application is told (`engine.full`) to refuse new sessions. Above that: 503.
    """

    def __init__(self, limit: int, reserve: int = 64) -> None:
        self.limit = limit
        self.reserve = reserve
        self.draining = False
        self._open: set[Connection] = set()

    def __len__(self) -> int:
        return len(self._open)

    @property
    def full(self) -> bool:
        return len(self._open) > self.limit

    @property
    def exhausted(self) -> bool:
        return len(self._open) > self.limit + self.reserve

    def add(self, connection: Connection) -> None:
        self._open.add(connection)

    def remove(self, connection: Connection) -> None:
        self._open.discard(connection)

    def drain(self) -> None:
        """Close what is idle; what is busy closes after its answer."""
        self.draining = True
        for connection in self._open:
            if connection.idle:
                connection.hang_up()


def descriptors_for(connections: int) -> int:
    """Raise the limit of open files as far as needed and allowed; how many connections it leaves room for.

    Running out of descriptors would fail every accept, health checks included; the limit has to come first.
    """
    needed = connections + _OTHER_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(connections, soft - _OTHER_DESCRIPTORS)
