"""The candidate: a WebSocket that asks to take over a polling session.

`2probe` is answered by `3probe` and lets the waiting poll go; `5` moves the session. Until then nothing that
is queued is touched, so the order holds across the switch, and a candidate that fails leaves the session on
polling.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from engineio import packet as eio

from .packets import EnginePacket
from .reasons import Reason

if TYPE_CHECKING:
    from .connection import Connection
    from .session import Session

_ANSWER = EnginePacket(eio.PONG, "probe")


class Candidate:
    """The receiver of a connection between its handshake and `5`."""

    __slots__ = ("_connection", "_deadline", "_probed", "_session")

    full = False

    def __init__(self, session: Session) -> None:
        self._session = session
        self._connection: Connection | None = None
        self._probed = False
        self._deadline = session.server.clock.after(session.limits.upgrade_timeout, self.abandon)

    def start(self, connection: Connection, early: bytes) -> None:
        """The handshake is done; a session that ended meanwhile wants nobody."""
        self._connection = connection
        if self._session.candidate is self:
            connection.start(self, early)
        else:
            connection.abort()

    def abandon(self) -> None:
        """Give up; the session stays what it is."""
        self._deadline.cancel()
        session = self._session
        if session.candidate is self:
            session.candidate, session.upgrading = None, False
        if self._connection is not None:
            self._connection.abort()

    # --- as the receiver of its connection ---

    def when_room(self, callback: Callable[[], object]) -> None:
        callback()

    def received(self, data: str | bytes) -> None:
        session = self._session
        if data == "2probe" and not self._probed:
            self._probed = session.upgrading = True
            self._connection.put(_ANSWER.frame)
            self._connection.flush()
            session.wake()
        elif data == "5" and self._probed:
            self._deadline.cancel()
            session.carry(self._connection)
        else:
            self.abandon()

    def ended(self, reason: Reason, code: int) -> None:
        self.abandon()

    def overflowed(self) -> None:
        self.abandon()
