"""Who may use the Socket.IO Admin UI: operators by name and password, or by the session that those began."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mechamap.auth.signin import Operator
from mechamap.domain.acts import Act
from mechamap.domain.errors import AuthenticationFailed, Forbidden
from mechamap.domain.logins import MAX_PASSWORD, masked
from mechamap.services import Services
from mechamap.store.console_sessions import Ended

from .standing import present

DOOR = "Admin UI"
"""What the trail says of the way by which its acts came."""


@dataclass(frozen=True, slots=True)
class Guest:
    """One connected UI. ``secret`` names its session, ``address`` is for the trail."""

    operator: Operator
    secret: str
    address: str | None


class Entry:
    """The door, and the trail of who came and what they did."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def enter(self, fields: Mapping[str, Any], address: str | None, agent: str | None) -> tuple[Guest, bool]:
        """The guest, and whether the session is new.

        Raises:
            AuthenticationFailed, Forbidden, RateLimited, Unavailable
        """
        services, secret, ended = self._services, fields.get("sessionId"), Ended.SIGNED_OUT
        if isinstance(secret, str) and 0 < len(secret) <= 100:
            operator = self.still(secret, address, polling=False)
            if isinstance(operator, Operator):
                return Guest(operator, secret, address), False
            ended = operator
        login, password = fields.get("username"), fields.get("password")
        if not isinstance(login, str) or not isinstance(password, str):
            code = "credentials_required" if ended is Ended.SIGNED_OUT else ended.value
            raise AuthenticationFailed("a name and a password are required.", code=code)
        services.limits.check_admin_signin(address, login)
        try:
            operator, password_digest = services.sign_in.check(login, password[:MAX_PASSWORD])
        except (AuthenticationFailed, Forbidden) as err:
            self.record("stranger", Act.SIGN_IN, masked(login), address, outcome=err.code)
            raise
        _, secret = services.console_sessions.begin(
            operator.user_id, password_digest, operator.name, address, agent
        )
        self.record(f"admin:{operator.user_id}", Act.SIGN_IN, f"user:{operator.user_id}", address)
        return Guest(operator, secret, address), True

    def still(self, secret: str, address: str | None, *, polling: bool) -> Operator | Ended:
        """The operator of a session, or why it is none any more.

        Raises:
            Unavailable: it cannot be told.
        """
        found = present(self._services, secret, polling=polling, address=address)
        return found if isinstance(found, Ended) else found.operator

    def record(
        self, actor: str, action: Act, target: str, address: str | None, outcome: str = "ok", detail: str = ""
    ) -> None:
        """Note it in the trail."""
        told = f"{DOOR}; {detail}" if detail else DOOR
        self._services.audit.record(actor, action, target, outcome=outcome, detail=told, address=address)
