"""Engine.IO over a WebSocket: one greenlet reads, one writes, and only the writer says goodbye."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gevent

from .frames import FrameError
from .packets import EnginePacket, PacketError
from .session import Reason
from .turn import Turn

# gevent's recv does not switch while data is there, so a client that floods would keep the worker to itself.
# Not at every message: after an idle time the first look finds the turn over and pays for it.
_LOOK_EVERY = 64

if TYPE_CHECKING:
    from .session import Session
    from .websocket import BoundedWebSocket


def serve(session: Session, ws: BoundedWebSocket) -> None:
    """Carry the session until it ends; afterwards nothing of it is left in this greenlet or its writer."""
    session.carrier = ws
    session.connected = session.upgraded = True
    if session.closing:  # it ended while the WebSocket was being opened
        ws.abort()
        return
    writer = gevent.spawn(_write, session, ws)
    try:
        _read(session, ws)
    finally:
        session.close(Reason.TRANSPORT_CLOSE, ws.peer_code)
        writer.join(session.limits.close_timeout)
        ws.abort()
        writer.join()
        session.outbox.discard()


def upgrade(session: Session, ws: BoundedWebSocket) -> None:
    """Move a polling session to the WebSocket: probe, let the waiting poll go, wait for the word, then serve.

    Until the client says `5` nothing queued is touched, so the order holds across the switch, and a probe
    that fails leaves the session on polling.
    """
    deadline = session.server.clock.after(session.limits.upgrade_timeout, ws.abort)
    try:
        if _word(ws) == "2probe":
            session.upgrading = True
            ws.send("3probe")
            session.outbox.wake()
            if _word(ws) == "5" and not session.closing:
                session.upgraded = True
    except OSError:
        pass  # the candidate is dead, the session is not
    finally:
        deadline.cancel()
        session.upgrading = False
        session.carrier = None
    if session.upgraded:
        serve(session, ws)
    else:
        ws.abort()


def _word(ws: BoundedWebSocket) -> str | bytes | None:
    try:
        return ws.receive()
    except FrameError:
        return None


def _read(session: Session, ws: BoundedWebSocket) -> None:
    turn, count = Turn(), 0
    try:
        while (data := ws.receive()) is not None:
            count += 1
            if count % _LOOK_EVERY == 0:
                turn.check()
            if session.closing:  # the farewell is on its way; what still comes is not for anybody
                continue
            session.receive(EnginePacket(encoded_packet=data))
    except FrameError as err:
        session.close(Reason.PARSE_ERROR, err.code)
        _linger(ws)
    except PacketError:
        session.close(Reason.PARSE_ERROR, 1008)
        _linger(ws)
    except OSError:
        session.close(Reason.TRANSPORT_ERROR)


def _linger(ws: BoundedWebSocket) -> None:
    """Discard input until the client has read the close frame and closed, or the session's deadline cuts."""
    try:
        while ws.discard():
            pass
    except OSError:
        pass


def _write(session: Session, ws: BoundedWebSocket) -> None:
    outbox = session.outbox
    try:
        while True:
            outbox.wait()
            packets = outbox.take()
            if packets:
                ws.write(b"".join([packet.frame for packet in packets]))
                outbox.sent(packets)
            elif outbox.closed:
                break
        ws.close(session.close_code)
    except OSError:
        session.close(Reason.TRANSPORT_ERROR)
        ws.abort()
