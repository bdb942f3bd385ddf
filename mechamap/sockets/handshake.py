"""The credential of a connecting browser, and what is worth knowing of the browser."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from mechamap.domain.credentials import Credentials, read_headers
from mechamap.domain.dialects import Dialect, dialect_of_handshake
from mechamap.domain.errors import InvalidField
from mechamap.domain.recovery import MAX_PID_LENGTH, Returning, parse_offset
from mechamap.engine import OPENED

Environ = Mapping[str, Any]
"""The WSGI environ of the handshake, after ``TrustedProxies``."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Where a connection comes from, and since when. ``address`` is the browser's own when a trusted proxy
    names it."""

    address: str | None
    user_agent: str | None
    transport: str
    opened_at: float | None


def token_of(auth: object, environ: Environ) -> object:
    """The first of ``auth.token``, ``Authorization: Bearer`` in ``auth.headers``, where Laravel Echo has it,
    or in the request, and ``?token=`` that is there; None when none is.

    The query form is for old clients only: it ends up in proxies' logs. It never reaches ours.
    """
    if isinstance(auth, Mapping) and auth.get("token") not in (None, ""):
        return auth["token"]
    for header in (_header_of(auth, "authorization"), environ.get("HTTP_AUTHORIZATION", "")):
        scheme, _, value = header.partition(" ")
        if scheme.lower() == "bearer" and value.strip():
            return value.strip()
    return _asked(environ, "token", None)


def dialect_of(auth: object, environ: Environ) -> Dialect:
    """What the connection speaks where a subscription does not tell."""
    return dialect_of_handshake(auth, token=bool(_asked(environ, "token", None)))


def returning_of(auth: object) -> Returning | None:
    """The session that a returning client asks for; the stock client adds both fields to ``auth``."""
    pid = auth.get("pid") if isinstance(auth, Mapping) else None
    if not isinstance(pid, str) or not 0 < len(pid) <= MAX_PID_LENGTH:
        return None
    return Returning(pid, parse_offset(auth.get("offset")))


def credentials_of(sid: str, address: str | None, auth: object, environ: Environ) -> Credentials:
    """What the handshake holds for Laravel: the headers that Laravel Echo puts into ``auth``, the browser's
    cookies, and the token it signs in with. What is no header's text is left out."""
    given = auth.get("headers") if isinstance(auth, Mapping) else None
    found: dict[str, str] = {}
    token = token_of(auth, environ)
    # the weakest first: a later one takes its place
    for headers in (
        {"Authorization": f"Bearer {token}"} if isinstance(token, str) else {},
        {"Cookie": environ.get("HTTP_COOKIE"), "Accept-Language": environ.get("HTTP_ACCEPT_LANGUAGE")},
        given,
    ):
        try:
            found |= read_headers(headers)
        except InvalidField:
            continue
    return Credentials(sid, address, found)


def visitor_of(environ: Environ) -> Visitor:
    agent = environ.get("HTTP_USER_AGENT")
    # thousands of browsers send the same few names: one copy each
    return Visitor(
        environ.get("REMOTE_ADDR"),
        sys.intern(agent[:200]) if agent else None,
        sys.intern(_asked(environ, "transport", "polling")[:20]),
        environ.get(OPENED),
    )


def _header_of(auth: object, name: str) -> str:
    """A header that Laravel Echo gives for Laravel, whatever its case; empty when there is none."""
    headers = auth.get("headers") if isinstance(auth, Mapping) else None
    if isinstance(headers, Mapping):
        for key, value in headers.items():
            if isinstance(key, str) and isinstance(value, str) and key.lower() == name:
                return value
    return ""


def _asked(environ: Environ, name: str, default: Any) -> Any:
    """A parameter of the query string; the first of several."""
    for part in environ.get("QUERY_STRING", "").split("&"):
        key, _, value = part.partition("=")
        if key == name:
            return unquote_plus(value)
    return default
