"""Orders from an operator or a rule change to every worker; each acts on its own connections."""

import secrets
from dataclasses import dataclass, field
from enum import StrEnum


class Action(StrEnum):
    """What to do with the connections that a command names."""

    KICK = "kick"
    RECHECK = "recheck"


@dataclass(frozen=True, slots=True)
class Command:
    """Names connections by exactly one of ``sid``, ``user_id``, ``channel`` (canonical) or ``everyone``.

    Attributes:
        code: stable reason code, told to the client and logged.
        reason: one sentence for the client.
    """

    action: Action
    sid: str | None = None
    user_id: int | None = None
    channel: str | None = None
    everyone: bool = False
    code: str = "operator"
    reason: str = "An operator closed the connection."
    id: str = field(default_factory=lambda: secrets.token_hex(8))

    def __post_init__(self) -> None:
        named = [self.sid is not None, self.user_id is not None, self.channel is not None, self.everyone]
        if sum(named) != 1:
            raise ValueError("a command names connections by exactly one of sid, user_id, channel, everyone")
