"""Orders from an operator or a rule change to every worker; each acts on its own connections."""

import secrets
from dataclasses import dataclass, field
from enum import StrEnum


class Action(StrEnum):
    """What to do with the connections that a command names."""

    KICK = "kick"
    RECHECK = "recheck"
    JOIN = "join"
    """Let them into ``subject``, if its rule does."""
    LEAVE = "leave"
    """Take them out of ``subject``."""
    REVOKE = "revoke"
    """Close those that came with the ``token``, and let none in any more that was verified before."""
    BLOCK = "block"
    """Close the user's, and let none in ``until`` then."""
    UNBLOCK = "unblock"
    """Let the user's in again."""
    SURVEY = "survey"
    """Tell how those of one user stand: see ``presence.protocol.Census``."""


LAST_SECOND = 253402300799.0
"""The end of the year 9999, the last that every part can write."""
CLOSING = frozenset({Action.KICK, Action.REVOKE, Action.BLOCK})
"""These close what they name."""


@dataclass(frozen=True, slots=True)
class Command:
    """Names connections by exactly one of ``sid``, ``user_id``, ``channel`` (canonical), ``token`` or
    ``everyone``.

    Attributes:
        token: as ``Identity.token_ref`` or ``jti_ref`` have it; only to revoke.
        until: Unix seconds; of a block.
        subject: the name of the channel to join or leave.
        code: stable reason code, told to the client and logged.
        reason: one sentence for the client.
    """

    action: Action
    sid: str | None = None
    user_id: int | None = None
    channel: str | None = None
    everyone: bool = False
    subject: str | None = None
    code: str = "operator"
    reason: str = "An operator closed the connection."
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    token: str | None = None
    until: float | None = None

    def __post_init__(self) -> None:
        named = [self.sid, self.user_id, self.channel, self.token, self.everyone or None]
        if sum(each is not None for each in named) != 1:
            raise ValueError(
                "a command names connections by exactly one of sid, user_id, channel, token, everyone"
            )
        if (self.token is not None) != (self.action is Action.REVOKE):
            raise ValueError("a command has a token if it is to revoke it, and only then")
        if (self.until is not None) != (self.action is Action.BLOCK):
            raise ValueError("a command has an end if it is a block, and only then")
        if self.until is not None and not 0 <= self.until <= LAST_SECOND:
            raise ValueError("a block ends before the year 10000")
        if self.action in (Action.BLOCK, Action.UNBLOCK) and self.user_id is None:
            raise ValueError("who is to be blocked, or no longer, is a user")
        if (self.subject is not None) != (self.action in (Action.JOIN, Action.LEAVE)):
            raise ValueError("a command has a subject if it is to join or leave it, and only then")
