"""What Laravel said of tokens, kept in Redis for some minutes: a restart does not ask for everybody again."""

import hashlib
import hmac
import json
import logging
import time
from dataclasses import asdict
from typing import Protocol

from redis import ConnectionPool, Redis, RedisError

from .users import LaravelUser

log = logging.getLogger(__name__)


class SharedUsers(Protocol):
    """A cache that may lose everything at any time. Keys are whole digests of tokens."""

    def find(self, digest: bytes) -> LaravelUser | None: ...

    def keep(self, digest: bytes, user: LaravelUser, seconds: float) -> None: ...


class RedisUsers:
    """Implements ``SharedUsers``. Who can write to Redis cannot make a person up: entries are sealed by a key
    made from SECRET_KEY, each for its own token."""

    def __init__(self, pool: ConnectionPool, prefix: str, secret_key: str) -> None:
        self._redis = Redis.from_pool(pool)
        self._prefix = prefix
        self._key = hmac.digest(secret_key.encode(), b"verified users in Redis", "sha256")

    def find(self, digest: bytes) -> LaravelUser | None:
        try:
            sealed = self._redis.get(self._name(digest))
        except RedisError as err:
            log.warning("verified_users_away", extra={"error": type(err).__name__})
            return None
        if not isinstance(sealed, bytes):
            return None
        seal, text = sealed[:32], sealed[32:]
        if not hmac.compare_digest(seal, self._seal(digest, text)):
            log.warning("verified_user_forged")
            return None
        try:
            kept = json.loads(text)
            return LaravelUser(**kept["user"]) if time.time() < kept["until"] else None
        except (TypeError, ValueError, KeyError):  # of another version
            return None

    def keep(self, digest: bytes, user: LaravelUser, seconds: float) -> None:
        text = json.dumps({"until": time.time() + seconds, "user": asdict(user)}).encode()
        sealed = self._seal(digest, text) + text
        try:
            self._redis.set(self._name(digest), sealed, px=max(1, int(seconds * 1000)))
        except RedisError as err:
            log.warning("verified_users_away", extra={"error": type(err).__name__})

    def _name(self, digest: bytes) -> str:
        return f"{self._prefix}:verified:{digest.hex()}"

    def _seal(self, digest: bytes, text: bytes) -> bytes:
        return hmac.new(self._key, digest + text, hashlib.sha256).digest()
