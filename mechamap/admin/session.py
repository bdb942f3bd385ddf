"""The operator's session: a signed cookie that only ``/admin`` receives, with two ends.

It ends ``IDLE`` seconds after the last page the operator asked for (the pages' own polling does not count)
and ``LIFETIME`` seconds after signing in. It holds a user id and two times, no role: that is
asked for anew at every request.
"""

import secrets
import time
from enum import StrEnum

from flask import Flask, request, session
from flask.sessions import SecureCookieSessionInterface

LIFETIME = 8 * 3600.0
IDLE = 30 * 60.0
TOUCH = 60.0
"""Seconds between renewals of the last-seen time: one cookie a minute, not one per request."""

_USER, _BEGAN, _SEEN, _CSRF = "user", "began", "seen", "csrf"


class Ended(StrEnum):
    """Why there is no operator behind a request."""

    SIGNED_OUT = "signed_out"
    IDLE = "session_idle"
    OVER = "session_over"
    ROLE_LOST = "role_lost"


class ConsoleCookie(SecureCookieSessionInterface):
    """Flask's signed cookie, marked Secure exactly when the request came over TLS.

    Flask 3.1 takes one fixed SESSION_COOKIE_SECURE; behind a proxy the same server answers both.
    """

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure


def configure(app: Flask) -> None:
    app.session_interface = ConsoleCookie()
    app.config.update(
        SESSION_COOKIE_NAME="mechamap_console",
        SESSION_COOKIE_PATH="/admin",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=int(LIFETIME),
    )

    @app.after_request
    def keep_out_of_caches(response):
        if request.path == "/admin" or request.path.startswith("/admin/"):
            response.headers["Cache-Control"] = "no-store"
        return response


def begin(user_id: int) -> None:
    """A new session for a person who just proved who they are; nothing of the one before survives."""
    session.clear()
    now = time.time()
    session.update({_USER: user_id, _BEGAN: now, _SEEN: now})
    form_token()  # now: two pages opened at once would each make one, and one of them would lose


def end() -> None:
    session.clear()


def resume(*, polling: bool) -> int | Ended:
    """The user id of the session, or why there is none."""
    user_id, began, seen = session.get(_USER), session.get(_BEGAN, 0.0), session.get(_SEEN, 0.0)
    if user_id is None:
        return Ended.SIGNED_OUT
    now = time.time()
    if now - began > LIFETIME:
        end()
        return Ended.OVER
    if now - seen > IDLE:
        end()
        return Ended.IDLE
    if not polling and now - seen > TOUCH:
        session[_SEEN] = now
    return user_id


def form_token() -> str:
    """The session's token for forms; made when first asked for."""
    if _CSRF not in session:
        session[_CSRF] = secrets.token_urlsafe(24)
    return session[_CSRF]


def owns_form(token: str) -> bool:
    """Whether a form that carries ``token`` was rendered for this session."""
    return secrets.compare_digest(session.get(_CSRF, "").encode(), token.encode()) and bool(token)
