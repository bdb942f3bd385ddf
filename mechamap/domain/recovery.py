"""What a returning client and the server say to each other: session, position, outcome.

The unmodified socket.io-client 4.6 and newer keeps the ``pid`` of the CONNECT answer and the last argument of
every event that is a string, and sends both when it connects again. If the answer bears the same ``pid``, its
``socket.recovered`` is true.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .history import Gap, Position

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


@dataclass(frozen=True, slots=True)
class Kept:
    """A session as it is kept for its client's return.

    Attributes:
        user_id: whose it is; nobody else gets it back.
        sid: the last connection's, which was left out of the events it caused.
        position: where the sequence was when the session began.
        channels: name as the client spells it → the offset, in the position's epoch, after which it is owed
            the channel's events.
    """

    user_id: int
    sid: str
    position: Position
    channels: Mapping[str, int] = field(default_factory=dict)


ALREADY_SUBSCRIBED = "already_subscribed"
"""Why a subscription brings nothing that was missed: the connection has the channel's events as they come."""

Reason = Gap | Lost
"""Why something may be missing: the code that client, log and metric share."""
