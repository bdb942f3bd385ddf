"""Message queues: the documented `message_queue` option, on this engine's rooms.

The backends (Redis, Valkey, Kafka, ZeroMQ, and what Kombu speaks) are python-socketio's own classes, and so
is what they promise: an event reaches this worker's clients at once and the others' through the queue, so two
workers may see two orders, and what Redis does not take is logged and lost. An application that needs more
brings a broker of its own and uses `deliver`. Changed is that a callback which a client never answers does
not stay for ever; see `acknowledgements`.
"""

from collections.abc import Callable

import socketio

from .acknowledgements import Acknowledgements
from .rooms import RoomManager


class _BoundedCallbacks:
    """Comes before the backend in the order of look-up, RoomManager behind it."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)
        self._remote = Acknowledgements()

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
    kind = type(f"Queued{backend.__name__}", (_BoundedCallbacks, backend, RoomManager), {})
    return kind(url, channel=channel, write_only=write_only)
