"""The heartbeat: when a session has to ping, be answered, and be accepted into a namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engineio import packet as eio

from .clock import Timed
from .packets import EnginePacket
from .reasons import Limits, Reason

if TYPE_CHECKING:
    from .clock import Deadline
    from .transport import TransportServer

PING = EnginePacket(eio.PING)


class Heartbeat(Timed):
    """Base of Session. It is itself the deadline on the clock: the next ping, or the end of waiting for its
    answer.
    """

    __slots__ = ("_expected", "_ping_sent", "limits", "server")

    def __init__(self, server: TransportServer, limits: Limits) -> None:
        super().__init__()
        self.server = server
        self.limits = limits
        self._expected: Deadline | None = None  # until when it has to be accepted into a namespace
        self._ping_sent = False

    def beat(self) -> None:
        """Begin to ping."""
        self.server.clock.set(self, self.limits.ping_interval)

    def fire(self) -> None:
        """A ping is due, or its answer did not come."""
        if self._ping_sent:
            self.close(Reason.PING_TIMEOUT)
            return
        # the deadline first: sending may find the queue full and end the session
        self.server.clock.set(self, self.limits.ping_timeout)
        self._ping_sent = True
        self.send(PING, now=False)  # many may be due together

    def pong(self) -> None:
        """The client answered."""
        if self._ping_sent:  # else nobody asked: one deadline per ping sent, whatever the client does
            self._ping_sent = False
            self.server.clock.set(self, self.limits.ping_interval)

    def probe(self) -> None:
        """Ping now instead of when it is due."""
        if not self._ping_sent:
            self.fire()

    @property
    def answering(self) -> bool:
        """Whether no ping is waiting for its answer."""
        return not self._ping_sent

    def expect_namespace(self) -> None:
        """Give the client `connect_timeout` to be accepted into a namespace."""
        if self._expected is None:
            self._expected = self.server.clock.after(self.limits.connect_timeout, self._check_namespace)

    def accepted(self) -> None:
        """It is in a namespace."""
        if self._expected is not None:
            self._expected.cancel()
            self._expected = None

    def _check_namespace(self) -> None:
        self._expected = None
        if not self.closing and not self.server.joined(self.sid):
            self.close(Reason.CONNECT_TIMEOUT, 1008)

    def _cancel_deadlines(self) -> None:
        self.cancel()
        self.accepted()
