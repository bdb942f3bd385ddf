"""A broker inside one process. Enough for a server with one worker and no publishers but its own HTTP API.

More workers, more machines, or a command line that publishes need the one in ``redis.py``.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..domain.commands import Command
from ..domain.errors import BrokerUnavailable, RealtimeError
from ..domain.history import Bounds, History, LogState, Position
from ..domain.publication import Publication, Receipt
from .delivery import Delivery
from .envelope import check_publication, encode_command
from .protocol import BrokerEvents, BrokerState, Published
from .recent import MOST_BYTES, RecentEvents
from .remembered import REMEMBER, Remembered
from .replay import merged

_ENVELOPE = 200
"""Bytes of an envelope beside its payload, about: the logs are bounded alike in both brokers."""

BURST = 0.01
"""Seconds after which other greenlets get a turn within a series: a hundred events to a large room take
longer."""


class MemoryBroker:
    """``Broker`` and ``BrokerLink``: delivers in the publisher's greenlet, without yielding.

    A publication made while another is being delivered waits behind it, whoever made it; so there is one
    order, and ``publish`` from inside a delivery returns before its own.
    """

    def __init__(
        self, bounds: Bounds | None = None, most_bytes: int = MOST_BYTES, remember: float = REMEMBER
    ) -> None:
        """``most_bytes``: of the logs of all channels together; ``remember``: seconds for which a publisher's
        name for a publication stands."""
        self._recent = RecentEvents(bounds or Bounds(), most_bytes)
        self._remembered = Remembered(remember)
        self._delivery: Delivery | None = None
        self._subscribers: Counter[str] = Counter()
        self._waiting: deque[Publication | Command] = deque()
        self._delivering = False
        # Held for a few instructions that do not yield: greenlets never wait for it, only real threads may.
        self._lock = threading.Lock()

    def publish(self, publication: Publication) -> Receipt:
        delivery = self._started()
        check_publication(publication)  # what Redis would refuse is refused here too
        once = publication.once
        with self._lock:
            if once is not None and (earlier := self._remembered.find(once)) is not None:
                return replace(earlier, duplicate=True)
            self._recent.append(publication, len(publication.payload) + _ENVELOPE)
            subscribers = {room: self._subscribers[room] for room in publication.rooms}
            receipt = Receipt(publication.id, subscribers, publication.epoch or "", publication.offset)
            if once is not None:
                self._remembered.keep(once, receipt)
            if receipt.total:
                self._waiting.append(publication)
        self._drain(delivery)
        return receipt

    def publish_many(self, publications: Sequence[Publication]) -> Published:
        receipts = []
        turn = time.monotonic()
        for publication in publications:
            if time.monotonic() - turn > BURST:
                # A sleep of zero would not let gevent look at its sockets.
                time.sleep(0.00001)
                turn = time.monotonic()
            try:
                receipts.append(self.publish(publication))
            except RealtimeError as err:
                return Published(tuple(receipts), err)
        return Published(tuple(receipts))

    def command(self, command: Command) -> None:
        delivery = self._started()
        encode_command(command)
        with self._lock:
            self._waiting.append(command)
        self._drain(delivery)

    def history(self, channel: str, since: Position | None, limit: int) -> History:
        self._started()
        with self._lock:
            return self._recent.read(channel, since, limit)

    def replay(self, channels: Mapping[str, int], epoch: str, limit: int) -> History:
        self._started()
        with self._lock:
            return merged(
                [self._recent.read(name, Position(epoch, since), limit) for name, since in channels.items()],
                self._recent.position,
            )

    def log_state(self, channel: str) -> LogState:
        self._started()
        with self._lock:
            return self._recent.state(channel)

    def purge(self, channel: str) -> int:
        self._started()
        with self._lock:
            return self._recent.purge(channel)

    def position(self, channel: str) -> Position:
        return self._recent.position

    def subscribe(self, channel: str) -> None:
        self._started()
        with self._lock:
            self._subscribers[channel] += 1

    def unsubscribe(self, channel: str) -> None:
        with self._lock:
            if self._subscribers[channel] > 1:
                self._subscribers[channel] -= 1
            else:
                del self._subscribers[channel]

    def channels(self) -> dict[str, int]:
        with self._lock:
            return dict(self._subscribers)

    def start(self, events: BrokerEvents) -> None:
        self._delivery = Delivery(events)

    def stop(self) -> None:
        with self._lock:
            self._delivery = None
            self._subscribers.clear()
            self._waiting.clear()

    def state(self) -> BrokerState:
        if self._delivery is None:
            return BrokerState(False, "memory", "No worker runs in this process.")
        return BrokerState(True, "memory", "Events stay inside this process.")

    def stats(self) -> dict[str, int]:
        """Counters since ``start``, under the names every broker uses."""
        delivery = self._delivery
        return {
            "received": delivery.received if delivery else 0,
            "duplicates": delivery.duplicates if delivery else 0,
            "failures": delivery.failures if delivery else 0,
            "malformed": 0,
            "reconnects": 0,
            "backfilled": 0,
            "gaps": 0,
        }

    def _started(self) -> Delivery:
        if self._delivery is None:
            raise BrokerUnavailable(
                "No worker runs in this process and REDIS_URL is not set: nobody would receive it."
            )
        return self._delivery

    def _drain(self, delivery: Delivery) -> None:
        with self._lock:
            if self._delivering:
                return
            self._delivering = True
        while True:
            with self._lock:
                if not self._waiting:
                    self._delivering = False
                    return
                message = self._waiting.popleft()
            if isinstance(message, Publication):
                delivery.publication(message)
            else:
                delivery.command(message)
