"""The broker for several workers and machines: Redis orders the events of a channel and counts who listens.

Every canonical channel has a pub/sub channel of its own, which a worker follows while it has subscribers.
Publishing is one round trip: a script counts the subscribers by the tables of the live workers, gives the
envelope its number, appends it to the channels' logs and publishes it to each channel. Redis runs scripts one
at a time, so all connections see all envelopes in one order, and the copies of one envelope next to each
other. Commands take the same way, in a log of their own.
"""

from collections.abc import Callable, Mapping, Sequence

import redis

from ..domain.commands import Command
from ..domain.errors import RealtimeError
from ..domain.history import Bounds, History, LogState, Position
from ..domain.publication import Publication, Receipt
from . import log_care
from .connection import command_client, primary_of, translated
from .dispatch import Dispatch, Message
from .envelope import encode_command, encode_publication
from .gathering import Gathering
from .lease import LEASE, Kind, LeasedTables
from .outcomes import Accepted
from .protocol import BrokerEvents, BrokerState, Published
from .receiver import COMMANDS
from .redis_link import RedisLink
from .remembered import REMEMBER
from .replay import replay, replay_many
from .sequence import Logs
from .subscriptions import TABLE
from .supervision import log_lost
from .topology import PREFIX

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
        primary = primary_of(url)
        self._client = command_client(url, primary=primary)
        self._probe = command_client(url, timeout=PROBE_TIMEOUT, primary=primary)
        self._tables = tables = LeasedTables(self._client, prefix, worker_id, {TABLE: Kind.HASH}, lease)
        self._logs = Logs(self._client, prefix)
        self._dispatch = Dispatch(
            self._client, prefix, tables.leases, tables.key(TABLE, ""), bounds or Bounds(), remember
        )
        self._link = RedisLink(url, prefix, primary, tables, self._logs, self._dispatch, on_lost)
        self._gathering: Gathering[Message, Accepted | RealtimeError] = Gathering(
            lambda messages, told: self._dispatch.send_each(messages, self._channels, told)
        )

    def publish(self, publication: Publication) -> Receipt:
        message = _message(publication)
        self._link.check()
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
            self._link.check()
            with translated("the events were not accepted"):
                self._dispatch.send_many(messages, self._channels, accepted.append)
        except RealtimeError as err:
            failure = err
        return Published(tuple(map(_receipt, accepted)), failure)

    def command(self, command: Command) -> None:
        text = encode_command(command)
        self._link.check()
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
        return self._link.position(channel)

    def subscribe(self, channel: str) -> None:
        self._link.subscribe(channel)

    def unsubscribe(self, channel: str) -> None:
        self._link.unsubscribe(channel)

    def channels(self) -> dict[str, int]:
        with translated("channels cannot be counted"):
            return self._tables.totals(TABLE)

    def start(self, events: BrokerEvents) -> None:
        self._link.start(events)

    def stop(self) -> None:
        self._link.stop()
        self._client.close()
        self._probe.close()

    def state(self) -> BrokerState:
        if self._link.started:
            return self._link.state()
        try:
            self._probe.ping()
        except redis.RedisError as err:
            return BrokerState(False, "redis", f"Redis does not answer ({type(err).__name__}).")
        return BrokerState(True, "redis", "Redis answers; no worker runs in this process.")

    def stats(self) -> dict[str, int]:
        """Counters since ``start``, under the names every broker uses."""
        return self._link.stats()


def _message(publication: Publication) -> Message:
    names = publication.rooms if len(publication.rooms) == 1 else tuple(dict.fromkeys(publication.rooms))
    return Message(publication.id, encode_publication(publication), names, publication.once)


def _receipt(accepted: Accepted) -> Receipt:
    position = accepted.position
    return Receipt(accepted.id, accepted.subscribers, position.epoch, position.offset, accepted.duplicate)
