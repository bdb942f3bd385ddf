"""Signing in to the console and out of it."""

from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for

from mechamap.domain.errors import AuthenticationFailed, Forbidden, RateLimited, RealtimeError
from mechamap.services import Services

from . import session
from .gate import check_form, record

MAX_LOGIN, MAX_PASSWORD = 191, 1000
"""Characters; 191 is the width of Laravel's column. Checked before bcrypt sees anything."""

WHY = {
    session.Ended.IDLE: "You were signed out after 30 minutes without use.",
    session.Ended.OVER: "Your session reached its 12 hours. Sign in again to go on.",
    session.Ended.REVOKED: "Your session was ended. Sign in again to go on.",
    session.Ended.ROLE_LOST: "Your account no longer has a role that may use the console.",
}


def blueprint(services: Services) -> Blueprint:
    pages = Blueprint("console_signin", __name__, url_prefix="/admin")

    @pages.get("/login")
    def form() -> Response:
        why = request.args.get("why", "")
        return _page(note=WHY.get(why) if why in WHY else None)

    @pages.post("/login")
    def enter() -> Any:
        """Unknown name and wrong password are one answer; a missing role is told after a right password."""
        login = request.form.get("login", "").strip()
        password = request.form.get("password", "")
        try:
            check_form()
            services.limits.check_admin_signin(request.remote_addr, login)
            operator = services.sign_in.check(login[:MAX_LOGIN], password[:MAX_PASSWORD])
        except RateLimited as err:
            return _page(error=err, login=login, headers={"Retry-After": str(err.retry_after)})
        except (AuthenticationFailed, Forbidden) as err:
            record(services, "stranger", "console.signin", _masked(login), outcome=err.code)
            return _page(error=err, login=login)
        except RealtimeError as err:
            return _page(error=err, login=login)
        try:
            session.begin(services.console_sessions, operator.user_id, operator.name)
        except RealtimeError as err:
            return _page(error=err, login=login)
        record(services, f"admin:{operator.user_id}", "console.signin", f"user:{operator.user_id}")
        return redirect(_inside(request.form.get("next")), 303)

    @pages.post("/logout")
    def leave() -> Any:
        found = session.resume(services.console_sessions, polling=True)
        if not isinstance(found, session.Ended):
            check_form()
            services.console_sessions.end(session.Ended.SIGNED_OUT, session_id=found.id)
            session.end()
            record(services, f"admin:{found.user_id}", "console.signout", f"user:{found.user_id}")
        return redirect(url_for("console_signin.form"), 303)

    return pages


def _page(
    *,
    error: RealtimeError | None = None,
    note: str | None = None,
    login: str = "",
    headers: dict[str, str] | None = None,
) -> Response:
    body = render_template(
        "console/signin.html",
        form_token=session.form_token,
        error=error,
        note=note,
        login=login[:MAX_LOGIN],
        next=_inside(request.values.get("next")),
    )
    return make_response(body, error.http_status if error else 200, headers or {})


def _inside(target: str | None) -> str:
    """``target`` if it is a page of the console, else the first page: no link leads a fresh session away."""
    if target and target.startswith("/admin/") and target.isprintable() and "\\" not in target:
        return target
    return url_for("console.index")


def _masked(login: str) -> str:
    """Enough to recognise an attacked account; people type passwords into this field too."""
    name, at, domain = login.partition("@")
    return f"{name[:2]}…{at}{domain[:60]}"
