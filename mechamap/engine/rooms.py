"""Rooms: who gets an event.

Replaces python-socketio 5.18.1's in-memory Manager behind the documented `client_manager` option, on the
books of `registry`, because there:
* `emit(to=[])`, `to=''` and `to=0` reach the whole namespace; here an empty target reaches nobody;
* a client whose connect handler still runs receives broadcasts, even if it is refused in the end; here what
  is addressed to it waits until it is accepted and is forgotten when it is refused;
* acknowledgement callbacks that the client never answers stay for ever; see `acknowledgements`.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator

from socketio import packet as sio

from .acknowledgements import Acknowledgements
from .members import Member, State
from .packets import EnginePacket, Sendable, bundle
from .registry import Registry

MAX_HELD = 1_000  # events that wait for one connect handler
MAX_GREETING = 16_384  # bytes that go out in one call when a member is accepted
_CONNECTED = State.CONNECTED  # looked up once: the enumeration's attribute costs more than the comparison
SMALL = 8  # a room up to this size is written to at once; a larger one is marked, and the flusher writes


class RoomManager(Registry):
    """A `client_manager` for one worker. Nothing here yields while members are being served: that makes the
    order.
    """

    def __init__(self) -> None:
        super().__init__()
        # a larger event would close every recipient as a slow consumer
        self.max_event_bytes: int | None = None

    def connect(self, sid: str, namespace: str, answer: EnginePacket | None = None) -> str | None:
        """Accept a member: it gets the answer and what waited for it. An unknown sid is taken for a
        transport.
        """
        member = self.member(sid, namespace)
        if member is None:
            sid = self.pre_connect(sid, namespace)
            member = self.member(sid, namespace)
        if member is None or member.state is not State.CONNECTING:
            return sid
        held, member.held = member.held, None
        member.state, member.since = State.CONNECTED, time.time()
        member.connection = member.session.connection if member.session is not None else None
        self._greet(member, [*([] if answer is None else [answer]), *(held or ())])
        if held is None:
            self.server.end(member.eio_sid, "slow_consumer")
        return sid

    def _greet(self, member: Member, events: list[Sendable]) -> None:
        greeting = b"".join([event.frame for event in events]) if member.connection is not None else b""
        if 0 < len(greeting) <= MAX_GREETING:
            if not member.connection.send(greeting):  # one system call: a storm of connects has thousands
                member.session.drop()
            return
        for event in events:
            self._send(member, event)

    def carried(self, eio_sid: str) -> None:
        """A WebSocket took over the transport: from now on events go straight to it."""
        for _, member in self.of_transport(eio_sid):
            if member.state is State.CONNECTED:
                member.connection = member.session.connection

    # --- delivery ---

    def get_participants(self, namespace: str, room: object) -> Iterator[tuple[str, str]]:
        for member in self._addressed(namespace, room):
            yield member.sid, member.eio_sid

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
            id = self._expect(member, callback)
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
        encoded: Sendable,
        *,
        skip: Collection[str] = (),
        namespace: str = "/",
    ) -> int:
        """The same with an event that is encoded already, for exactly this namespace."""
        self._check_size(encoded)
        space = self._namespaces.get(namespace)
        if space is None:
            return 0
        names = rooms if type(rooms) is tuple else list(rooms)
        if len(names) == 1 and not skip:
            return self._send_all(space.room(names[0]), encoded)
        recipients = {member.sid: member for name in names for member in space.room(name)}
        for sid in skip:
            recipients.pop(sid, None)
        return self._send_all(recipients.values(), encoded)

    def deliver_to(self, sids: Collection[str], encoded: Sendable, namespace: str = "/") -> int:
        """The same to these members; ids of others are ignored."""
        self._check_size(encoded)
        space = self._namespaces.get(namespace)
        if space is None:
            return 0
        return self._send_all([m for m in map(space.members.get, sids) if m is not None], encoded)

    def send_to(self, sid: str, event: str, args: tuple, namespace: str = "/") -> bool:
        """Send one event to one accepted member; False when there is none of that id here."""
        return self.send_encoded_to(sid, self._encode(event, list(args), namespace), namespace)

    def send_encoded_to(self, sid: str, encoded: Sendable, namespace: str = "/") -> bool:
        """The same with an event that is encoded already, for exactly this namespace."""
        self._check_size(encoded)
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
            return [member] if member else list(space.room(target))
        union: dict[str, Member] = {}
        for name in target:
            union.update((member.sid, member) for member in self._addressed(namespace, name or ()))
        return list(union.values())

    def _encode(self, event: str, arguments: list, namespace: str, id: int | None = None) -> Sendable:
        packet = self.server.packet_class(sio.EVENT, namespace=namespace, data=[event, *arguments], id=id)
        encoded = bundle(packet)
        self._check_size(encoded)
        return encoded

    def _check_size(self, encoded: Sendable) -> None:
        if self.max_event_bytes is not None and encoded.size > self.max_event_bytes:
            raise ValueError(f"an event is limited to {self.max_event_bytes} bytes")

    def _send_all(self, members: Collection[Member], event: Sendable) -> int:
        if len(members) > SMALL:
            queued, others = self.server.eio.flusher.spread(members, event.frame)
            return queued + sum([self._send_one(member, event, now=False) for member in others])
        queued, frame = 0, event.frame
        for member in members:
            connection = member.connection
            if connection is not None and connection.send(frame):
                queued += 1
            else:
                queued += self._send_one(member, event, now=True)
        return queued

    def _send_one(self, member: Member, event: Sendable, *, now: bool) -> bool:
        if member.state is _CONNECTED:
            return self._send(member, event, now=now)
        if member.state is State.CONNECTING and member.held is not None:
            member.held.append(event)
            if len(member.held) > MAX_HELD:
                member.held = None
        return False

    def _send(self, member: Member, event: Sendable, *, now: bool = True) -> bool:
        if member.session is not None:
            return member.session.send(event, now=now)
        results = [self.server._send_eio_packet(member.eio_sid, packet) for packet in event.packets]
        return False not in results

    # --- acknowledgements ---

    def _expect(self, member: Member, callback: Callable) -> int:
        if member.acknowledgements is None:
            member.acknowledgements = Acknowledgements()
        return member.acknowledgements.expect(callback)

    def take_callback(self, sid: str, id: int, namespace: str) -> Callable | None:
        """The callback that waits for this acknowledgement; it is forgotten here."""
        member = self.member(sid, namespace)
        return member.acknowledgements.take(id) if member and member.acknowledgements else None
