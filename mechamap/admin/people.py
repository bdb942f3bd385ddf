"""Who is signed in to the console and what their roles may, and ending their sessions."""

from typing import Any

from flask import Response, request
from flask_admin import expose

from mechamap.auth.signin import Operator
from mechamap.domain.acts import Act
from mechamap.domain.errors import InvalidField, NotFound, Unavailable
from mechamap.services import Services
from mechamap.store.console_sessions import Ended

from . import figures
from .gate import ConsoleView
from .permissions import READING, Permission, needs


class People(ConsoleView):
    permission = Permission.ADMINISTER

    def __init__(self, services: Services) -> None:
        super().__init__(services, name="People", endpoint="people", url="people")

    @expose("/")
    def index(self) -> Response:
        sessions = self.services.console_sessions.live()
        roles = self.services.settings.console_roles
        return self.page(
            "people",
            sessions=sessions,
            people=self._people({each.user_id for each in sessions}),
            here=self.session.id,
            roles=roles.named().items(),
        )

    @expose("/end", methods=("GET", "POST"))
    @needs(Permission.ADMINISTER, Act.END_SESSIONS)
    def end(self) -> Any:
        """Ask first (GET), then end (POST): one session by ``id`` or all of ``user_id``."""
        session_id, user_id = (_number(name, request.values.get(name)) for name in ("id", "user_id"))
        if (session_id is None) == (user_id is None):
            raise InvalidField("id", "Name either one session (id) or one person (user_id).")
        named = [
            each for each in self.services.console_sessions.live(user_id) if session_id in (None, each.id)
        ]
        if request.method in READING:
            return self.page("end_sessions", named=named, session_id=session_id, here=self.session.id)
        if not named:
            raise NotFound("The session has ended already.", code="session_unknown")
        ended = self.act(
            f"user:{named[0].user_id}",
            lambda: self.services.console_sessions.end(
                Ended.REVOKED, session_id=session_id, user_id=named[0].user_id
            ),
            lambda number: f"{figures.number_of(number, 'session')} ended",
        )
        return self.done(
            f"{figures.number_of(ended, 'session')} of {named[0].name or 'the user'} ended.", "people.index"
        )

    def _people(self, ids: set[int]) -> dict[int, Operator | None]:
        """What each may do now; who is absent could not be asked about."""
        found: dict[int, Operator | None] = {}
        for user_id in ids:
            try:
                found[user_id] = self.services.sign_in.standing(user_id)
            except Unavailable:
                break
        return found


def _number(name: str, given: str | None) -> int | None:
    if not given:
        return None
    if not (given.isascii() and given.isdigit() and len(given) < 19):
        raise InvalidField(name, f"{name} must be a whole number.")
    return int(given)
