"""Addresses in a Laravel ``.env`` that should lead to this server."""

import ipaddress
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from mechamap.settings import Settings

from .finding import Finding, fail, ok, warn

PORTS = {"http": 80, "https": 443}


def address(area: str, settings: Settings, name: str, url: str) -> Iterator[Finding]:
    """Whether PHP reaches the server under ``url``, as far as the text of it says."""
    parts = _split(url)
    if parts is None:
        yield fail(
            area, name, "It is no address that PHP can post to.", "Use one such as http://127.0.0.1:3000."
        )
        return
    if parts.path or parts.query:
        said = "It has a path: PHP puts /api/… behind it, and the server knows no such place."
        yield fail(area, name, said, "Leave only scheme, host and port, without a slash at the end.")
        return
    port = parts.port or PORTS[parts.scheme]
    here = _is_loopback(parts.hostname or "")
    if here and parts.scheme == "http" and port != settings.port:
        said = f"It leads to port {port} of this machine, and the server listens on {settings.port}."
        yield fail(area, name, said, f"Set it to http://127.0.0.1:{settings.port}.")
    elif here and settings.tls and parts.scheme == "http":
        yield fail(area, name, "The server expects TLS (SSL_CERT_PATH).", "Begin it with https://.")
    elif not here and parts.scheme == "http":
        said = "The key travels in clear text to another machine."
        yield warn(area, name, said, "Begin it with https://, unless the network is private.")
    else:
        yield ok(area, name, f"It leads to {parts.scheme}://{parts.netloc}.")


def origin_of(url: str) -> str | None:
    """Its scheme, host and port as browsers write them, or None where it is no address."""
    parts = _split(url)
    if parts is None or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = f":{parts.port}" if parts.port and parts.port != PORTS[parts.scheme] else ""
    return f"{parts.scheme}://{host}{port}"


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    # a name and password in it would be shown, and PHP's keys travel in headers
    return parts if parts.scheme in PORTS and parts.hostname and "@" not in parts.netloc else None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
