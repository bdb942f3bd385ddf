"""Roles: the plan's ladder of six levels, and where each role of the real application stands on it.

The application numbers its roles the other way round (1 is highest) and its two tables disagree, so levels
are ours and the mapping is configuration. A role that nobody mapped has no level: it passes no rule that asks
for one, and is reported.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum


class Level(IntEnum):
    """The plan's ladder; higher may do more."""

    GUEST = 1
    MEMBER = 2
    SENIOR_MEMBER = 3
    MODERATOR = 4
    ADMIN = 5
    SUPER_ADMIN = 6

    @property
    def label(self) -> str:
        return self.name.lower()


DEFAULT_LEVELS: Mapping[str, Level] = {
    # the plan's six
    "guest": Level.GUEST,
    "member": Level.MEMBER,
    "senior_member": Level.SENIOR_MEMBER,
    "moderator": Level.MODERATOR,
    "admin": Level.ADMIN,
    "super_admin": Level.SUPER_ADMIN,
    # the application's others, with the legacy names that rows still hold
    "system_admin": Level.ADMIN,
    "content_admin": Level.ADMIN,
    "content_moderator": Level.MODERATOR,
    "marketplace_moderator": Level.MODERATOR,
    "community_moderator": Level.MODERATOR,
    "senior": Level.SENIOR_MEMBER,
    "student": Level.MEMBER,
    "verified_partner": Level.MEMBER,
    "manufacturer": Level.MEMBER,
    "supplier": Level.MEMBER,
    "brand": Level.MEMBER,
}


@dataclass(frozen=True, slots=True)
class Ladder:
    """Which level each role name has."""

    levels: Mapping[str, Level] = field(default_factory=lambda: DEFAULT_LEVELS)

    def level(self, role: str | None) -> Level | None:
        """Level of ``role``; no role at all is a guest, an unknown one is None."""
        if role is None or role == "":
            return Level.GUEST
        return self.levels.get(role)

    def extended(self, changes: Mapping[str, Level]) -> "Ladder":
        """This ladder with some roles added or moved."""
        return Ladder({**self.levels, **changes})


def level_named(name: str) -> Level | None:
    """The level a configuration calls ``name``, or None."""
    return Level.__members__.get(name.strip().upper())
