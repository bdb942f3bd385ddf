"""The publisher's key, from the headers that Laravel's callers use."""

from flask import Request

from mechamap.auth.protocol import BroadcastKey, KeyRing
from mechamap.domain.errors import KeyRefused
from mechamap.edge.limits import RateLimits

HEADERS = ("X-API-Key", "X-WebSocket-API-Key")


def presented(request: Request) -> str | None:
    """The key of ``Authorization: Bearer`` or one of ``HEADERS``; None when there is none."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    return next((request.headers[name].strip() for name in HEADERS if request.headers.get(name)), None)


def authenticate(request: Request, keyring: KeyRing, limits: RateLimits) -> BroadcastKey:
    """Who publishes.

    Raises:
        KeyRefused: no key, or one that is not live.
        RateLimited: the address tried too many wrong ones.
    """
    limits.check_failed_keys(request.remote_addr)
    try:
        return keyring.authenticate(presented(request))
    except KeyRefused:
        limits.note_failed_key(request.remote_addr)
        raise
