"""The roster of live connections and workers, cluster-wide."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ConnectionRecord:
    """One live connection as operators may see it: no token, no Engine.IO id.

    Attributes:
        sid: the public Socket.IO id.
        worker: id of the worker that holds it.
        transport: ``websocket`` or ``polling``.
        kind: how the person proved who they are (``jwt``, ``sanctum``).
        connected_at, expires_at: Unix seconds; ``expires_at`` None for tokens without an end.
        channels: the names it subscribed to, in its own spelling.
    """

    sid: str
    user_id: int
    name: str | None
    role: str | None
    worker: str
    transport: str
    address: str | None
    user_agent: str | None
    kind: str
    connected_at: float
    expires_at: float | None
    channels: tuple[str, ...] = ()

    def record(self) -> "ConnectionRecord":
        """Itself: a record is live too, and never changes."""
        return self


class Live(Protocol):
    """A live connection as its worker holds it; ``record`` tells what it is now."""

    @property
    def sid(self) -> str: ...

    @property
    def user_id(self) -> int: ...

    @property
    def connected_at(self) -> float: ...

    def record(self) -> ConnectionRecord:
        """Neither waits nor fails."""


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """One live worker. Times are Unix seconds, ``memory`` is resident bytes."""

    id: str
    slot: int
    pid: int
    host: str
    started_at: float
    connections: int
    memory: int
    draining: bool = False


class Roster(Protocol):
    """Every live connection of every live worker.

    A worker's entries end with its lease at the latest (10 s after it died); a clean stop removes them at
    once.
    """

    def record(self, connection: Live) -> None:
        """Add or replace this worker's connection, or tell that it changed. The roster keeps the object
        instead of a copy. Visible cluster-wide within 0.5 s; never raises, never waits: while Redis is away
        entries are kept and written on its return."""

    def forget(self, sid: str) -> None:
        """Remove this worker's connection; unknown ids are ignored. Same timing as ``record``."""

    def connections(
        self, *, user_id: int | None = None, sid: str | None = None, limit: int = 1000
    ) -> list[ConnectionRecord]:
        """Live connections, newest first.

        Raises:
            BrokerUnavailable: the cluster cannot be asked.
        """

    def totals(self) -> tuple[int, int]:
        """(connections, distinct users) over all workers, at a cost that does not grow with the size of the
        records read.

        Raises:
            BrokerUnavailable
        """

    def workers(self) -> list[WorkerRecord]:
        """Live workers by slot.

        Raises:
            BrokerUnavailable
        """


class RosterLink(Protocol):
    """The life of a roster inside a worker. Reading works without ``start`` (command line)."""

    def start(self, describe: Callable[[], WorkerRecord]) -> None:
        """Begin to keep this worker's lease; ``describe`` is called at each renewal."""

    def stop(self) -> None:
        """Give up the lease: this worker and its connections leave the roster now."""
