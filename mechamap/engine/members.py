"""Members: one client in one namespace, and the index of a namespace."""

from collections.abc import Callable, Iterator
from enum import StrEnum

from .packets import Bundle, EnginePacket
from .session import Session


class State(StrEnum):
    CONNECTING = "connecting"  # its connect handler is running
    CONNECTED = "connected"
    LEAVING = "leaving"  # its disconnect handler is running


class Member:
    """One client in one namespace; it knows its rooms, so leaving costs those and no others."""

    __slots__ = (
        "ack_ids", "callbacks", "eio_sid", "gone", "held", "refusal", "rooms", "session", "sid", "since",
        "state",
    )  # fmt: skip

    def __init__(self, sid: str, eio_sid: str) -> None:
        self.sid = sid
        self.eio_sid = eio_sid
        self.state = State.CONNECTING
        self.since = 0.0  # unix time of acceptance
        self.rooms: set[object] = set()
        self.session: Session | None = None  # None with Flask-SocketIO's test client
        self.held: list[EnginePacket | Bundle] | None = []  # waits for acceptance; None over its limit
        self.refusal: dict | None = None  # what the client is told when its connect handler said no
        self.gone: str | None = None  # why the transport ended while the connect handler was running
        self.ack_ids: Iterator[int] | None = None
        self.callbacks: dict[int, Callable] | None = None


class Namespace:
    """The members of one namespace, by socket id, by transport and by room."""

    __slots__ = ("by_eio_sid", "members", "rooms")

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}
        self.by_eio_sid: dict[str, Member] = {}
        self.rooms: dict[object, dict[str, Member]] = {}

    def add(self, member: Member) -> None:
        self.members[member.sid] = self.by_eio_sid[member.eio_sid] = member

    def remove(self, member: Member) -> None:
        for room in member.rooms:
            self._drop(room, member)
        del self.members[member.sid]
        del self.by_eio_sid[member.eio_sid]

    def enter(self, room: object, member: Member) -> None:
        self.rooms.setdefault(room, {})[member.sid] = member
        member.rooms.add(room)

    def leave(self, room: object, member: Member) -> None:
        if room in member.rooms:
            member.rooms.discard(room)
            self._drop(room, member)

    def close(self, room: object) -> None:
        for member in self.rooms.pop(room, {}).values():
            member.rooms.discard(room)

    def _drop(self, room: object, member: Member) -> None:
        members = self.rooms[room]
        del members[member.sid]
        if not members:
            del self.rooms[room]
