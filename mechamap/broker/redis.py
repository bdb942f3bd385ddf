"""The broker for several workers and machines: Redis orders the events of a channel and counts who listens.

Every canonical channel has a pub/sub channel of its own, which a worker follows while it has subscribers.
Publishing is one round trip: a script counts the subscribers by the tables of the live workers, gives the
envelope its number, appends it to the channels' logs and publishes it to each channel. Redis runs scripts one
at a time, so all connections see all envelopes in one order, and the copies of one envelope next to each
other. Commands take the same way, in a log of their own.
"""

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence

import redis

from ..domain.commands import Command
from ..domain.errors import BrokerUnavailable, RealtimeError
from ..domain.history import Bounds, History, LogState, Position
from ..domain.publication import Publication, Receipt
from . import log_care
from .backfill import Backfill
from .connection import command_client, listening_connection, primary_of, translated
from .delivery import Delivery
from .dispatch import Dispatch, Message
from .envelope import encode_command, encode_publication
from .gathering import Gathering
from .lease import LEASE, Kind, LeasedTables
from .listener import QUIET, Listener
from .outcomes import Accepted
from .progress import Progress
from .protocol import BrokerEvents, BrokerState, Published
from .receiver import COMMANDS, Receiver
from .remembered import REMEMBER
from .replay import replay, replay_many
from .sequence import Logs
from .subscriptions import TABLE, Subscriptions
from .supervision import join, log_lost, supervised
from .topology import PREFIX

log = logging.getLogger(__name__)

FIRST_CONNECT = 1.0
"""Seconds a publisher waits, once, for a worker that has only just started."""
PROBE_TIMEOUT = 0.45
"""For connecting and for answering: together less than the second ``state`` may take."""


class RedisBroker:
    """``Broker`` and ``BrokerLink``. ``worker_id`` is unique among live workers.

    ``remember``: seconds for which a publisher's name for a publication stands.

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
        bounds: Bounds | None = None,
        remember: float = REMEMBER,
        on_lost: Callable[[str], None] = log_lost,
    ) -> None:
        self.worker_id = worker_id
        self._prefix = prefix
        self._channels = f"{prefix}:channel:".encode()
        self._on_lost = on_lost
        self._primary = primary = primary_of(url)
        self._client = command_client(url, primary=primary)
        self._probe = command_client(url, timeout=PROBE_TIMEOUT, primary=primary)
        self._tables = tables = LeasedTables(self._client, prefix, worker_id, {TABLE: Kind.HASH}, lease)
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
        self._logs = Logs(self._client, prefix)
        self._dispatch = Dispatch(
            self._client, prefix, tables.leases, tables.key(TABLE, ""), bounds or Bounds(), remember
        )
        self._progress = Progress()
        self._gathering: Gathering[Message, Accepted | RealtimeError] = Gathering(
            lambda messages, told: self._dispatch.send_each(messages, self._channels, told)
        )
        self._delivery: Delivery | None = None
        self._receiver: Receiver | None = None
        self._backfill: Backfill | None = None
        self._threads: list[threading.Thread] = []

    def publish(self, publication: Publication) -> Receipt:
        message = _message(publication)
        self._check_hearing()
        with translated("the event was not accepted"):
            answer = self._gathering.publish(message)
        if isinstance(answer, RealtimeError):
            raise answer
        return _receipt(answer)

    def publish_many(self, publications: Sequence[Publication]) -> Published:
        messages, failure = [], None
        for publication in publications:
            try:
                messages.append(_message(publication))
            except RealtimeError as err:
                failure = err
                break
        accepted: list[Accepted] = []
        try:
            self._check_hearing()
            with translated("the events were not accepted"):
                self._dispatch.send_many(messages, self._channels, accepted.append)
        except RealtimeError as err:
            failure = err
        return Published(tuple(map(_receipt, accepted)), failure)

    def command(self, command: Command) -> None:
        text = encode_command(command)
        self._check_hearing()
        with translated("the command was not accepted"):
            self._dispatch.send(Message(command.id, text, (COMMANDS,)), self._prefix.encode() + b":")

    def history(self, channel: str, since: Position | None, limit: int) -> History:
        with translated("the history cannot be read"):
            return replay(self._logs, channel, since, limit)

    def replay(self, channels: Mapping[str, int], epoch: str, limit: int) -> History:
        with translated("the history cannot be read"):
            return replay_many(self._logs, channels, epoch, limit)

    def log_state(self, channel: str) -> LogState:
        with translated("the log cannot be read"):
            return log_care.state(self._client, self._prefix, channel)

    def purge(self, channel: str) -> int:
        with translated("the log was not emptied"):
            return log_care.purge(self._client, self._prefix, channel)

    def position(self, channel: str) -> Position:
        return self._progress.position_of(channel)

    def subscribe(self, channel: str) -> None:
        if self._delivery is None:
            raise BrokerUnavailable("No worker runs in this process: the subscription was refused.")
        self._subscriptions.add(channel)

    def unsubscribe(self, channel: str) -> None:
        self._subscriptions.remove(channel)

    def channels(self) -> dict[str, int]:
        with translated("channels cannot be counted"):
            return self._tables.totals(TABLE)

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

    def _check_hearing(self) -> None:
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


def _message(publication: Publication) -> Message:
    names = publication.rooms if len(publication.rooms) == 1 else tuple(dict.fromkeys(publication.rooms))
    return Message(publication.id, encode_publication(publication), names, publication.once)


def _receipt(accepted: Accepted) -> Receipt:
    position = accepted.position
    return Receipt(accepted.id, accepted.subscribers, position.epoch, position.offset, accepted.duplicate)
