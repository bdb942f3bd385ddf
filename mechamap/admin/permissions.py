"""What may be done in the console, who may do it, and how a page or an act says what it needs.

A page states it as its class's ``permission``, an act of the page by ``@needs(…)``. What states nothing is
open to nobody. An act (it takes POST) must state its own, and by which name it is recorded.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

from flask import g

from mechamap.domain.acts import Act
from mechamap.domain.console import ConsoleRole
from mechamap.domain.errors import Forbidden

F = TypeVar("F", bound=Callable[..., Any])

READING = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing and need no form token. Flask answers HEAD with the view of GET, so a view asks
for this set and never for GET alone."""
_STATED, _ACT = "_console_permission", "_console_act"


class Permission(StrEnum):
    """VIEW: read. OPERATE: close, block, publish, purge. ADMINISTER: keys, apps, people, payloads."""

    VIEW = "view"
    OPERATE = "operate"
    ADMINISTER = "administer"

    @property
    def least(self) -> ConsoleRole:
        """The least role that has it."""
        return _LEAST[self]


_LEAST = {
    Permission.VIEW: ConsoleRole.VIEWER,
    Permission.OPERATE: ConsoleRole.OPERATOR,
    Permission.ADMINISTER: ConsoleRole.ADMINISTRATOR,
}


class PermissionMissing(Forbidden):
    """The operator may be here, but not do this."""

    def __init__(self, permission: Permission) -> None:
        super().__init__(
            f"This needs the permission «{permission}», which the role {permission.least.label} has.",
            code="permission_missing",
        )
        self.permission = permission


def needs(permission: Permission, act: Act) -> Callable[[F], F]:
    """State what one act needs, beside what its page does, and what the audit log calls it. Goes below
    ``@expose``."""

    def state(view: F) -> F:
        setattr(view, _STATED, permission)
        setattr(view, _ACT, act)
        return view

    return state


def stated(view: type, act: str, methods: frozenset[str] | set[str]) -> Permission | None:
    """What the act called ``act`` of a page needs when it takes ``methods``; None if that is not stated."""
    own: Permission | None = getattr(getattr(view, act, None), _STATED, None)
    if own is not None or not READING.issuperset(methods):
        return own
    return getattr(view, "permission", None)


def act_of(view: type, name: str) -> Act | None:
    """What the act called ``name`` of a page is recorded as; None of what only reads."""
    return getattr(getattr(view, name, None), _ACT, None)


def allowed(role: ConsoleRole, permission: Permission | None) -> bool:
    """Whether the role has the permission. Nobody has one that was not stated."""
    return permission is not None and role >= permission.least


def may(permission: str) -> bool:
    """For templates, whether the present operator has the permission of that name: ``may("operate")``."""
    return allowed(g.operator.console_role, Permission(permission))
