"""The address and scheme of the client, from forwarded headers that only trusted proxies may set.

Werkzeug's ProxyFix trusts a number of hops, whoever connects; a client that reaches the port directly could
then choose its own address. Here the peer itself must be in ``TRUSTED_PROXIES``, and the list is read from
the right up to the first stranger.
"""

import ipaddress
from collections.abc import Callable, Iterable
from enum import Enum, auto
from functools import lru_cache
from typing import Any

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

FORWARDED = (
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_FORWARDED",
)

STRANGER_FORWARDED = "mechamap.stranger_forwarded"
"""In an environ from which forwarded headers of a stranger were removed: the peer is a proxy nobody named, or
pretends to be one."""

_LONGEST = 64  # characters of an address, a zone included; what is longer is neither parsed nor remembered
_REMEMBERED = 4_096  # addresses: parsing one and comparing it with a few networks takes 5 us, finding it 0.1


class Hop(Enum):
    """What an address is to us."""

    NONE = auto()  # no address at all
    STRANGER = auto()
    PROXY = auto()  # one of ours


class TrustedProxies:
    """WSGI middleware: REMOTE_ADDR and wsgi.url_scheme become the client's; forwarded headers of strangers
    are removed.

    python-engineio 4.15 trusts X-Forwarded-Host of anyone when it compares origins; after this it sees only
    what a proxy said.
    """

    def __init__(self, app: WsgiApp, networks: Iterable[str]) -> None:
        self._app = app
        self._networks = tuple(ipaddress.ip_network(network, strict=False) for network in networks)
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self._judge)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.resolve(environ)
        return self._app(environ, start_response)

    def resolve(self, environ: dict[str, Any]) -> None:
        """Put the client's own address and scheme into the environ."""
        peer = environ.get("REMOTE_ADDR")
        if self._networks and peer and self._hop(peer) is Hop.PROXY:
            environ["REMOTE_ADDR"] = self._client(environ.get("HTTP_X_FORWARDED_FOR", ""), peer)
            proto = environ.get("HTTP_X_FORWARDED_PROTO", "").split(",")[-1].strip().lower()
            if proto in ("http", "https"):
                environ["wsgi.url_scheme"] = proto
        else:
            for header in FORWARDED:
                if environ.pop(header, None) is not None:
                    environ[STRANGER_FORWARDED] = True

    def _client(self, forwarded: str, peer: str) -> str:
        address = peer
        for part in reversed(forwarded.split(",")):
            if not (hop := part.strip()):
                continue
            kind = self._hop(hop)
            if kind is Hop.NONE:
                break
            address = hop
            if kind is Hop.STRANGER:
                break
        return address

    def _hop(self, address: str) -> Hop:
        return self._remembered(address) if len(address) <= _LONGEST else Hop.NONE

    def _judge(self, address: str) -> Hop:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return Hop.NONE
        return Hop.PROXY if any(parsed in network for network in self._networks) else Hop.STRANGER
