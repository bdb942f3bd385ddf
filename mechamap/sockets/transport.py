"""The hub's view of the engine: the transport protocol over the Socket.IO server."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from mechamap.domain.members import EVENTS
from mechamap.domain.publication import Publication
from mechamap.domain.recovery import offset_text
from mechamap.engine.packets import TextEvent, event_packet
from mechamap.hub.protocol import Link

if TYPE_CHECKING:
    from mechamap.engine import SocketIO


class EngineTransport:
    """Implements ``Transport`` and ``Links`` on the namespace ``/``."""

    def __init__(self, socketio: "SocketIO") -> None:
        self._socketio = socketio

    def deliver(self, publication: Publication, having: Collection[str] = ()) -> int:
        skip = (publication.except_id, *having) if publication.except_id else having
        return self._socketio.deliver_encoded(publication.rooms, _packet(publication), skip=skip)

    def replay(self, sid: str, publication: Publication) -> None:
        self._socketio.send_encoded_to(sid, _packet(publication))

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


def _packet(publication: Publication) -> TextEvent:
    """The event with its position behind it: what a returning client will ask from."""
    payload = publication.payload
    # those of presence have two arguments, which travel as a list
    if publication.event in EVENTS and payload.startswith(b'["'):
        payload = payload[1:-1]
    offset = offset_text(publication.epoch, publication.offset) if publication.epoch else None
    return event_packet(publication.event, payload, offset=offset)
