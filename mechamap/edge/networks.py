"""Callers that need no key because of where they are: directly connected peers in configured networks."""

import ipaddress
from collections.abc import Iterable, Mapping

from .proxies import FORWARDED, STRANGER_FORWARDED

_BY_PROXIES = (*FORWARDED, "HTTP_X_REAL_IP", "HTTP_X_CLIENT_IP", "HTTP_TRUE_CLIENT_IP", "HTTP_VIA")
"""Headers that only proxies write. A proxy on the same machine makes the whole Internet look like it."""


class Networks:
    """Networks whose machines are trusted when they come themselves."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = tuple(ipaddress.ip_network(network, strict=False) for network in networks)

    def refusal(self, environ: Mapping[str, object], address: str | None) -> str | None:
        """Why the caller is not taken for one of them, as a sentence; None if it is. ``address``: the
        client's, after ``TrustedProxies``."""
        if not self._networks:
            return "Nobody is let in without a key here."
        if STRANGER_FORWARDED in environ or any(name in environ for name in _BY_PROXIES):
            return "The request came through a proxy, which hides where it is from."
        if "HTTP_ORIGIN" in environ or "HTTP_SEC_FETCH_SITE" in environ:
            return "The request is a browser's."
        if not self._contains(address):
            return "The address is not in DRIVER_NETWORKS."
        return None

    def _contains(self, address: str | None) -> bool:
        try:
            parsed = ipaddress.ip_address(address or "")
        except ValueError:
            return False
        # a socket that listens to both families shows IPv4 peers as ::ffff:127.0.0.1
        parsed = getattr(parsed, "ipv4_mapped", None) or parsed
        return any(parsed in network for network in self._networks)
