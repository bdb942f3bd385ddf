"""Who may use the Socket.IO Admin UI: operators by name and password, or by the session that those began."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mechamap.auth.signin import Operator
from mechamap.domain.errors import AuthenticationFailed, Forbidden
from mechamap.services import Services
from mechamap.store.console_sessions import SessionRecord

MAX_NAME, MAX_PASSWORD = 191, 1000


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
        services, secret = self._services, fields.get("sessionId")
        if isinstance(secret, str) and 0 < len(secret) <= 100:
            operator = self.still(secret, polling=False)
            if operator is not None:
                return Guest(operator, secret, address), False
        login, password = fields.get("username"), fields.get("password")
        if not isinstance(login, str) or not isinstance(password, str):
            raise AuthenticationFailed("a name and a password are required.", code="credentials_required")
        services.limits.check_admin_signin(address, login)
        try:
            operator = services.sign_in.check(login[:MAX_NAME], password[:MAX_PASSWORD])
        except (AuthenticationFailed, Forbidden) as err:
            self.record("stranger", "adminui.signin", "console", address, outcome=err.code)
            raise
        _, secret = services.console_sessions.begin(operator.user_id, operator.name, address, agent)
        self.record(f"admin:{operator.user_id}", "adminui.signin", f"user:{operator.user_id}", address)
        return Guest(operator, secret, address), True

    def still(self, secret: str, *, polling: bool) -> Operator | None:
        """The operator of a session, if it is one and they are.

        Raises:
            Unavailable: it cannot be told.
        """
        found = self._services.console_sessions.resume(secret, polling=polling)
        return self._services.sign_in.still(found.user_id) if isinstance(found, SessionRecord) else None

    def record(
        self, actor: str, action: str, target: str, address: str | None, outcome: str = "ok", detail: str = ""
    ) -> None:
        """Note it in the trail."""
        self._services.audit.record(
            actor, action, target[:191], outcome=outcome, detail=detail[:1000], address=address
        )
