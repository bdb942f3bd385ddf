"""Rate limits per key, per address and per connection, on the ``limits`` library.

Counts of strangers' failures live in Redis when there is one, so that workers share them; Redis is asked only
when a failure happens, and an address that went too far is remembered here until it may try again. Counts on
the hot paths (publications of a key, events of a connection) are each worker's own: a publication must not
cost a second round trip. A Redis that is away lets requests pass (and is counted): a limit protects the
service, it must not become its outage.
"""

import ipaddress
import logging
import time
from collections.abc import Callable

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage, Storage, storage_from_string
from limits.strategies import SlidingWindowCounterRateLimiter
from redis import ConnectionPool

from mechamap.domain.errors import RateLimited
from mechamap.domain.logins import folded

from .windows import FixedWindows

log = logging.getLogger(__name__)

PER_KEY = parse("2000 per second")
"""Publications by one key on one worker. Laravel's queue workers share a key; this stops a runaway loop, not
a busy site."""
FAILED_KEYS = parse("30 per minute")
"""Requests with a wrong key from one address: guessing 256 bits is hopeless, the noise is not."""
FAILED_SIGNINS = parse("60 per minute")
"""Refused tokens from one address. One office behind one address reloads expired pages; a scanner does
thousands."""
ADMIN_SIGNINS = parse("10 per minute")
"""Dashboard passwords tried from one address, right or wrong: each costs a quarter of a second of bcrypt."""
ADMIN_SIGNINS_PER_NAME = parse("20 per hour")
PER_CONNECTION = parse("50 per second")
"""Events of one browser. A page subscribes to a dozen channels in a burst; nobody types this fast."""
WHISPERS = parse("10 per second")
"""Whispers of one browser, as with Pusher: each reaches everybody in its channel."""
TYPING = parse("20 per 10 seconds")
"""Times that one browser makes others be told that its person types, or stopped: twice for each message of
somebody who sends one a second."""
GROUP_MESSAGES = parse("60 per minute")
"""Messages of one browser that Laravel is asked to store: the application's own number of messages."""
MAX_BLOCKED = 10_000
"""Addresses remembered as blocked; beyond it the oldest is let try again."""


class RateLimits:
    """The limits of one process. ``seen_failure`` is called when the shared storage could not be asked."""

    def __init__(
        self,
        *,
        on: bool,
        redis: ConnectionPool | None,
        seen_failure: Callable[[], None] = lambda: None,
    ) -> None:
        """``redis``: connections with short timeouts, to whichever Redis is the writable one."""
        self._on = on
        shared: Storage = MemoryStorage()
        if redis is not None:
            # The URL only names the kind: limits' own storages for Sentinel and Cluster speak other URLs, and
            # connect at once (5.8.0). The tag keeps all keys in the slot of those connections.
            shared = storage_from_string("redis://", connection_pool=redis, key_prefix="mechamap:{rt}:limits")
        self._keys = FixedWindows(PER_KEY.amount, PER_KEY.get_expiry())
        self._connections = FixedWindows(PER_CONNECTION.amount, PER_CONNECTION.get_expiry())
        self._whispers = FixedWindows(WHISPERS.amount, WHISPERS.get_expiry())
        self._typing = FixedWindows(TYPING.amount, TYPING.get_expiry())
        self._group_messages = FixedWindows(GROUP_MESSAGES.amount, GROUP_MESSAGES.get_expiry())
        self._shared = SlidingWindowCounterRateLimiter(shared)
        self._seen_failure = seen_failure
        self._blocked: dict[tuple[str, str], float] = {}

    def check_key(self, name: str, events: int = 1) -> None:
        """``events`` publications by the key ``name``.

        Raises:
            RateLimited
        """
        if self._on and not self._keys.hit(name, events):
            raise RateLimited(
                f"The key publishes too fast; the limit is {PER_KEY.amount} events per second.", 1
            )

    def check_connection(self, sid: str) -> None:
        """One more event of a browser.

        Raises:
            RateLimited
        """
        if self._on and not self._connections.hit(sid):
            raise RateLimited(f"The limit is {PER_CONNECTION.amount} events per second.", 1)

    def check_whisper(self, sid: str) -> None:
        """One more whisper of a browser.

        Raises:
            RateLimited
        """
        if self._on and not self._whispers.hit(sid):
            raise RateLimited(f"The limit is {WHISPERS.amount} whispers per second.", 1)

    def check_typing(self, sid: str) -> None:
        """A browser is about to make others be told that its person types, or stopped.

        Raises:
            RateLimited
        """
        if self._on and not self._typing.hit(sid):
            seconds = TYPING.get_expiry()
            raise RateLimited(f"The limit is {TYPING.amount} changes in {seconds} seconds.", seconds)

    def check_group_message(self, sid: str) -> None:
        """One more message of a browser for Laravel to store.

        Raises:
            RateLimited
        """
        if self._on and not self._group_messages.hit(sid):
            seconds = GROUP_MESSAGES.get_expiry()
            raise RateLimited(f"The limit is {GROUP_MESSAGES.amount} messages a minute.", seconds)

    def note_failed_key(self, address: str | None) -> None:
        """A wrong key came from this address. A right key is never held up by wrong ones.

        Raises:
            RateLimited: one too many, or still blocked for earlier ones.
        """
        message = "Too many requests with a wrong key."
        self._refuse_blocked("failed-key", source(address), message)
        self._hit(FAILED_KEYS, "failed-key", source(address), message)

    def check_signins(self, address: str | None) -> None:
        """Before a token is looked at: not while the address is blocked for refused ones.

        Raises:
            RateLimited
        """
        if self._blocked:
            self._refuse_blocked("failed-signin", source(address), _SIGNINS)

    def note_failed_signin(self, address: str | None) -> None:
        """A refused token came from this address.

        Raises:
            RateLimited: one too many.
        """
        self._hit(FAILED_SIGNINS, "failed-signin", source(address), _SIGNINS)

    def check_admin_signin(self, address: str | None, name: str) -> None:
        """One more try to sign in to the dashboard.

        Raises:
            RateLimited
        """
        message = "Too many tries to sign in; wait a little."
        self._hit(ADMIN_SIGNINS, "admin-address", source(address), message)
        self._hit(ADMIN_SIGNINS_PER_NAME, "admin-name", folded(name), message)

    def _refuse_blocked(self, scope: str, who: str, message: str) -> None:
        until = self._blocked.get((scope, who))
        if until is None:
            return
        left = until - time.monotonic()
        if left > 0:
            raise RateLimited(message, left)
        self._blocked.pop((scope, who), None)

    def _hit(self, item: RateLimitItem, scope: str, who: str, message: str) -> None:
        if not self._on:
            return
        try:
            if self._shared.hit(item, scope, who):
                return
            left = max(1.0, self._shared.get_window_stats(item, scope, who).reset_time - time.time())
        except Exception as err:
            self._seen_failure()
            log.warning("rate_limits_unavailable", extra={"error": type(err).__name__})
            return
        if len(self._blocked) >= MAX_BLOCKED:
            del self._blocked[next(iter(self._blocked))]
        self._blocked[(scope, who)] = time.monotonic() + left
        raise RateLimited(message, left)


def source(address: str | None) -> str:
    """By what tries from an address are counted: of IPv6 the first 64 bits, since one customer has all that
    begin with them."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return address or "unknown"
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.IPv6Network((int(parsed), 64), strict=False))


_SIGNINS = "Authentication failed: too many refused tokens from this address."
