"""The publisher's key, from the headers that Laravel's callers use."""

from collections.abc import Mapping

from mechamap.auth.protocol import BroadcastKey, KeyRing
from mechamap.domain.channels import Channel, Parse, parse_channel
from mechamap.domain.errors import Forbidden, KeyRefused
from mechamap.edge.limits import RateLimits

HEADERS = ("HTTP_X_API_KEY", "HTTP_X_WEBSOCKET_API_KEY")


def presented(environ: Mapping[str, object]) -> str | None:
    """The key of ``Authorization: Bearer``, ``X-API-Key`` or ``X-WebSocket-API-Key``; None without any."""
    scheme, _, value = str(environ.get("HTTP_AUTHORIZATION", "")).partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    return next((key for name in HEADERS if (key := str(environ.get(name, "")).strip())), None)


def offered(environ: Mapping[str, object]) -> bool:
    """Whether the request has any of the headers of keys, whatever is in it."""
    return any(name in environ for name in ("HTTP_AUTHORIZATION", *HEADERS))


def authenticate(
    environ: Mapping[str, object], address: str | None, keyring: KeyRing, limits: RateLimits
) -> BroadcastKey:
    """Who publishes.

    Raises:
        KeyRefused: no key, or one that is not live.
        RateLimited: the address tried too many wrong ones.
    """
    try:
        return keyring.authenticate(presented(environ))
    except KeyRefused:
        limits.note_failed_key(address)
        raise


def readable(
    name: str,
    environ: Mapping[str, object],
    address: str | None,
    keyring: KeyRing,
    limits: RateLimits,
    parse: Parse = parse_channel,
) -> Channel:
    """The channel of this name, if the presented key has it in its scope.

    Raises:
        KeyRefused, RateLimited: as ``authenticate``, and of the key itself.
        InvalidChannel: no such channel can be.
        Forbidden: ``key_scope``.
    """
    key = authenticate(environ, address, keyring, limits)
    limits.check_key(key.name)
    channel = parse(name)
    if not key.may_publish(channel):
        raise Forbidden(f"The key {key.name!r} may not read {channel.name}.", code="key_scope")
    return channel
