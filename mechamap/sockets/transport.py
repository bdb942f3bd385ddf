"""The hub's view of the engine: the transport protocol over the Socket.IO server."""

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from mechamap.engine.packets import event_packet
from mechamap.hub.protocol import Link

if TYPE_CHECKING:
    from mechamap.engine import SocketIO


class EngineTransport:
    """Implements ``Transport`` and ``Links`` on the namespace ``/``."""

    def __init__(self, socketio: "SocketIO") -> None:
        self._socketio = socketio

    def deliver(self, rooms: Iterable[str], event: str, payload: bytes, skip: Collection[str]) -> int:
        return self._socketio.deliver_encoded(rooms, event_packet(event, payload), skip=skip)

    def join(self, sid: str, room: str) -> None:
        self._socketio.server.enter_room(sid, room, namespace="/")

    def leave(self, sid: str, room: str) -> None:
        self._socketio.server.leave_room(sid, room, namespace="/")

    def send(self, sid: str, event: str, *args: object) -> None:
        self._socketio.send_to(sid, event, *args)

    def close(self, sid: str, reason: str) -> None:
        self._socketio.close(sid, reason)

    def links(self) -> list[Link]:
        return [Link(info.sid, info.transport) for info in self._socketio.connections()]
