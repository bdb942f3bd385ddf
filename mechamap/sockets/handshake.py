"""The credential of a connecting browser, and what is worth knowing of the browser."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from flask import Request


@dataclass(frozen=True, slots=True)
class Visitor:
    """Where a connection comes from. ``address`` is the browser's own when a trusted proxy names it."""

    address: str | None
    user_agent: str | None


def token_of(auth: object, request: Request) -> object:
    """The first of ``auth.token``, ``Authorization: Bearer`` and ``?token=`` that is there; None when none
    is.

    The query form is for old clients only: it ends up in proxies' logs. It never reaches ours.
    """
    if isinstance(auth, Mapping) and auth.get("token") not in (None, ""):
        return auth["token"]
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    return request.args.get("token")


def visitor_of(request: Request) -> Visitor:
    agent = request.headers.get("User-Agent")
    # thousands of browsers send the same few names: one copy each
    return Visitor(request.remote_addr, sys.intern(agent[:200]) if agent else None)
