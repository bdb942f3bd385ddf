"""The operator's browser: a signed cookie that names a session of ``rt_console_sessions``, and form tokens.

The cookie holds a random secret, no person and no role: the one is in the table, the other is asked for anew
at every request. Over TLS its name begins ``__Host-``: then no neighbouring host, such as another subdomain
of the site, can plant one (RFC 6265bis 4.1.3.2); that prefix needs the path ``/``.

``SameSite`` is Lax, not Strict: a link from a chat or a runbook to a page of the console should not land at
the sign-in. Lax sends the cookie along with such top-level GETs only, and GET changes nothing here; what
changes something is a POST, which comes without the cookie from elsewhere and needs a form token besides.
"""

import secrets

from flask import Flask, request, session
from flask.sessions import SecureCookieSessionInterface

from mechamap.auth.signin import Operator
from mechamap.edge.requests import of_console
from mechamap.store.console_sessions import LIFETIME, ConsoleSessions, Ended, Running

COOKIE = "mechamap_console"
_SECRET, _CSRF = "secret", "csrf"

WHY = {
    Ended.IDLE: "You were signed out after 30 minutes without use.",
    Ended.OVER: "Your session reached its 12 hours. Sign in again to go on.",
    Ended.REVOKED: "Your session was ended. Sign in again to go on.",
    Ended.ROLE_LOST: "Your account no longer has a role that may use the console.",
    Ended.PASSWORD_CHANGED: (
        "Your session ended because your password was changed, or stored anew. Sign in again to go on."
    ),
}
"""What the person is told. Who signed out knows."""


class ConsoleCookie(SecureCookieSessionInterface):
    """Flask's signed cookie, marked Secure and Host-only exactly when the request came over TLS.

    Flask 3.1 takes one fixed SESSION_COOKIE_SECURE; behind a proxy the same server answers both.
    """

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure

    def get_cookie_name(self, app: Flask) -> str:
        return f"__Host-{COOKIE}" if request.is_secure else COOKIE

    def get_cookie_path(self, app: Flask) -> str:
        return "/" if request.is_secure else "/admin"


def configure(app: Flask) -> None:
    app.session_interface = ConsoleCookie()
    app.config.update(
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=int(LIFETIME.total_seconds()),
    )

    @app.after_request
    def keep_out_of_caches(response):
        if of_console(request.path):
            response.headers["Cache-Control"] = "no-store"
        return response


def begin(sessions: ConsoleSessions, operator: Operator, password_digest: str) -> None:
    """A new session for a person who just proved who they are; nothing of the one before survives.

    Raises:
        Unavailable: it cannot be kept.
    """
    if (before := session.get(_SECRET)) is not None:
        record = sessions.resume(before, polling=True)
        if isinstance(record, Running):
            sessions.end(Ended.SIGNED_OUT, session_id=record.id)
    session.clear()
    _, session[_SECRET] = sessions.begin(
        operator.user_id, password_digest, operator.name, request.remote_addr, request.user_agent.string
    )
    form_token()  # now: two pages opened at once would each make one, and one of them would lose


def end() -> None:
    session.clear()


def secret() -> str | None:
    """By which the session behind the request is known; None of a stranger."""
    found = session.get(_SECRET)
    return found if isinstance(found, str) else None


def form_token() -> str:
    """The session's token for forms; made when first asked for."""
    if _CSRF not in session:
        session[_CSRF] = secrets.token_urlsafe(24)
    return session[_CSRF]


def owns_form(token: str) -> bool:
    """Whether a form that carries ``token`` was rendered for this session."""
    return secrets.compare_digest(session.get(_CSRF, "").encode(), token.encode()) and bool(token)
