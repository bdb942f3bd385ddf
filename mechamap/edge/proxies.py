"""The address and scheme of the client, from forwarded headers that only trusted proxies may set.

Werkzeug's ProxyFix trusts a number of hops, whoever connects; a client that reaches the port directly could
then choose its own address. Here the peer itself must be in ``TRUSTED_PROXIES``, and the list is read from
the right up to the first stranger.
"""

import ipaddress
from collections.abc import Callable, Iterable
from typing import Any

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

FORWARDED = (
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_FORWARDED",
)


class TrustedProxies:
    """WSGI middleware: REMOTE_ADDR and wsgi.url_scheme become the client's; forwarded headers of strangers
    are removed.

    python-engineio 4.15 trusts X-Forwarded-Host of anyone when it compares origins; after this it sees only
    what a proxy said.
    """

    def __init__(self, app: WsgiApp, networks: Iterable[str]) -> None:
        self._app = app
        self._networks = tuple(ipaddress.ip_network(network, strict=False) for network in networks)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        peer = environ.get("REMOTE_ADDR")
        if self._networks and self._trusted(peer):
            environ["REMOTE_ADDR"] = self._client(environ.get("HTTP_X_FORWARDED_FOR", ""), peer)
            proto = environ.get("HTTP_X_FORWARDED_PROTO", "").split(",")[-1].strip().lower()
            if proto in ("http", "https"):
                environ["wsgi.url_scheme"] = proto
        else:
            for header in FORWARDED:
                environ.pop(header, None)
        return self._app(environ, start_response)

    def _client(self, forwarded: str, peer: str) -> str:
        address = peer
        for hop in reversed([part.strip() for part in forwarded.split(",") if part.strip()]):
            if _parse(hop) is None:
                break
            address = hop
            if not self._trusted(hop):
                break
        return address

    def _trusted(self, address: str | None) -> bool:
        parsed = _parse(address)
        return parsed is not None and any(parsed in network for network in self._networks)


def _parse(address: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(address or "")
    except ValueError:
        return None
