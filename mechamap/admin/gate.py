"""The gate of the console: session, role, permission and form token are checked before a view runs; acts are
recorded.

Flask-Admin 2.2 lets everyone in and takes any POST by default; ``ConsoleView`` turns both around.
"""

import logging
import time
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

from flask import Response, flash, g, jsonify, redirect, render_template, request, url_for
from flask_admin import BaseView

from mechamap.auth.signin import Operator
from mechamap.domain.acts import Act
from mechamap.domain.errors import InvalidRequest, RealtimeError
from mechamap.services import Services
from mechamap.store.console_sessions import Ended, SessionRecord

from . import session
from .permissions import READING, Permission, PermissionMissing, act_of, allowed, stated
from .standing import present

log = logging.getLogger(__name__)

T = TypeVar("T")

LIVE_PATH = "/admin/live.json"


def check_form() -> None:
    """Refuse a POST whose form this session was not given.

    Raises:
        InvalidRequest
    """
    if not session.owns_form(request.form.get("csrf_token", "")):
        raise InvalidRequest(
            "This form was not made for your present session. Open the page again and repeat.",
            code="csrf_refused",
        )


def record(
    services: Services, actor: str, action: Act, target: str, *, outcome: str = "ok", detail: str = ""
) -> None:
    """One row of the audit log, with the address and the id of the present request."""
    services.audit.record(
        actor,
        action,
        target,
        outcome=outcome,
        detail=detail,
        address=request.remote_addr,
        request_id=g.get("request_id"),
    )


class ConsoleView(BaseView):
    """A page of the console. Nothing of it answers a stranger, or an operator without the permission.

    Views are made per application and hold what they need; the present operator is in ``flask.g``.

    Attributes:
        permission: what all of the page needs; single acts may state another by ``@needs``.
    """

    permission: Permission

    def __init__(self, services: Services, name: str, endpoint: str, url: str | None = None) -> None:
        super().__init__(name=name, endpoint=endpoint, url=url)
        self.services = services

    def is_accessible(self) -> bool:
        """Whether the page is open to whoever stands behind the request: what the menu shows.

        Raises:
            Unavailable: session or role cannot be checked now, so nobody enters.
        """
        return self._entered() and self.may(getattr(self, "permission", None))

    def may(self, permission: Permission | None) -> bool:
        """Whether the present operator has the permission."""
        return allowed(self.operator.console_role, permission)

    def inaccessible_callback(self, name: str, **kwargs: Any) -> Any:
        why: Ended = g.operator
        if request.path == LIVE_PATH:
            message = session.WHY.get(why, "Sign in to the console.")
            answer = {"success": False, "code": why.value, "message": message}
            return jsonify(answer), 401, {"WWW-Authenticate": "Session"}
        asked = request.full_path.rstrip("?") if request.method == "GET" else None
        code = None if why is Ended.SIGNED_OUT else why.value
        return redirect(url_for("console_signin.form", why=code, next=asked))

    def _handle_view(self, name: str, **kwargs: Any) -> Any:
        if not self._entered():
            return self.inaccessible_callback(name, **kwargs)
        rule = request.url_rule
        needed = stated(type(self), name, (rule.methods if rule else None) or {request.method})
        if not self.may(needed):
            return self._refused(name, needed)
        if request.method not in READING:
            check_form()
        return None

    def _refused(self, name: str, needed: Permission | None) -> Any:
        """403 with the permission named; tries to act are recorded."""
        error = PermissionMissing(needed or Permission.ADMINISTER)
        act = act_of(type(self), name)
        if act is not None and request.method not in READING:
            record(self.services, self.actor, act, request.path, outcome=error.code)
        if request.accept_mimetypes.best_match(("application/json", "text/html")) != "text/html":
            raise error
        return self.page("refused", error.http_status, error=error)

    def _entered(self) -> bool:
        """Whether an operator who still may be one stands behind the request.

        Raises:
            Unavailable: session or role cannot be checked now, so nobody enters.
        """
        if "operator" not in g:
            g.operator = self._operator()
        return not isinstance(g.operator, Ended)

    def _run_view(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        # Flask-Admin 2.2 calls the view a second time, with other arguments, after any TypeError inside it.
        return fn(self, *args, **kwargs)

    def _operator(self) -> Operator | Ended:
        secret = session.secret()
        if secret is None:
            return Ended.SIGNED_OUT
        found = present(
            self.services,
            secret,
            polling=request.path == LIVE_PATH,
            address=request.remote_addr,
            request_id=g.get("request_id"),
        )
        if isinstance(found, Ended):
            session.end()
            return found
        g.console_session = found.session
        return found.operator

    @property
    def operator(self) -> Operator:
        return g.operator

    @property
    def session(self) -> SessionRecord:
        """The session behind the request."""
        return g.console_session

    @property
    def actor(self) -> str:
        """The operator as the audit log names people."""
        return f"admin:{self.operator.user_id}"

    def page(self, template: str, status: int = 200, **facts: Any) -> Response:
        """A page of the console in full."""
        facts.setdefault("operator", self.operator)
        body = self.render(f"console/{template}.html", form_token=session.form_token, **facts)
        return Response(body, status, mimetype="text/html")

    def act(self, target: str, work: Callable[[], T], detail: Callable[[T], str] = str) -> T:
        """Do ``work`` for the operator and record it as what the view states, whether it succeeded or was
        refused.

        Raises:
            RealtimeError: what ``work`` raised.
        """
        action = act_of(type(self), (request.endpoint or "").rpartition(".")[2])
        assert action is not None, "an act that states no name is open to nobody"
        try:
            done = work()
        except RealtimeError as err:
            record(self.services, self.actor, action, target, outcome=err.code, detail=err.message)
            raise
        record(self.services, self.actor, action, target, detail=detail(done))
        log.info("console_action", extra={"actor": self.actor, "action": action.value, "target": target})
        return done

    def done(self, sentence: str, endpoint: str, **values: Any) -> Any:
        """Back to a page, which shows ``sentence``."""
        flash(sentence, "done")
        return redirect(url_for(endpoint, **values), 303)


class LiveView(ConsoleView):
    """A page whose parts renew themselves: the same templates make the page and, alone, the parts.

    Attributes:
        fragments: templates under ``console/live/``; each fills the element ``live-NAME`` of the page.
    """

    fragments: tuple[str, ...] = ()

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What the templates show, read now; never raises because something of the cluster is away."""

    def live(self) -> dict[str, Any]:
        """What the open page is sent."""
        return self.renewed(self.facts())

    def renewed(self, facts: dict[str, Any]) -> dict[str, Any]:
        """The parts, made of these facts."""
        facts = {**facts, "form_token": session.form_token}
        snapshot = facts["snapshot"]
        return {
            "at": round(time.time(), 1),
            "spoken": snapshot.spoken,
            "fragments": {
                name: render_template(f"console/live/{name}.html", **facts) for name in self.fragments
            },
        }
