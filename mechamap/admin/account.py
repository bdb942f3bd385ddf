"""The operator's own sessions: where they are signed in, and signing out there."""

from typing import Any

from flask import Response, redirect, request, url_for
from flask_admin import expose

from mechamap.domain.acts import Act
from mechamap.services import Services
from mechamap.store.console_sessions import Ended

from . import figures
from .gate import ConsoleView
from .permissions import Permission, needs


class Account(ConsoleView):
    permission = Permission.VIEW

    def __init__(self, services: Services) -> None:
        super().__init__(services, name="Your sessions", endpoint="account", url="account")

    def is_visible(self) -> bool:
        """Not in the menu: the operator's name at the top leads here."""
        return False

    @expose("/")
    def index(self) -> Response:
        own = self.services.console_sessions.live(self.operator.user_id)
        return self.page("account", sessions=own, here=self.session.id)

    @expose("/sign-out", methods=("POST",))
    @needs(Permission.VIEW, Act.SIGN_OUT)
    def sign_out(self) -> Any:
        """One of the operator's own sessions (``id``), or without one all of them."""
        given = request.form.get("id", "")
        session_id = int(given) if given.isascii() and given.isdigit() and len(given) < 19 else None
        user_id = self.operator.user_id
        ended = self.act(
            f"user:{user_id}",
            lambda: self.services.console_sessions.end(
                Ended.SIGNED_OUT, session_id=session_id, user_id=user_id
            ),
            lambda number: (
                f"{figures.number_of(number, 'session')} ended{'' if session_id else ', everywhere'}"
            ),
        )
        if session_id in (None, self.session.id):
            return redirect(url_for("console_signin.form"), 303)
        return self.done(f"{figures.number_of(ended, 'session')} ended.", "account.index")
