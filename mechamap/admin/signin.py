"""Signing in to the console and out of it."""

from typing import Any
from urllib.parse import unquote

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for

from mechamap.domain.acts import Act
from mechamap.domain.errors import AuthenticationFailed, Forbidden, RateLimited, RealtimeError
from mechamap.domain.logins import MAX_LOGIN, MAX_PASSWORD, masked
from mechamap.services import Services
from mechamap.store.console_sessions import Ended, Running

from . import session
from .gate import check_form, record


def blueprint(services: Services) -> Blueprint:
    pages = Blueprint("console_signin", __name__, url_prefix="/admin")

    @pages.get("/login")
    def form() -> Response:
        why = request.args.get("why", "")
        return _page(note=session.WHY.get(Ended(why)) if why in set(Ended) else None)

    @pages.post("/login")
    def enter() -> Any:
        """Unknown name and wrong password are one answer; a missing role is told after a right password."""
        login = request.form.get("login", "").strip()
        password = request.form.get("password", "")
        try:
            check_form()
            services.limits.check_admin_signin(request.remote_addr, login)
            operator, password_digest = services.sign_in.check(login, password[:MAX_PASSWORD])
        except RateLimited as err:
            return _page(error=err, login=login, headers={"Retry-After": str(err.retry_after)})
        except (AuthenticationFailed, Forbidden) as err:
            record(services, "stranger", Act.SIGN_IN, masked(login), outcome=err.code)
            return _page(error=err, login=login)
        except RealtimeError as err:
            return _page(error=err, login=login)
        try:
            session.begin(services.console_sessions, operator, password_digest)
        except RealtimeError as err:
            return _page(error=err, login=login)
        record(services, f"admin:{operator.user_id}", Act.SIGN_IN, f"user:{operator.user_id}")
        return redirect(_inside(request.form.get("next")), 303)

    @pages.post("/logout")
    def leave() -> Any:
        found = services.console_sessions.resume(session.secret() or "", polling=True)
        if isinstance(found, Running):
            check_form()
            services.console_sessions.end(Ended.SIGNED_OUT, session_id=found.id)
            record(services, f"admin:{found.user_id}", Act.SIGN_OUT, f"user:{found.user_id}")
        session.end()
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
    path = (target or "").partition("?")[0].partition("#")[0]
    # browsers take %2e for a dot, too, and walk out of /admin with two of them
    steps = unquote(path).split("/")
    if target and path.startswith("/admin/") and target.isprintable() and "\\" not in unquote(path):
        return url_for("console.index") if {".", ".."} & set(steps) else target
    return url_for("console.index")
