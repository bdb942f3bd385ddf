"""The console's own roles, and which of them each role of the site has."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from .roles import Ladder, Level


class ConsoleRole(IntEnum):
    """Each may do what the one before may, and more."""

    VIEWER = 1
    OPERATOR = 2
    ADMINISTRATOR = 3

    @property
    def label(self) -> str:
        return self.name.lower()


BY_LEVEL: Mapping[Level, ConsoleRole] = {
    Level.MODERATOR: ConsoleRole.VIEWER,
    Level.ADMIN: ConsoleRole.OPERATOR,
    Level.SUPER_ADMIN: ConsoleRole.ADMINISTRATOR,
}
"""What a role of the site is by its level on the ladder; who stands lower may not enter."""
NOBODY = "none"
"""What the setting says of a role that may not enter."""


@dataclass(frozen=True, slots=True)
class ConsoleRoles:
    """By the ladder, but for the roles named in ``changes``; None there: may not enter."""

    ladder: Ladder = field(default_factory=Ladder)
    changes: Mapping[str, ConsoleRole | None] = field(default_factory=dict)

    def of(self, role: str | None) -> ConsoleRole | None:
        """What a person with this role of the site is in the console; None may not enter."""
        if not role:
            return None
        if role in self.changes:
            return self.changes[role]
        level = self.ladder.level(role)
        return None if level is None else BY_LEVEL.get(level)

    def named(self) -> dict[ConsoleRole, list[str]]:
        """The site's roles that may enter, by what they are here, highest first."""
        found: dict[ConsoleRole, list[str]] = {role: [] for role in sorted(ConsoleRole, reverse=True)}
        for name in sorted({*self.ladder.levels, *self.changes}):
            if (role := self.of(name)) is not None:
                found[role].append(name)
        return found
