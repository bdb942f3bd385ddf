"""The broker for several workers and machines: Redis orders the events of a channel and counts who listens.

Every canonical channel has a pub/sub channel of its own, which a worker follows while it has subscribers.
Publishing is one round trip: a script counts the subscribers by the tables of the live workers and publishes
one envelope to each channel. Redis runs scripts one at a time, so all connections see all envelopes in one
order, and the copies of one envelope next to each other.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

import redis

from ..domain.commands import Command
from ..domain.errors import BrokerUnavailable, RealtimeError
from ..domain.publication import Publication, Receipt
from .connection import command_client, listening_connection, translated
from .delivery import Delivery
from .dispatch import Dispatch, Message
from .envelope import Malformed, decode_command, decode_publication, encode_command, encode_publication
from .gathering import Gathering
from .lease import LEASE, Kind, LeasedTables
from .listener import QUIET, Listener
from .protocol import BrokerEvents, BrokerState, Published
from .subscriptions import TABLE, Subscriptions
from .supervision import join, log_lost, supervised

log = logging.getLogger(__name__)

PREFIX = "mechamap:{rt}"
"""Begins every key and pub/sub channel. The braces keep all keys in one slot of a Redis Cluster."""
FIRST_CONNECT = 1.0
"""Seconds a publisher waits, once, for a worker that has only just started."""
PROBE_TIMEOUT = 0.45
"""For connecting and for answering: together less than the second ``state`` may take."""
PAGE = 1000


class RedisBroker:
    """``Broker`` and ``BrokerLink``. ``worker_id`` is unique among live workers.

    ``on_lost`` is called with a name if a thread of the broker ends by an error it should not have: the
    worker is then deaf for good and had better be replaced.
    """

    def __init__(
        self,
        url: str,
        worker_id: str,
        *,
        prefix: str = PREFIX,
        lease: float = LEASE,
        on_lost: Callable[[str], None] = log_lost,
    ) -> None:
        self.worker_id = worker_id
        self._on_lost = on_lost
        self._client = command_client(url)
        self._probe = command_client(url, timeout=PROBE_TIMEOUT)
        self._tables = LeasedTables(self._client, prefix, worker_id, {TABLE: Kind.HASH}, lease)
        self._commands = f"{prefix}:commands"
        self._listener = Listener(
            lambda: listening_connection(url, timeout=QUIET), self._commands, self._receive, self._reconnected
        )
        self._subscriptions = Subscriptions(self._listener, self._tables, f"{prefix}:channel:")
        self._dispatch = Dispatch(
            self._client, self._tables.leases, self._tables.key(TABLE, ""), f"{prefix}:channel:"
        )
        self._gathering: Gathering[Message, dict[str, int]] = Gathering(self._dispatch.publish_many)
        self._delivery: Delivery | None = None
        self._threads: list[threading.Thread] = []
        self._last: bytes | None = None
        self._malformed = 0
        self._malformed_told = 0
        self._malformed_told_at = 0.0

    def publish(self, publication: Publication) -> Receipt:
        text = encode_publication(publication)
        self._check_hearing()
        with translated("the event was not accepted"):
            return Receipt(publication.id, self._gathering.publish((text, publication.rooms)))

    def publish_many(self, publications: Sequence[Publication]) -> Published:
        messages, failure = [], None
        for publication in publications:
            try:
                messages.append((encode_publication(publication), publication.rooms))
            except RealtimeError as err:
                failure = err
                break
        accepted: list[dict[str, int]] = []
        try:
            self._check_hearing()
            with translated("the events were not accepted"):
                self._dispatch.publish_many(messages, accepted.append)
        except BrokerUnavailable as err:
            failure = err
        receipts = [Receipt(each.id, counts) for each, counts in zip(publications, accepted, strict=False)]
        return Published(tuple(receipts), failure)

    def command(self, command: Command) -> None:
        text = encode_command(command)
        self._check_hearing()
        with translated("the command was not accepted"):
            self._dispatch.command(text, self._commands)

    def subscribe(self, channel: str) -> None:
        if self._delivery is None:
            raise BrokerUnavailable("No worker runs in this process: the subscription was refused.")
        self._subscriptions.add(channel)

    def unsubscribe(self, channel: str) -> None:
        self._subscriptions.remove(channel)

    def channels(self) -> dict[str, int]:
        totals: Counter[str] = Counter()
        with translated("channels cannot be counted"):
            for worker in self._tables.live():
                # A dictionary, because HSCAN may show a field twice while the table grows.
                counts = dict(self._client.hscan_iter(self._tables.key(TABLE, worker), count=PAGE))
                totals.update(
                    {name.decode(): int(count) for name, count in counts.items() if count.isdigit()}
                )
        return dict(totals)

    def start(self, events: BrokerEvents) -> None:
        if self._threads:
            raise RuntimeError("the broker was started before")
        self._delivery = Delivery(events)
        self._threads = [
            supervised("broker-listener", self._listener.run, self._on_lost),
            supervised("broker-subscriptions", self._subscriptions.run, self._on_lost),
        ]

    def stop(self) -> None:
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
        self._client.close()
        self._probe.close()

    def state(self) -> BrokerState:
        if self._delivery is None:
            try:
                self._probe.ping()
            except redis.RedisError as err:
                return BrokerState(False, "redis", f"Redis does not answer ({type(err).__name__}).")
            return BrokerState(True, "redis", "Redis answers; no worker runs in this process.")
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
        delivery = self._delivery
        return {
            "received": delivery.received if delivery else 0,
            "duplicates": delivery.duplicates if delivery else 0,
            "failures": delivery.failures if delivery else 0,
            "malformed": self._malformed,
            "reconnects": max(0, self._listener.connects - 1),
        }

    def _check_hearing(self) -> None:
        """A worker that hears nothing would leave its own subscribers out: refuse, as readiness does."""
        if self._delivery is None:
            return
        self._listener.attempted(FIRST_CONNECT)
        if not self._listener.hearing:
            raise BrokerUnavailable("This worker hears nothing from Redis: nothing was sent.")

    def _reconnected(self) -> None:
        self._subscriptions.restore()

    def _receive(self, channel: bytes, text: bytes) -> None:
        delivery = self._delivery
        if delivery is None:
            return
        if text == self._last:  # the copy for another channel: not worth decoding up to a hundred times
            delivery.duplicates += 1
            return
        try:
            if channel == self._commands.encode():
                delivery.command(decode_command(text))
                return
            publication = decode_publication(text)
            if channel.decode() not in map(self._subscriptions.name, publication.rooms):
                raise Malformed("a publication on a channel that it does not name")
        except (Malformed, UnicodeDecodeError) as err:
            self._drop(str(err))
            return
        self._last = text
        delivery.publication(publication)

    def _drop(self, why: str) -> None:
        self._malformed += 1
        now = time.monotonic()
        if now - self._malformed_told_at >= 1.0:
            dropped = self._malformed - self._malformed_told
            log.warning("broker_message_dropped", extra={"why": why, "dropped": dropped})
            self._malformed_told, self._malformed_told_at = self._malformed, now
