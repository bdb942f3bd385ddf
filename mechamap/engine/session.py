"""The session: one Engine.IO connection, whatever carries it, from OPEN to gone.

Replaces python-engineio 4.15.1's Socket, whose queue is unbounded, whose `close` blocks on a slow client, and
which forgets a peer at ping timeout while its descriptor, greenlets and queue live on. A session here ends
once: its application handlers run in a greenlet of their own, and the carrier is cut when the farewell takes
too long.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from engineio import packet as eio
from gevent.event import Event

from .ids import new_id
from .lane import Lane
from .outbox import Outbox
from .packets import EnginePacket, PacketError
from .slots import current_slot

if TYPE_CHECKING:
    from .clock import Deadline
    from .transport import TransportServer

PING = EnginePacket(eio.PING)
NOOP = EnginePacket(eio.NOOP)
CLOSE = EnginePacket(eio.CLOSE)


class Reason(StrEnum):
    """Why a session ended: what disconnect handlers are told. The first five are Engine.IO's own words."""

    SERVER_DISCONNECT = "server disconnect"
    CLIENT_DISCONNECT = "client disconnect"
    PING_TIMEOUT = "ping timeout"
    TRANSPORT_CLOSE = "transport close"
    TRANSPORT_ERROR = "transport error"
    PARSE_ERROR = "parse error"
    SLOW_CONSUMER = "slow_consumer"
    CONNECT_TIMEOUT = "connect_timeout"
    DRAIN = "drain"


# The client is gone or cannot be talked to: what is queued for it is worthless.
_UNREACHABLE = frozenset(
    (Reason.CLIENT_DISCONNECT, Reason.TRANSPORT_CLOSE, Reason.TRANSPORT_ERROR, Reason.SLOW_CONSUMER)
)
# The client ended the session itself: what it sent before is still handled.
_ITS_OWN_WISH = frozenset((Reason.CLIENT_DISCONNECT, Reason.TRANSPORT_CLOSE))


@dataclass(frozen=True, slots=True)
class Limits:
    """What one session may cost. Times are seconds."""

    ping_interval: float
    ping_timeout: float
    connect_timeout: float = 10.0  # to be accepted into a namespace
    max_queue_bytes: int = 1_048_576  # that may wait for one client
    max_queue_packets: int = 10_000
    max_pending_events: int = 64  # events read but not yet handled; above it the client is not read any more
    close_timeout: float = 1.0  # for a farewell to reach the client before the connection is cut
    handler_grace: float = 2.0  # for running event handlers before the disconnect handler runs beside them
    upgrade_timeout: float = 10.0  # between the start of an upgrade and its end


class Carrier(Protocol):
    """What carries a session and can be cut: must not block, may be called twice."""

    def abort(self) -> None: ...


class Session:
    """One Engine.IO connection. `send`, `close` and `drop` never block and never run application code."""

    def __init__(self, server: TransportServer, limits: Limits) -> None:
        self.server = server
        self.limits = limits
        self.sid = new_id(current_slot())
        self.session: dict = {}  # python-socketio keeps user sessions here
        self.outbox = Outbox(limits.max_queue_packets, limits.max_queue_bytes)
        self.lane = Lane(limits.max_pending_events)
        self.carrier: Carrier | None = None
        self.connected = False
        self.upgrading = False
        self.upgraded = False
        self.polling = False  # a GET is waiting
        self.posting = False  # a POST is being handled
        self.closing = False
        self.closed = False
        self.close_reason: str | None = None
        self.close_code = 1000
        self._parted: Event | None = None
        self._pong_deadline: Deadline | None = None

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
        self.server.clock.after(self.limits.ping_interval, self._ping)
        self.expect_namespace()

    def send(self, packet: EnginePacket) -> bool:
        """Queue a packet; False when the session is ending. One that cannot keep up is dropped."""
        if self.closing:
            return False
        if self.outbox.put(packet):
            return True
        self.drop()
        return False

    def receive(self, packet: EnginePacket) -> None:
        """Handle one packet from the client; PacketError when it makes no sense here."""
        if packet.packet_type == eio.MESSAGE:
            self.server.message(self, packet.data)
        elif packet.packet_type == eio.PONG:
            self._pong()
        elif packet.packet_type == eio.CLOSE:
            self.close(Reason.CLIENT_DISCONNECT)
        else:
            raise PacketError("the packet type is not for clients")

    # --- ending ---

    def close(self, reason: str, code: int = 1000) -> None:
        """End the session: say goodbye if that can work, tell the application, cut the connection soon."""
        if self.closing:
            return
        self.closing = True
        self.close_reason, self.close_code = reason, code
        if self._pong_deadline:
            self._pong_deadline.cancel()
        if reason in _UNREACHABLE:
            self.outbox.discard()
        elif not self.upgraded:
            self._parted = Event()
        self.outbox.close()
        self.lane.close(discard=reason not in _ITS_OWN_WISH)
        if self.carrier is not None:
            self.server.clock.after(self.limits.close_timeout, self.carrier.abort)
        self.server.farewells.spawn(self._farewell)

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
        return NOOP if self.close_reason == Reason.CLIENT_DISCONNECT else CLOSE

    def drop(self) -> None:
        """End a session whose client does not keep up: at once, because nothing more can be written to it."""
        if self.closing:
            return
        self.server.dropped(self, Reason.SLOW_CONSUMER)
        self.close(Reason.SLOW_CONSUMER, 1008)
        if self.carrier is not None:
            self.carrier.abort()

    def expect_namespace(self) -> None:
        """Give the client `connect_timeout` to be accepted into a namespace."""
        self.server.clock.after(self.limits.connect_timeout, self._check_namespace)

    def _check_namespace(self) -> None:
        if not self.closing and not self.server.joined(self.sid):
            self.close(Reason.CONNECT_TIMEOUT, 1008)

    def _farewell(self) -> None:
        self.lane.join(self.limits.handler_grace)
        self.server.ended(self)
        if not self.upgraded:
            if self._parted is not None:  # a polling client comes for its last packets
                self._parted.wait(self.limits.close_timeout)
            self.outbox.discard()
        self.closed = True
        self.server.sockets.pop(self.sid, None)

    # --- heartbeat ---

    def _ping(self) -> None:
        if self.closing:
            return
        # the deadline first: sending may find the queue full and end the session
        self._pong_deadline = self.server.clock.after(self.limits.ping_timeout, self._miss)
        self.send(PING)

    def _pong(self) -> None:
        if self._pong_deadline is None:  # nobody asked: one timer per ping sent, whatever the client does
            return
        self._pong_deadline.cancel()
        self._pong_deadline = None
        self.server.clock.after(self.limits.ping_interval, self._ping)

    def _miss(self) -> None:
        self.close(Reason.PING_TIMEOUT)
