"""The hub's view of the engine: the transport protocol over the Socket.IO server.

Who hears a channel in the plan's dialect is in the room of its canonical name. Who hears it in Laravel Echo's
is in a room of its spelling instead; ``_spellings`` tells which of those have members, and is empty while no
Echo client is here.
"""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Protocol

from mechamap.domain.dialects import Dialect, mark
from mechamap.domain.publication import Publication
from mechamap.hub.protocol import Buffered, Link

from .encoding import copy_of, packet_of

if TYPE_CHECKING:
    from mechamap.engine import SocketIO


class WriteMeter(Protocol):
    """Told of publications that are not written when ``deliver`` returns; all others are."""

    def deferred(self) -> None:
        """The publication that is being delivered is one of them."""

    def written(self, accepted_at: float) -> None:
        """One that was accepted then was now offered to the sockets of all its recipients."""


class EngineTransport:
    """Implements ``Transport``, ``Links``, ``Pings`` and ``Buffers`` on the namespace ``/``."""

    def __init__(self, socketio: "SocketIO", meter: WriteMeter | None = None) -> None:
        self._socketio = socketio
        self._flusher = socketio.flusher
        self._meter = meter
        # by canonical name: the spellings in Echo's dialect that have members
        self._spellings: dict[str, tuple[str, ...]] = {}

    def deliver(self, publication: Publication, having: Collection[str] = ()) -> int:
        skip = (publication.except_id, *having) if publication.except_id else having
        spreads = self._flusher.spreads
        queued = self._queue(publication, skip)
        if self._flusher.spreads != spreads and queued and self._meter is not None:
            self._meter.deferred()
            self._flusher.when_written(self._meter.written, publication.accepted_at)
        return queued

    def _queue(self, publication: Publication, skip: Collection[str]) -> int:
        if self._spellings:
            spellings = [name for room in publication.rooms for name in self._spellings.get(room, ())]
            if spellings and len(publication.rooms) > 1:
                return self._deliver_copies(publication, spellings, skip)
            queued = self._socketio.deliver_encoded(publication.rooms, packet_of(publication), skip=skip)
            for name in spellings:
                encoded = copy_of(publication, name)
                queued += self._socketio.deliver_encoded((_room(name),), encoded, skip=skip)
            return queued
        return self._socketio.deliver_encoded(publication.rooms, packet_of(publication), skip=skip)

    def _deliver_copies(
        self, publication: Publication, spellings: Sequence[str], skip: Collection[str]
    ) -> int:
        """To members of several rooms, of whom some get several copies; how many members."""
        copies = (None, *spellings)
        rooms = (publication.rooms, *((_room(name),) for name in spellings))
        getting = [self._socketio.sids_in(names).difference(skip) for names in rooms]
        later: set[str] = set()
        again: list[set[str]] = []  # who of them gets a later copy
        for sids in reversed(getting):
            again.append(sids & later)
            later |= sids
        queued = 0
        for copy, sids, more in zip(copies, getting, reversed(again), strict=True):
            if more:
                self._socketio.deliver_to(more, copy_of(publication, copy, last=False))
            if len(sids) > len(more):
                queued += self._socketio.deliver_to(sids - more, copy_of(publication, copy))
        return queued

    def replay(self, sid: str, publication: Publication, copies: Sequence[str | None] = (None,)) -> None:
        for place, copy in enumerate(copies, 1):
            encoded = copy_of(publication, copy, last=place == len(copies))
            self._socketio.send_encoded_to(sid, encoded)

    def join(self, sid: str, room: str, spelled: str | None = None) -> None:
        if spelled is None:
            self._socketio.server.enter_room(sid, room, namespace="/")
            return
        self._socketio.server.enter_room(sid, _room(spelled), namespace="/")
        known = self._spellings.get(room, ())
        if spelled not in known:
            self._spellings[room] = (*known, spelled)

    def leave(self, sid: str, room: str, spelled: str | None = None) -> None:
        if spelled is None:
            self._socketio.server.leave_room(sid, room, namespace="/")
            return
        self._socketio.server.leave_room(sid, _room(spelled), namespace="/")
        if not self._socketio.occupied(_room(spelled)):
            rest = tuple(name for name in self._spellings.get(room, ()) if name != spelled)
            if rest:
                self._spellings[room] = rest
            else:
                self._spellings.pop(room, None)

    def send(self, sid: str, event: str, *args: object) -> None:
        self._socketio.send_to(sid, event, *args)

    def close(self, sid: str, reason: str) -> None:
        self._socketio.close(sid, reason)

    def ping(self, sid: str) -> None:
        self._socketio.ping(sid)

    def answers(self, sid: str) -> bool:
        return self._socketio.answers(sid)

    def links(self) -> list[Link]:
        return [Link(info.sid, info.transport) for info in self._socketio.connections()]

    def buffered(self, sid: str) -> Buffered | None:
        info = self._socketio.connection(sid)
        return None if info is None else Buffered(info.transport, info.queued_bytes, info.queued_packets)


def _room(spelled: str) -> str:
    return mark(spelled, Dialect.ECHO)
