"""Message queues: the documented `message_queue` option, on this engine's rooms and in one order for all.

The backends (Redis, Valkey, Kafka, ZeroMQ, and what Kombu speaks) are python-socketio's own classes; this
module puts RoomManager under one of them. Corrects python-socketio 5.18.1:
* an event is delivered here before it is published, so two workers see two orders; here every worker, the
  sender's included, delivers when the queue hands the event back;
* an event that Redis did not take is logged and lost; here `emit` raises ConnectionError;
* a callback that a remote client never answers stays for ever; see `acknowledgements`.
"""

from collections.abc import Callable

import socketio

from .acknowledgements import Acknowledgements
from .rooms import RoomManager

_ECHO = "!"  # behind a host's id: a message that this host, too, handles when it comes back


class _InQueueOrder:
    """Comes before the backend in the order of look-up, RoomManager behind it."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)
        self._remote = Acknowledgements()

    def _handle_emit(self, message: dict) -> None:
        if message.get("host_id") != self.host_id:  # else the backend is about to publish it
            super()._handle_emit(message)

    def _publish(self, message: dict) -> object:
        if message["method"] != "emit":
            return super()._publish(message)
        published = super()._publish({**message, "host_id": self.host_id + _ECHO})
        if published is None and isinstance(self, socketio.RedisManager):
            raise ConnectionError("the message queue did not take the event")
        return published

    def _return_callback(self, host_id: str, *arguments: object) -> None:
        super()._return_callback(host_id.removesuffix(_ECHO), *arguments)

    def _generate_ack_id(self, room: object, callback: Callable) -> int:
        return self._remote.expect(callback)

    def trigger_callback(self, sid: str, id: int, arguments: list) -> None:
        callback = self._remote.take(id)
        if callback is not None:
            self.server.start_background_task(callback, *arguments)


def client_manager(options: dict, *, write_only: bool) -> RoomManager:
    """Take `client_manager`, `message_queue` and `channel` out of the options; the manager they ask for."""
    url, channel = options.pop("message_queue", None), options.pop("channel", "flask-socketio")
    given = options.pop("client_manager", None)
    if given is not None or not url:
        return given or RoomManager()
    return _queued(url, channel, write_only)


def _queued(url: str, channel: str, write_only: bool) -> RoomManager:
    if url.startswith(("redis://", "rediss://", "redis+sentinel://", "valkey://", "valkeys://", "unix://")):
        backend = socketio.RedisManager
    elif url.startswith("kafka://"):
        backend = socketio.KafkaManager
    elif url.startswith("zmq"):
        backend = socketio.ZmqManager
    else:
        backend = socketio.KombuManager
    kind = type(f"Queued{backend.__name__}", (_InQueueOrder, backend, RoomManager), {})
    return kind(url, channel=channel, write_only=write_only)
