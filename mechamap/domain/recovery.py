"""What a returning client and the server say to each other: session, position, outcome.

The unmodified socket.io-client 4.6 and newer keeps the ``pid`` of the CONNECT answer and the last argument of
every event that is a string, and sends both when it connects again. If the answer bears the same ``pid``, its
``socket.recovered`` is true.
"""

import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from .history import Gap, Position, later

MAX_PID_LENGTH = 64
_OFFSET = re.compile(r"([A-Za-z0-9_-]{8})\.([0-9]{1,15})", re.ASCII)


def new_pid() -> str:
    """The name of a session for its own client only: 128 random bits, no way to guess another's."""
    return secrets.token_urlsafe(16)


def offset_text(epoch: str, offset: int) -> str:
    """A position as it travels behind an event."""
    return f"{epoch}.{offset}"


def parse_offset(value: object) -> Position | None:
    """The position in ``value``; None if it is none."""
    found = _OFFSET.fullmatch(value) if isinstance(value, str) else None
    return Position(found[1], int(found[2])) if found else None


class Lost(StrEnum):
    """Why a session could not be recovered, beside the reasons of ``Gap``."""

    UNKNOWN = "session_unknown"
    """No session of this person has this pid: it ended, it is too old, or there never was one."""


@dataclass(frozen=True, slots=True)
class Returning:
    """What a returning client says.

    Attributes:
        pid: the session it wants back.
        position: after the last event that it received; None when it received none.
    """

    pid: str
    position: Position | None


STALLED = 5.0
"""Seconds without a tick, of which there is one a second, after which a worker knows that it stood still: it
noticed no end of a connection meanwhile."""
MOST_SIDS = 8
"""Connections of a session that are remembered; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A session as it is kept for its client's return.

    Several connections may have one session: a page that was given up by a stalled worker is back on another
    while the first still lives, and what it sent there is handled late. So a session changes by what one of
    them does, never to what one of them is. Nothing that the newest has gets lost: others only add. What a
    page left on an older one may stay, which is seen and does no harm; every return judges it again.

    The newest is the one that was opened last, whichever worker heard first what was said on it: a page
    speaks on a connection only after it was opened, and opens one only after it gave up the one before.

    Attributes:
        user_id: whose it is; nobody else gets it back.
        opened: its connections, which were left out of the events they caused, and when each was opened, in
            Unix seconds; the newest last.
        position: where the sequence was when the session began, or up to where it was once confirmed.
        channels: name as the client spells it, with its dialect (``dialects.mark``) → the offset, in the
            position's epoch, after which it is owed the channel's events.
    """

    user_id: int
    opened: Mapping[str, float]
    position: Position
    channels: Mapping[str, int] = field(default_factory=dict)

    @property
    def sids(self) -> tuple[str, ...]:
        """Its connections, the newest last."""
        return tuple(self.opened)

    def taken_over(self, by: "Kept", without: Collection[str] = ()) -> "Kept":
        """A connection, as it is, has the session from now on; it may not have the channels ``without``. If
        a newer one has it already, nothing changes: it has what the session had before, and what is not in it
        any more was left since."""
        base = self._in_epoch(by.position.epoch)
        everyone = sorted({**self.opened, **by.opened}.items(), key=lambda one: one[1])
        opened = dict(everyone[-MOST_SIDS:])
        position = later(base.position, by.position)
        if tuple(opened)[-1] not in by.opened:
            return Kept(self.user_id, opened, position, base.channels)
        channels = {name: since for name, since in base.channels.items() if name not in without}
        return Kept(self.user_id, opened, position, channels | dict(by.channels))

    def joined(self, name: str, position: Position) -> "Kept":
        """One of its connections joined a channel and is owed what comes after the position."""
        base = self._in_epoch(position.epoch)
        return replace(base, channels={**base.channels, name: position.offset})

    def left(self, name: str, sid: str) -> "Kept":
        """A connection left a channel; only the newest takes it from the session."""
        if sid != self.sids[-1]:
            return self
        return replace(self, channels={n: since for n, since in self.channels.items() if n != name})

    def confirmed(self, position: Position, joins: Mapping[str, int]) -> "Kept":
        """A connection that joined its channels at these offsets has received all of theirs up to the
        position. That says nothing of what came between what is owed and its joining."""
        if position.epoch != self.position.epoch:
            return self
        has = position.offset
        received = {n: has for n, since in self.channels.items() if joins.get(n, has) <= since < has}
        return replace(self, position=later(self.position, position), channels={**self.channels, **received})

    def _in_epoch(self, epoch: str) -> "Kept":
        """Offsets of different epochs cannot be compared: what comes in the other one is owed whole."""
        if epoch == self.position.epoch:
            return self
        return replace(self, position=Position(epoch, 0), channels=dict.fromkeys(self.channels, 0))


ALREADY_SUBSCRIBED = "already_subscribed"
"""Why a subscription brings nothing that was missed: the connection has the channel's events as they come."""

Reason = Gap | Lost
"""Why something may be missing: the code that client, log and metric share."""
