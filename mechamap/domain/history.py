"""Positions in the broker's one sequence of events, and what a channel's log says since one of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .publication import Publication


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the sequence: after the event with this ``offset``, or before the first if it is 0.

    Offsets of one ``epoch`` grow over all channels of the broker, so one position serves all channels of a
    client. Those of different epochs cannot be compared: what came between is unknown.
    """

    epoch: str
    offset: int


def later(position: Position, other: Position) -> Position:
    """The later of two; ``position`` where they cannot be compared."""
    return other if other.epoch == position.epoch and other.offset > position.offset else position


def earliest(positions: Sequence[Position]) -> Position | None:
    """The earliest of them; None where they cannot be compared."""
    same = all(position.epoch == positions[0].epoch for position in positions)
    return min(positions, key=lambda position: position.offset) if same else None


class Gap(StrEnum):
    """Why it cannot be proven that nothing is missing."""

    EPOCH = "epoch_changed"
    """The sequence began anew: the data set was emptied, replaced by an older one, or failed over."""
    TRIMMED = "trimmed"
    """The log is bounded, and events since the position are no longer in it."""
    TOO_OLD = "too_old"
    """The position is older than what is remembered of quiet channels."""
    TOO_MUCH = "too_much"
    """More was missed at once than a worker takes into its memory."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a channel's log keeps.

    Attributes:
        seconds: age of an event after which it may go; it is gone after about 1.5 times that.
        user_seconds: the same for the private channels of users.
        events: the newest that are kept, at least; up to a hundred more may be.
        channel_bytes: what those may take together, counted by the size of the newest one.
    """

    seconds: float = 120.0
    user_seconds: float = 600.0
    events: int = 500
    channel_bytes: int = 1_048_576

    @property
    def longest(self) -> float:
        return max(self.seconds, self.user_seconds)

    def age(self, channel: str) -> float:
        """Seconds an event of the canonical ``channel`` is kept."""
        return self.user_seconds if channel.startswith("user:") else self.seconds

    def count(self, size: int) -> int:
        """Events of ``size`` bytes that a channel keeps: at least the newest."""
        return max(1, min(self.events, self.channel_bytes // max(1, size)))


@dataclass(frozen=True, slots=True)
class LogState:
    """How much the log of one channel holds.

    Attributes:
        events, bytes: that are kept, whispers included.
        first, last: offsets of the first and the last of them; 0 without any.
        newest: offset of the channel's last event, kept or not; 0 if none is remembered.
    """

    epoch: str
    events: int
    bytes: int
    first: int
    last: int
    newest: int


@dataclass(frozen=True, slots=True)
class History:
    """Events of one channel in order.

    Attributes:
        events: in the order of their offsets, which they carry.
        position: up to where these are all that came after the position asked for: the offset of the last
            event if the limit left out some, otherwise the end of the sequence at the moment of reading.
        gap: why events may be missing, or None if it is proven that none is.
    """

    events: tuple["Publication", ...]
    position: Position
    gap: Gap | None = None

    @property
    def complete(self) -> bool:
        return self.gap is None
