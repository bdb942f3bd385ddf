"""The live broadcast keys: those of the settings and those of our table.

People's tokens are not among them, so they open nothing.
"""

import hashlib
import hmac
import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from mechamap.domain.errors import KeyRefused, Unavailable
from mechamap.settings import Settings
from mechamap.store.keys import ApiKeys, KeyRecord, digest_of
from mechamap.store.refreshed import Refreshed

from .protocol import BroadcastKey

log = logging.getLogger(__name__)

T = TypeVar("T")

REFRESH_SECONDS = 2.0
"""How long a revoked key may still pass."""
AGAIN_SECONDS = 0.25
"""Between looks at the table for the sake of unknown keys: wrong ones must not become a query each."""
PATIENCE = 0.5
"""How long a publisher waits for our database; afterwards the keys last seen are used."""
USE_NOTED_SECONDS = 60.0
"""A key in use writes its row once a minute per worker, not once per event."""
MAX_KEY_LENGTH = 512


class BroadcastKeyRing:
    """Implements ``auth.protocol.KeyRing``.

    While our database is away the keys last seen stay live: a key cannot be revoked in a database that is
    away either. Keys of the settings never touch it.
    """

    def __init__(
        self, settings: Settings, keys: ApiKeys, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._salt = secrets.token_bytes(32)
        self._fixed = {self._tag(secret): BroadcastKey(name) for name, secret in _named_secrets(settings)}
        self._keys = keys
        self._clock = clock
        self._table: Refreshed[dict[str, KeyRecord]] = Refreshed(
            keys.live_digests, REFRESH_SECONDS, PATIENCE, clock
        )
        self._looked_again = float("-inf")
        self._noted: dict[int, float] = {}
        # What was found in one fetch of the table, by tag; at most as many as the table has live keys.
        self._found: dict[bytes, tuple[KeyRecord, BroadcastKey]] = {}
        self._found_in: dict[str, KeyRecord] | None = None

    def authenticate(self, presented: str | None) -> BroadcastKey:
        """The key whose secret this is.

        Raises:
            KeyRefused: absent, unknown or revoked.
            Unavailable: our database is away and was never read, so it cannot be told.
        """
        if not presented:
            raise KeyRefused("A broadcast key is required.", code="key_missing")
        if len(presented) > MAX_KEY_LENGTH:
            raise _invalid()
        try:
            tag = self._tag(presented)
        except UnicodeEncodeError as err:
            raise _invalid() from err
        fixed = self._fixed.get(tag)
        if fixed is not None:
            return fixed
        key = self._in_table(presented, tag)
        if key is None and self._clock() - self._looked_again >= AGAIN_SECONDS:
            # it may have been made a moment ago
            self._looked_again = self._clock()
            self._table.expire()
            key = self._in_table(presented, tag)
        if key is None:
            raise _invalid()
        return key

    def _tag(self, secret: str) -> bytes:
        """What stands for a secret in this process. Nobody outside can know or choose it, so that looking it
        up in a dictionary tells nothing by the time it takes."""
        return hashlib.blake2b(secret.encode(), digest_size=16, key=self._salt).digest()

    def _in_table(self, presented: str, tag: bytes) -> BroadcastKey | None:
        reading = self._table.read()
        if reading.value is None:
            raise Unavailable("The broadcast keys cannot be looked up now.", code="keys_unavailable")
        if reading.value is not self._found_in:
            self._found, self._found_in = {}, reading.value
        found = self._found.get(tag)
        if found is None:
            record = _find(reading.value, digest_of(presented))
            if record is None:
                return None
            found = self._found[tag] = (record, BroadcastKey(record.name, record.scopes))
        record, key = found
        if record.expires_at is not None and record.over:  # perhaps since the table was read
            return None
        if reading.fresh:
            self._note_use(record.id)
        return key

    def _note_use(self, key_id: int) -> None:
        """Write ``last_used_at`` now and then, aside: the publisher does not wait for it."""
        now = self._clock()
        if now - self._noted.get(key_id, float("-inf")) < USE_NOTED_SECONDS:
            return
        self._noted[key_id] = now
        threading.Thread(target=self._write_use, args=(key_id,), name="key-use", daemon=True).start()

    def _write_use(self, key_id: int) -> None:
        try:
            self._keys.note_use(key_id)
        except Unavailable as err:
            log.info("key_use_not_noted", extra={"key_id": key_id, "code": err.code})


def names_in_settings(settings: Settings) -> list[str]:
    """What the keys of the settings are called in logs, rates and the console."""
    return [name for name, _ in _named_secrets(settings)]


def _named_secrets(settings: Settings) -> list[tuple[str, str]]:
    """The settings' keys under the names of their variables, for logs and the console."""
    several = len(settings.api_keys) > 1
    named = [
        (f"WEBSOCKET_API_KEY#{number}" if several else "WEBSOCKET_API_KEY", secret)
        for number, secret in enumerate(settings.api_keys, 1)
    ]
    if settings.server_secret:
        named.append(("WEBSOCKET_SERVER_SECRET", settings.server_secret))
    return named


def _find(known: Mapping[str, T], digest: str) -> T | None:
    """Compare with every digest, each in constant time, so that the time tells nothing about the keys."""
    found = None
    for candidate, value in known.items():
        if hmac.compare_digest(candidate, digest):
            found = value
    return found


def _invalid() -> KeyRefused:
    return KeyRefused("The broadcast key is not valid.", code="key_invalid")
