"""Who gets what a connection brings: a session, or a candidate that wants to take one over."""

from collections.abc import Callable
from typing import Protocol

from .reasons import Reason


class PacketError(ValueError):
    """A client sent something that is not a packet; its session is closed and nobody else notices."""


class Receiver(Protocol):
    """Called by a connection, often from the event loop: must neither block nor raise, save as said here."""

    @property
    def full(self) -> bool:
        """Whether nothing more can be taken now."""

    def when_room(self, callback: Callable[[], object]) -> None:
        """Call once when `full` has become false."""

    def received(self, data: str | bytes) -> None:
        """A whole message; a PacketError ends the connection."""

    def ended(self, reason: Reason, code: int) -> None:
        """The peer left, failed or broke a rule. Where the descriptor still lives, the receiver has to end
        it.
        """

    def overflowed(self) -> None:
        """The answer to a control frame found no room: the peer does not read."""
