"""Who may sign in to the console: somebody should, and of administrators there should be few."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlalchemy import column, func, select, table

from mechamap.cli.printing import counted
from mechamap.domain.console import ConsoleRole

from .finding import Finding, ok, warn

if TYPE_CHECKING:
    from mechamap.services import Services


def examine(services: "Services", area: str) -> Iterator[Finding]:
    """What there is to say of the roles of Laravel's users.

    Raises:
        DirectoryUnavailable
    """
    schema, roles = services.directory.schema, services.settings.console_roles
    if not schema.current().has("users", "role"):
        return
    named = {name: role for role, names in roles.named().items() for name in names}
    asked = (
        select(column("role"), func.count())
        .select_from(table("users"))
        .where(column("role").in_(list(named)))
        .group_by(column("role"))
    )
    people: Counter[ConsoleRole] = Counter()
    for name, number in schema.read(lambda connection, _: [tuple(row) for row in connection.execute(asked)]):
        role = roles.of(name)
        if role is not None:
            people[role] += number
    if people[ConsoleRole.ADMINISTRATOR]:
        shown = ", ".join(counted(people[role], role.label) for role in sorted(people, reverse=True))
        yield ok(area, "console", f"By their roles may sign in to the console: {shown}.")
        return
    highest = ", ".join(name for name, role in named.items() if role is ConsoleRole.ADMINISTRATOR) or "none"
    yield warn(
        area,
        "console",
        f"Nobody is an administrator of the console: no user has a role that is one ({highest}).",
        "Map one that somebody has, for example CONSOLE_ROLES=system_admin=administrator.",
    )
