"""Who types where, over all workers of a Redis: of each person in a place the pages in which that is so.

A sorted set of pages, by when their word ends. It ends with the last of them, so a worker that was killed
leaves nothing behind.
"""

import redis

from mechamap.broker.connection import Script, translated

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""
_BEGAN = Script(
    _NOW
    + """
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
)
"""KEYS: the person's. ARGV: a page, and the milliseconds that its word holds, which are always the same, so
the last word is the last to end."""
_ENDED = Script(
    _NOW
    + """
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
return redis.call('ZCARD', KEYS[1])
"""
)


class RedisTypists:
    """``Typists``: one round trip each."""

    def __init__(self, client: redis.Redis, prefix: str, seconds: float) -> None:
        """``seconds``: how long a page's word holds that is neither repeated nor taken back."""
        self._client = client
        self._prefix = f"{prefix}:typing"
        self._milliseconds = round(seconds * 1000)

    def began(self, place: str, user_id: int, page: str) -> None:
        with translated("it was not noted who types"):
            _BEGAN.run(self._client, [self._key(place, user_id)], [page, self._milliseconds])

    def ended(self, place: str, user_id: int, page: str) -> bool:
        with translated("it is not known who types"):
            return not _ENDED.run(self._client, [self._key(place, user_id)], [page])

    def _key(self, place: str, user_id: int) -> str:
        return f"{self._prefix}:{user_id}:{place}"
