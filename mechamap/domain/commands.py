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
    SURVEY = "survey"
    """Tell how those of one user stand: see ``presence.protocol.Census``."""


@dataclass(frozen=True, slots=True)
class Command:
    """Names connections by exactly one of ``sid``, ``user_id``, ``channel`` (canonical) or ``everyone``.

    Attributes:
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

    def __post_init__(self) -> None:
        named = [self.sid is not None, self.user_id is not None, self.channel is not None, self.everyone]
        if sum(named) != 1:
            raise ValueError("a command names connections by exactly one of sid, user_id, channel, everyone")
        if (self.subject is not None) != (self.action in (Action.JOIN, Action.LEAVE)):
            raise ValueError("a command has a subject if it is to join or leave it, and only then")
