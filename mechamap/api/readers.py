"""Who may read what is not for everybody: whoever has a key, and callers that need none to publish."""

from flask import request

from mechamap.auth.protocol import BroadcastKey, KeyRing
from mechamap.domain.channels import Channel
from mechamap.domain.errors import Forbidden
from mechamap.edge.limits import RateLimits
from mechamap.edge.networks import Networks

from .keys import authenticate, offered

LOCAL = BroadcastKey("local")


class Readers:
    """Judges the request that is being answered."""

    def __init__(self, keyring: KeyRing, limits: RateLimits, networks: Networks) -> None:
        """``networks``: where callers come from that need no key."""
        self._keyring = keyring
        self._limits = limits
        self._networks = networks

    def check(self, channel: Channel | None = None) -> BroadcastKey:
        """Who reads; with ``channel``, only if it is in the scope of the key. A key that was offered counts,
        right or wrong.

        Raises:
            KeyRefused, RateLimited: as ``authenticate``, and of the key itself.
            Forbidden: ``key_scope``.
        """
        if not offered(request.environ) and self._local():
            return LOCAL
        return self.check_key(channel)

    def admitted(self) -> bool:
        """Whether the caller may read more than everybody.

        Raises:
            KeyRefused, RateLimited: a key that is none was offered.
        """
        if offered(request.environ):
            self.check_key()
            return True
        return self._local()

    def check_key(self, channel: Channel | None = None) -> BroadcastKey:
        """The same for what nobody may do without a key."""
        key = authenticate(request.environ, request.remote_addr, self._keyring, self._limits)
        self._limits.check_key(key.name)
        if channel is not None and not key.may_publish(channel):
            raise Forbidden(f"The scope of the key {key.name!r} lacks {channel.name}.", code="key_scope")
        return key

    def _local(self) -> bool:
        return self._networks.refusal(request.environ, request.remote_addr) is None
