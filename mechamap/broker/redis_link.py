"""What one worker hears from Redis, channel by channel, in order and without holes; and whether it does."""

import logging
import threading
from collections.abc import Callable, Collection

import redis

from ..domain.errors import BrokerUnavailable
from ..domain.history import Position
from .backfill import Backfill
from .connection import listening_connection
from .delivery import Delivery
from .dispatch import Dispatch
from .lease import LeasedTables
from .listener import QUIET, Listener
from .progress import Progress
from .protocol import BrokerEvents, BrokerState
from .receiver import COMMANDS, Receiver
from .sequence import Logs
from .subscriptions import Subscriptions
from .supervision import join, supervised
from .topology import Primary

log = logging.getLogger(__name__)

FIRST_CONNECT = 1.0
"""Seconds a publisher waits, once, for a worker that has only just started."""


class RedisLink:
    """``tables`` and ``logs`` are those in Redis; what a break was for is learnt by ``dispatch``.

    ``on_lost`` is called with a name if a thread ends by an error it should not have: the worker is then deaf
    for good and had better be replaced.
    """

    def __init__(
        self,
        url: str,
        prefix: str,
        primary: Primary | None,
        tables: LeasedTables,
        logs: Logs,
        dispatch: Dispatch,
        on_lost: Callable[[str], None],
    ) -> None:
        self._prefix = prefix
        self._primary = primary
        self._tables = tables
        self._logs = logs
        self._dispatch = dispatch
        self._on_lost = on_lost
        self._listener = Listener(
            lambda: listening_connection(url, timeout=QUIET, primary=primary),
            f"{prefix}:{COMMANDS}",
            self._receive,
            self._reconnected,
        )
        if primary is not None:
            # A connection to the old primary may stay open and silent.
            primary.on_move = self._listener.hang_up
        self._subscriptions = Subscriptions(self._listener, tables, f"{prefix}:channel:", self._follows)
        self._progress = Progress()
        self._delivery: Delivery | None = None
        self._receiver: Receiver | None = None
        self._backfill: Backfill | None = None
        self._threads: list[threading.Thread] = []

    @property
    def started(self) -> bool:
        """Whether a worker hears by it, and not only publishes."""
        return self._delivery is not None

    def position(self, channel: str) -> Position:
        return self._progress.position_of(channel)

    def subscribe(self, channel: str) -> None:
        if self._delivery is None:
            raise BrokerUnavailable("No worker runs in this process: the subscription was refused.")
        self._subscriptions.add(channel)

    def unsubscribe(self, channel: str) -> None:
        self._subscriptions.remove(channel)

    def start(self, events: BrokerEvents) -> None:
        if self._threads:
            raise RuntimeError("the broker was started before")
        self._delivery = Delivery(events)
        self._receiver = Receiver(self._delivery, self._progress, self._prefix)
        self._backfill = Backfill(self._logs, self._progress, self._receiver.take, self._delivery.gap)
        # Commands are followed from the beginning: the first place this worker knows is theirs.
        self._progress.place((COMMANDS,), Position("", 0))
        self._threads = [
            supervised("broker-listener", self._listener.run, self._on_lost),
            supervised("broker-subscriptions", self._subscriptions.run, self._on_lost),
        ]
        if self._primary is not None:
            self._threads.append(supervised("broker-primary", self._primary.watch, self._on_lost))

    def stop(self) -> None:
        if self._primary is not None:
            self._primary.stop()
        self._subscriptions.stop()
        self._listener.stop()
        for thread in self._threads:
            join(thread, 2.0)
        if self._delivery is not None:
            try:
                self._tables.release()
            except redis.RedisError as err:
                log.info("broker_lease_not_released", extra={"error": type(err).__name__})
        self._delivery = None

    def state(self) -> BrokerState:
        """Of a link that was started."""
        if not all(thread.is_alive() for thread in self._threads):
            return BrokerState(
                False, "redis", "A thread of the broker has ended: this worker must be replaced."
            )
        if not self._listener.hearing:
            return BrokerState(
                False, "redis", f"This worker hears nothing from Redis ({self._listener.failure})."
            )
        if not self._subscriptions.leased:
            return BrokerState(
                False, "redis", "This worker's lease could not be renewed: Redis takes no writes."
            )
        return BrokerState(True, "redis", "Connected.")

    def stats(self) -> dict[str, int]:
        """Counters since ``start``, under the names every broker uses."""
        delivery, receiver, backfill = self._delivery, self._receiver, self._backfill
        return {
            "received": delivery.received if delivery else 0,
            "duplicates": delivery.duplicates if delivery else 0,
            "failures": delivery.failures if delivery else 0,
            "malformed": receiver.malformed if receiver else 0,
            "reconnects": max(0, self._listener.connects - 1),
            "backfilled": backfill.delivered if backfill else 0,
            "gaps": backfill.gaps if backfill else 0,
        }

    def check(self) -> None:
        """A worker that hears nothing would leave its own subscribers out: refuse, as readiness does."""
        if self._delivery is None:
            return
        self._listener.attempted(FIRST_CONNECT)
        if not self._listener.hearing:
            raise BrokerUnavailable("This worker hears nothing from Redis: nothing was sent.")

    def _reconnected(self) -> None:
        if self._backfill is not None:
            self._dispatch.learn(self._backfill.catch_up(self._dispatch.known))
        self._subscriptions.restore()

    def _follows(self, new: Collection[str], old: Collection[str]) -> None:
        self._progress.leave(old)
        if new:
            self._progress.place(new, self._logs.head().position)

    def _receive(self, channel: bytes, message: bytes) -> None:
        if self._delivery is not None and self._receiver is not None:
            self._receiver.live(channel, message)
