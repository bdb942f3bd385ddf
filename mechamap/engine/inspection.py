"""What a worker can tell of its connections: who they are, and what they did not take."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .flusher import Flusher
from .members import Member

if TYPE_CHECKING:
    from .server import Server


@dataclass(frozen=True, slots=True)
class ConnectionInfo:
    """One client of the default namespace on this worker."""

    sid: str
    transport: str  # 'websocket' or 'polling'
    remote_addr: str | None
    connected_at: float  # unix seconds
    queued_packets: int
    queued_bytes: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """What clients of this worker did not take: how many clients, bytes of all, bytes of the worst."""

    connections: int
    bytes: int
    largest: int


def info_of(server: "Server", member: Member) -> ConnectionInfo:
    """One member of the default namespace."""
    session = server.eio.sockets.get(member.eio_sid)
    environ = server.environ.get(member.eio_sid) or {}
    return ConnectionInfo(
        sid=member.sid,
        transport="websocket" if session is not None and session.upgraded else "polling",
        remote_addr=environ.get("REMOTE_ADDR"),
        connected_at=member.since,
        queued_packets=session.queued_packets if session is not None else 0,
        queued_bytes=session.queued_bytes if session is not None else 0,
    )


def backlog_of(flusher: Flusher) -> Backlog:
    """What waits for clients that do not read. Clients that poll are not among them."""
    waiting = [outflow.queued for outflow in flusher.stalled]
    return Backlog(len(waiting), sum(waiting), max(waiting, default=0))
