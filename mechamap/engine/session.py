"""The session: one Engine.IO connection, whatever carries it, from OPEN to gone.

Replaces python-engineio 4.15.1's Socket, whose queue is unbounded, whose `close` blocks on a slow client, and
which forgets a peer at ping timeout while its descriptor, greenlets and queue live on. A session here begins
with an outbox, which polls empty; a WebSocket takes over what is in it and the outbox goes. It ends once:
its application handlers are told aside, and the connection is cut when the farewell takes too long.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from engineio import packet as eio
from gevent.event import Event

from .heartbeat import Heartbeat
from .ids import new_id
from .lane import Lane
from .outbox import Outbox
from .packets import EnginePacket, Sendable
from .polling import NOOP
from .reasons import ITS_OWN_WISH, UNREACHABLE, Limits, Reason
from .receiver import PacketError
from .slots import current_slot

if TYPE_CHECKING:
    from .candidate import Candidate
    from .connection import Connection
    from .transport import TransportServer

CLOSE = EnginePacket(eio.CLOSE)


class Session(Heartbeat):
    """One Engine.IO connection. `send`, `close` and `drop` never block and never run application code."""

    __slots__ = (
        "_lane", "_parted", "candidate", "close_code", "close_reason", "closed", "closing", "connected",
        "connection", "outbox", "polling", "posting", "session", "sid", "upgrading",
    )  # fmt: skip

    def __init__(self, server: TransportServer, limits: Limits) -> None:
        super().__init__(server, limits)
        self.sid = new_id(current_slot())
        self.session: dict | None = None  # python-socketio keeps user sessions here
        self.outbox: Outbox | None = Outbox(limits.max_queue_packets, limits.max_queue_bytes)
        self.connection: Connection | None = None  # instead of the outbox
        self.candidate: Candidate | None = None  # a WebSocket that wants to become the connection
        self.connected = False
        self.upgrading = False
        self.polling = False  # a GET is waiting
        self.posting = False  # a POST is being handled
        self.closing = False
        self.closed = False
        self.close_reason: str | None = None
        self.close_code = 1000
        self._lane: Lane | None = None
        self._parted: Event | None = None

    @property
    def upgraded(self) -> bool:
        """Whether a WebSocket carries the session."""
        return self.connection is not None

    @property
    def lane(self) -> Lane:
        if self._lane is None:
            self._lane = Lane(self.limits.max_pending_events, self._idle)
            if self.closing:
                self._lane.close(discard=True)
        return self._lane

    def _idle(self) -> None:
        if not self.closing:
            self._lane = None  # an idle client has none

    # --- talking ---

    def open(self, upgrades: list[str], ping_interval_announced: float, max_payload: int) -> None:
        """Queue the handshake and start the heartbeat."""
        handshake = {
            "sid": self.sid,
            "upgrades": upgrades,
            "pingInterval": round(ping_interval_announced * 1000),
            "pingTimeout": round(self.limits.ping_timeout * 1000),
            "maxPayload": max_payload,
        }
        self.send(EnginePacket(eio.OPEN, handshake))
        self.beat()

    def carry(self, connection: Connection) -> None:
        """From here on the WebSocket carries the session; what waits for a poll goes first."""
        if self.closing:
            self._part_on(connection)
            return
        waiting, self.outbox = self.outbox, None
        connection.hand_over(self)
        self.connection, self.connected, self.candidate, self.upgrading = connection, True, None, False
        for bundle in waiting.take():
            connection.put(bundle.frame)
        connection.flush()
        waiting.wake()  # a poll that still waits is answered with NOOP
        self.server.carried(self)

    def send(self, bundle: Sendable, *, now: bool = True) -> bool:
        """Queue packets; False when the session is ending. One that cannot keep up is dropped.

        `now` offers them to the kernel at once; without, the flusher does, which costs a large room less
        than a turn.
        """
        if self.closing:
            return False
        connection = self.connection
        if connection is None:
            taken = self.outbox.put(bundle)
        else:
            taken = connection.send(bundle.frame) if now else connection.put(bundle.frame)
        if not taken:
            self.drop()
        return taken

    def receive(self, packet: EnginePacket) -> None:
        """Handle one packet from the client; PacketError when it makes no sense here."""
        if packet.packet_type == eio.MESSAGE:
            self.server.message(self, packet.data)
        elif packet.packet_type == eio.PONG:
            self.pong()
        elif packet.packet_type == eio.CLOSE:
            # Not its user's wish: engine.io-client 6.6 says so after any failed poll too, and comes back. The
            # wish is Socket.IO's DISCONNECT.
            self.close(Reason.TRANSPORT_CLOSE)
        else:
            raise PacketError("the packet type is not for clients")

    @property
    def queued_bytes(self) -> int:
        """What waits for the client here, beside what the kernel holds."""
        return self.connection.queued if self.outbox is None else self.outbox.bytes

    @property
    def queued_packets(self) -> int:
        return self.connection.waiting if self.outbox is None else len(self.outbox)

    def wake(self) -> None:
        """Let a waiting poll look again."""
        if self.outbox is not None:
            self.outbox.wake()

    # --- as the receiver of its connection ---

    @property
    def full(self) -> bool:
        return self._lane is not None and self._lane.full

    def when_room(self, callback: Callable[[], object]) -> None:
        self.lane.when_room(callback)

    def received(self, data: str | bytes) -> None:
        if not self.closing:  # the farewell is on its way; what still comes is not for anybody
            self.receive(EnginePacket(encoded_packet=data))

    def ended(self, reason: Reason, code: int) -> None:
        self.close(reason, code)

    def overflowed(self) -> None:
        self.drop()

    # --- ending ---

    def close(self, reason: str, code: int = 1000) -> None:
        """End the session: say goodbye if that can work, tell the application, cut the connection soon."""
        if self.closing:
            return
        self.closing = True
        self.close_reason, self.close_code = reason, code
        self._cancel_deadlines()
        if self._lane is not None:
            self._lane.close(discard=reason not in ITS_OWN_WISH)
        if self.connection is not None:
            self.connection.finish(code, discard=reason in UNREACHABLE)
        else:
            if reason in UNREACHABLE or reason == Reason.PING_TIMEOUT:
                self.outbox.discard()
            else:
                self._parted = Event()
            self.outbox.close()
        # a client in the middle of its upgrade may come for the farewell either way
        if self.candidate is not None and not (self.upgrading and self._parted is not None):
            self.candidate.abandon()
        self.server.farewells.add(self)

    def _part_on(self, connection: Connection) -> None:
        """The client moved to its WebSocket while the session was ending: the farewell goes there."""
        self.candidate, self.upgrading = None, False
        connection.hand_over(self)
        for bundle in self.outbox.take():
            connection.put(bundle.frame)
        connection.finish(self.close_code, discard=False)
        self._parted.set()

    @property
    def over(self) -> bool:
        """Whether there is nothing left to say to a polling client."""
        return self.closing and (self._parted is None or self._parted.is_set())

    def last_words(self) -> EnginePacket:
        """What a poll of an ended session is answered with, once its queue is empty.

        CLOSE travels alone: the stock client acts on it before it acts on a DISCONNECT in the same payload,
        and would reconnect after having been sent away.
        """
        if self._parted is not None:
            self._parted.set()
        return NOOP if self.close_reason in ITS_OWN_WISH else CLOSE

    def drop(self) -> None:
        """End a session whose client does not keep up: at once, because nothing more can be written to it."""
        if self.closing:
            return
        self.server.dropped(self, Reason.SLOW_CONSUMER)
        self.close(Reason.SLOW_CONSUMER, 1008)
        if self.connection is not None:
            self.connection.abort()

    def forget(self) -> None:
        """End a session that the application did not want, without telling it anything more."""
        self.closing = self.closed = True
        self._cancel_deadlines()
        self.server.sockets.pop(self.sid, None)

    @property
    def lingers(self) -> bool:
        """Whether its farewell has to wait: for an event's handler, or for a polling client to come once
        more.
        """
        return self._parted is not None or (self._lane is not None and self._lane.busy)

    def farewell(self) -> None:
        """Tell the application, and be gone. Runs once, in a greenlet that may wait."""
        if self._lane is not None:
            self._lane.join(self.limits.handler_grace)
        self.server.ended(self)
        if self.outbox is not None:
            if self._parted is not None:  # a polling client comes for its last packets
                self._parted.wait(self.limits.close_timeout)
            self.outbox.discard()
        if self.candidate is not None:
            self.candidate.abandon()
        self.closed = True
        self.server.sockets.pop(self.sid, None)
        # both refer to the session: as a cycle they would stay until the collector thaws what it froze
        self.connection = self._lane = None
