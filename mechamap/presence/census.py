"""How many connections users have on all workers, and how those of one user stand, in Redis."""

from collections.abc import Collection, Sequence

import msgspec
import redis

from ..broker.connection import translated
from ..broker.lease import LeasedTables
from ..domain.connection_limit import Standing
from .entries import USERS
from .protocol import ANSWERS_SECONDS, MOST_ANSWERED

USERS_AT_ONCE = 500
MOST_BYTES = 500_000
"""Of one worker's answer; one of ``MOST_ANSWERED`` connections has about 150,000."""
MOST_WORKERS = 256
"""Whose answers are read."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[Standing]).decode


class RedisCensus:
    """``Census`` beside the roster's tables. A question has a list, to which each worker adds its answer."""

    def __init__(self, client: redis.Redis, tables: LeasedTables, prefix: str) -> None:
        self._client = client
        self._tables = tables
        self._prefix = prefix

    def counts(self, user_ids: Collection[int]) -> dict[int, int]:
        found = dict.fromkeys(user_ids, 0)
        with translated("connections cannot be counted"):
            workers = self._tables.live()
            users = list(found)
            for start in range(0, len(users), USERS_AT_ONCE):
                some = users[start : start + USERS_AT_ONCE]
                with self._client.pipeline(transaction=False) as together:
                    for worker in workers:
                        together.hmget(self._tables.key(USERS, worker), [str(user) for user in some])
                    for sids in together.execute():
                        for user, joined in zip(some, sids, strict=True):
                            found[user] += len(joined.split()) if joined else 0
        return found

    def answer(self, question: str, standings: Sequence[Standing]) -> None:
        key = f"{self._prefix}:{question}"
        with (
            translated("the answer was not noted"),
            self._client.pipeline(transaction=True) as together,
        ):
            together.rpush(key, _encode(standings[:MOST_ANSWERED]))
            together.expire(key, ANSWERS_SECONDS)
            together.execute()

    def answers(self, question: str) -> list[Standing]:
        with translated("the answers cannot be read"):
            rows = self._client.lrange(f"{self._prefix}:{question}", 0, MOST_WORKERS - 1)
        found: list[Standing] = []
        for row in rows:
            try:
                found += _decode(row) if len(row) <= MOST_BYTES else ()
            except (msgspec.MsgspecError, RecursionError):  # others may write there too
                continue
        return found
