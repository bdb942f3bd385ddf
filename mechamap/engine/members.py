"""Members: one client in one namespace, and the index of a namespace."""

from collections.abc import Collection
from enum import StrEnum

from .acknowledgements import Acknowledgements
from .connection import Connection
from .packets import Sendable
from .session import Session


class State(StrEnum):
    CONNECTING = "connecting"  # its connect handler is running
    CONNECTED = "connected"
    LEAVING = "leaving"  # its disconnect handler is running


class Member:
    """One client in one namespace; it knows its rooms, so leaving costs those and no others."""

    __slots__ = (
        "acknowledgements", "answer", "connection", "eio_sid", "gone", "held", "refusal", "rooms", "session",
        "sid", "since", "state",
    )  # fmt: skip

    def __init__(self, sid: str, eio_sid: str) -> None:
        self.sid = sid
        self.eio_sid = eio_sid
        self.state = State.CONNECTING
        self.since = 0.0  # unix time of acceptance
        self.rooms: tuple[object, ...] | set[object] = ()  # a set of one is four times as large
        self.session: Session | None = None  # None with Flask-SocketIO's test client
        self.connection: Connection | None = None  # where events go: accepted, on a WebSocket, not leaving
        self.held: list[Sendable] | None = []  # waits for acceptance; None over its limit
        self.answer: dict | None = None  # what is added to the CONNECT answer
        self.refusal: dict | None = None  # what the client is told when its connect handler said no
        self.gone: str | None = None  # why the transport ended while the connect handler was running
        self.acknowledgements: Acknowledgements | None = None


_FEW = 8  # rooms of one member that are worth a tuple


class Namespace:
    """The members of one namespace, by socket id, by transport and by room.

    A room with one member, as every private channel is, is that member: a dictionary around it would cost 232
    bytes more.
    """

    __slots__ = ("_rooms", "by_eio_sid", "members")

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}
        self.by_eio_sid: dict[str, Member] = {}
        self._rooms: dict[object, Member | dict[str, Member]] = {}

    def room(self, name: object) -> Collection[Member]:
        """The members of a room; nobody's when there is none of that name."""
        found = self._rooms.get(name)
        if found is None:
            return ()
        return (found,) if type(found) is Member else found.values()

    def add(self, member: Member) -> None:
        self.members[member.sid] = self.by_eio_sid[member.eio_sid] = member

    def remove(self, member: Member) -> None:
        for name in member.rooms:
            self._drop(name, member)
        member.rooms = ()
        del self.members[member.sid]
        del self.by_eio_sid[member.eio_sid]

    def enter(self, name: object, member: Member) -> None:
        if name in member.rooms:
            return
        if type(member.rooms) is set:
            member.rooms.add(name)
        elif len(member.rooms) < _FEW:
            member.rooms = (*member.rooms, name)
        else:
            member.rooms = {*member.rooms, name}
        found = self._rooms.setdefault(name, member)
        if type(found) is dict:
            found[member.sid] = member
        elif found is not member:
            self._rooms[name] = {found.sid: found, member.sid: member}

    def leave(self, name: object, member: Member) -> None:
        if name in member.rooms:
            self._forget(name, member)
            self._drop(name, member)

    def close(self, name: object) -> None:
        for member in self.room(name):
            self._forget(name, member)
        self._rooms.pop(name, None)

    def _forget(self, name: object, member: Member) -> None:
        if type(member.rooms) is set:
            member.rooms.discard(name)
        else:
            member.rooms = tuple(room for room in member.rooms if room != name)

    def _drop(self, name: object, member: Member) -> None:
        found = self._rooms[name]
        if type(found) is dict and len(found) > 1:
            del found[member.sid]
        else:
            del self._rooms[name]
