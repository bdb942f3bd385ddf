"""Rooms: who is connected to which namespace, who is in which room, and who gets an event.

Replaces python-socketio 5.18.1's in-memory Manager behind the documented `client_manager` option, because
there:
* losing a connection scans every room (1.9 ms each with 5,000 clients, quadratic in a mass disconnect); here
  a member knows its rooms and leaving costs only those;
* `emit(to=[])`, `to=''` and `to=0` reach the whole namespace; here an empty target reaches nobody;
* a client whose connect handler still runs receives broadcasts, even if it is refused in the end; here what
  is addressed to it waits until it is accepted and is forgotten when it is refused;
* rooms and socket ids share one name space, so `leave_room(sid, sid)` silences a client; here they never
  meet;
* acknowledgement callbacks that the client never answers stay for ever; here the oldest gives way.
"""

import itertools
import time
from collections.abc import Callable, Collection, Iterable, Iterator

from socketio import packet as sio
from socketio.manager import Manager

from .ids import is_id
from .members import Member, Namespace, State
from .packets import Bundle, EnginePacket, bundle

MAX_CALLBACKS = 1_000  # unanswered acknowledgements per member
MAX_HELD = 1_000  # events that wait for one connect handler
_CONNECTED = State.CONNECTED  # looked up once: the enumeration's attribute costs more than the comparison
SMALL = 8  # a room up to this size is written to at once; a larger one is marked, and the flusher writes


class RoomManager(Manager):
    """A `client_manager` for one worker. Nothing here yields while members are being served: that makes the
    order.
    """

    def __init__(self) -> None:
        super().__init__()
        self._namespaces: dict[str, Namespace] = {}
        self.max_event_bytes: int | None = (
            None  # a larger event would close every recipient as a slow consumer
        )

    # --- who is connected ---

    def get_namespaces(self) -> list[str]:
        return list(self._namespaces)

    def member(self, sid: str, namespace: str) -> Member | None:
        space = self._namespaces.get(namespace)
        return space.members.get(sid) if space and isinstance(sid, str) else None

    def members(self, namespace: str) -> list[Member]:
        """The accepted members of a namespace."""
        space = self._namespaces.get(namespace)
        return [m for m in space.members.values() if m.state is State.CONNECTED] if space else []

    def of_transport(self, eio_sid: str) -> list[tuple[str, Member]]:
        """Every (namespace, member) that one Engine.IO session carries."""
        found = ((name, space.by_eio_sid.get(eio_sid)) for name, space in self._namespaces.items())
        return [(name, member) for name, member in found if member is not None]

    def pre_connect(self, eio_sid: str, namespace: str) -> str | None:
        space = self._namespaces.setdefault(namespace, Namespace())
        if eio_sid in space.by_eio_sid:
            return None
        member = Member(self.server.eio.generate_id(), eio_sid)
        space.add(member)
        return member.sid

    def connect(self, sid: str, namespace: str) -> str | None:
        """Accept a member and send what waited for it. An unknown sid is taken for a transport."""
        member = self.member(sid, namespace)
        if member is None:
            sid = self.pre_connect(sid, namespace)
            member = self.member(sid, namespace)
        if member is None or member.state is not State.CONNECTING:
            return sid
        held, member.held = member.held, None
        member.state, member.since = State.CONNECTED, time.time()
        for event in held or ():
            self._send(member, event)
        if held is None:
            self.server.end(member.eio_sid, "slow_consumer")
        return sid

    def is_pre_connected(self, sid: str, namespace: str) -> bool:
        member = self.member(sid, namespace)
        return member is not None and member.state is State.CONNECTING

    def is_connected(self, sid: str, namespace: str) -> bool:
        member = self.member(sid, namespace)
        return member is not None and member.state is State.CONNECTED

    def sid_from_eio_sid(self, eio_sid: str, namespace: str) -> str | None:
        space = self._namespaces.get(namespace)
        member = space.by_eio_sid.get(eio_sid) if space else None
        return member.sid if member else None

    def eio_sid_from_sid(self, sid: str, namespace: str) -> str | None:
        member = self.member(sid, namespace)
        return member.eio_sid if member else None

    def pre_disconnect(self, sid: str, namespace: str) -> str | None:
        member = self.member(sid, namespace)
        if member is None:
            return None
        member.state = State.LEAVING
        return member.eio_sid

    def disconnect(self, sid: str, namespace: str, **kwargs: object) -> None:
        """Forget a member; costs its own rooms only."""
        member = self.member(sid, namespace)
        if member is None:
            return
        space = self._namespaces[namespace]
        space.remove(member)
        if not space.members:
            del self._namespaces[namespace]

    # --- rooms ---

    def is_sid_room(self, namespace: str, room: object) -> bool:
        return is_id(room) or self.member(room, namespace) is not None

    def enter_room(self, sid: str, namespace: str, room: object, eio_sid: str | None = None) -> None:
        member = self.member(sid, namespace)
        if member is None:
            raise ValueError("sid is not connected to requested namespace")
        if room == sid:
            return
        if not room:
            raise ValueError("a room needs a name")
        if self.is_sid_room(namespace, room):
            raise ValueError("a room cannot be named like a socket id")
        self._namespaces[namespace].enter(room, member)

    def leave_room(self, sid: str, namespace: str, room: object) -> None:
        member = self.member(sid, namespace)
        if member is not None:
            self._namespaces[namespace].leave(room, member)

    def close_room(self, room: object, namespace: str) -> None:
        if self.is_sid_room(namespace, room):
            raise ValueError("a room cannot be named like a socket id")
        if namespace in self._namespaces:
            self._namespaces[namespace].close(room)

    def get_rooms(self, sid: str, namespace: str) -> list[object]:
        """The rooms of a member, its own id first, as Flask-SocketIO documents it."""
        member = self.member(sid, namespace)
        return [sid, *member.rooms] if member else []

    def get_participants(self, namespace: str, room: object) -> Iterator[tuple[str, str]]:
        for member in self._addressed(namespace, room):
            yield member.sid, member.eio_sid

    # --- delivery ---

    def emit(
        self, event, data, namespace, room=None, skip_sid=None, callback=None, to=None, **kwargs
    ) -> None:
        """The documented emit: `to` is a socket id, a room, a list of them, or None for the namespace."""
        arguments = list(data) if isinstance(data, tuple) else [] if data is None else [data]
        skip = {skip_sid} if isinstance(skip_sid, str) else set(skip_sid or ())
        recipients = [m for m in self._addressed(namespace, room if to is None else to) if m.sid not in skip]
        if not callback:
            self._send_all(recipients, self._encode(event, arguments, namespace))
            return
        for member in recipients:
            id = self._generate_ack_id(member.sid, callback, namespace)
            self._send_all([member], self._encode(event, arguments, namespace, id))

    def deliver(
        self,
        rooms: Iterable[object],
        event: str,
        args: tuple,
        *,
        skip: Collection[str] = (),
        namespace: str = "/",
    ) -> int:
        """Send one event to the union of the members of the rooms, encoded once, each member once.

        Only rooms are looked up, never socket ids. The count is of the accepted members it was queued for;
        for one whose connect handler still runs the event waits, uncounted. Raises ValueError before anybody
        gets anything.
        """
        return self.deliver_encoded(
            rooms, self._encode(event, list(args), namespace), skip=skip, namespace=namespace
        )

    def deliver_encoded(
        self,
        rooms: Iterable[object],
        encoded: EnginePacket | Bundle,
        *,
        skip: Collection[str] = (),
        namespace: str = "/",
    ) -> int:
        """The same with an event that is encoded already, for exactly this namespace."""
        self._check_size(encoded)
        space = self._namespaces.get(namespace)
        if space is None:
            return 0
        recipients: dict[str, Member] = {}
        for room in rooms:
            recipients.update(space.rooms.get(room, {}))
        for sid in skip:
            recipients.pop(sid, None)
        return self._send_all(recipients.values(), encoded)

    def send_to(self, sid: str, event: str, args: tuple, namespace: str = "/") -> bool:
        """Send one event to one accepted member; False when there is none of that id here."""
        encoded = self._encode(event, list(args), namespace)
        member = self.member(sid, namespace)
        return member is not None and self._send_all([member], encoded) == 1

    def _addressed(self, namespace: str, target: object) -> list[Member]:
        space = self._namespaces.get(namespace)
        if space is None:
            return []
        if target is None:
            return list(space.members.values())
        if not target:
            return []
        if not isinstance(target, list | tuple | set | frozenset):
            member = space.members.get(target)
            return [member] if member else list(space.rooms.get(target, {}).values())
        union: dict[str, Member] = {}
        for name in target:
            union.update((member.sid, member) for member in self._addressed(namespace, name or ()))
        return list(union.values())

    def _encode(
        self, event: str, arguments: list, namespace: str, id: int | None = None
    ) -> EnginePacket | Bundle:
        packet = self.server.packet_class(sio.EVENT, namespace=namespace, data=[event, *arguments], id=id)
        encoded = bundle(packet)
        self._check_size(encoded)
        return encoded

    def _check_size(self, encoded: EnginePacket | Bundle) -> None:
        if self.max_event_bytes is not None and encoded.size > self.max_event_bytes:
            raise ValueError(f"an event is limited to {self.max_event_bytes} bytes")

    def _send_all(self, members: Collection[Member], event: EnginePacket | Bundle) -> int:
        queued, now, frame = 0, len(members) <= SMALL, event.frame
        for member in members:
            session = member.session
            if member.state is _CONNECTED:
                # straight to the connection: two calls less per delivery are a third of what marking costs
                if not now and session is not None and session.connection is not None:
                    queued += session.connection.put(frame) or session.send(event, now=False)
                else:
                    queued += self._send(member, event, now=now)
            elif member.state is State.CONNECTING and member.held is not None:
                member.held.append(event)
                if len(member.held) > MAX_HELD:
                    member.held = None
        return queued

    def _send(self, member: Member, event: EnginePacket | Bundle, *, now: bool = True) -> bool:
        if member.session is not None:
            return member.session.send(event, now=now)
        results = [self.server._send_eio_packet(member.eio_sid, packet) for packet in event.packets]
        return False not in results

    # --- acknowledgements ---

    def _generate_ack_id(self, sid: str, callback: Callable, namespace: str = "/") -> int:
        member = self.member(sid, namespace)
        if member.callbacks is None:
            member.callbacks, member.ack_ids = {}, itertools.count(1)
        if len(member.callbacks) >= MAX_CALLBACKS:
            del member.callbacks[next(iter(member.callbacks))]
        id = next(member.ack_ids)
        member.callbacks[id] = callback
        return id

    def take_callback(self, sid: str, id: int, namespace: str) -> Callable | None:
        """The callback that waits for this acknowledgement; it is forgotten here."""
        member = self.member(sid, namespace)
        return member.callbacks.pop(id, None) if member and member.callbacks else None
