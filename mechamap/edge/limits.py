"""Rate limits per key, per address and per connection, on the ``limits`` library.

Counts of strangers' failures live in Redis when there is one, so that workers share them. Counts on the hot
paths (publications of a key, events of a connection) are each worker's own: a publication must not cost a
second round trip to Redis. A Redis that is away lets requests pass (and is counted): a limit protects the
service, it must not become its outage.
"""

import logging
import time
from collections.abc import Callable

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage, Storage, storage_from_string
from limits.strategies import FixedWindowRateLimiter, SlidingWindowCounterRateLimiter

from mechamap.domain.errors import RateLimited

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


class RateLimits:
    """The limits of one process. ``seen_failure`` is called when the shared storage could not be asked."""

    def __init__(
        self, *, on: bool, redis_url: str | None, seen_failure: Callable[[], None] = lambda: None
    ) -> None:
        self._on = on
        local: Storage = MemoryStorage()
        shared = local
        if redis_url is not None:
            shared = storage_from_string(
                redis_url, key_prefix="mechamap:limits", socket_timeout=0.5, socket_connect_timeout=0.5
            )
        self._local = FixedWindowRateLimiter(local)
        self._shared = SlidingWindowCounterRateLimiter(shared)
        self._seen_failure = seen_failure

    def check_key(self, name: str, events: int = 1) -> None:
        """``events`` publications by the key ``name``.

        Raises:
            RateLimited
        """
        if self._on and not self._local.hit(PER_KEY, "key", name, cost=events):
            raise RateLimited(
                f"The key publishes too fast; the limit is {PER_KEY.amount} events per second.", 1
            )

    def check_connection(self, sid: str) -> None:
        """One more event of a browser.

        Raises:
            RateLimited
        """
        if self._on and not self._local.hit(PER_CONNECTION, "connection", sid):
            raise RateLimited(f"The limit is {PER_CONNECTION.amount} events per second.", 1)

    def check_failed_keys(self, address: str | None) -> None:
        """Whether the address may try a key at all; ``note_failed_key`` counts the wrong ones."""
        self._test(FAILED_KEYS, "failed-key", address, "Too many requests with a wrong key.")

    def note_failed_key(self, address: str | None) -> None:
        self._hit(FAILED_KEYS, "failed-key", address or "unknown", message=None)

    def check_signins(self, address: str | None) -> None:
        self._test(
            FAILED_SIGNINS,
            "failed-signin",
            address,
            "Authentication failed: too many refused tokens from this address.",
        )

    def note_failed_signin(self, address: str | None) -> None:
        self._hit(FAILED_SIGNINS, "failed-signin", address or "unknown", message=None)

    def check_admin_signin(self, address: str | None, name: str) -> None:
        """One more try to sign in to the dashboard."""
        message = "Too many tries to sign in; wait a little."
        self._hit(ADMIN_SIGNINS, "admin-address", address or "unknown", message=message)
        self._hit(ADMIN_SIGNINS_PER_NAME, "admin-name", name.lower()[:100], message=message)

    def _hit(self, item: RateLimitItem, scope: str, who: str, *, cost: int = 1, message: str | None) -> None:
        if not self._on:
            return
        try:
            within = self._shared.hit(item, scope, who, cost=cost)
            reset = 0.0 if within else self._shared.get_window_stats(item, scope, who).reset_time
        except Exception as err:
            self._fail_open(err)
            return
        if not within and message is not None:
            raise RateLimited(message, max(0.0, reset - time.time()))

    def _test(self, item: RateLimitItem, scope: str, who: str | None, message: str) -> None:
        if not self._on:
            return
        try:
            if self._shared.test(item, scope, who or "unknown"):
                return
            reset = self._shared.get_window_stats(item, scope, who or "unknown").reset_time
        except Exception as err:
            self._fail_open(err)
            return
        raise RateLimited(message, max(0.0, reset - time.time()))

    def _fail_open(self, error: Exception) -> None:
        self._seen_failure()
        log.warning("rate_limits_unavailable", extra={"error": type(error).__name__})
