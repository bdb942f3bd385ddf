"""Connections to Redis: how every client of the server is made, and how its errors are told.

Two kinds, because one set of limits cannot serve both: commands must fail fast, a subscribed connection is
silent for as long as nobody publishes. Other topologies (Sentinel, Cluster) would be made here.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis
from redis._parsers import _RESP2Parser
from redis.backoff import NoBackoff
from redis.retry import Retry

from ..domain.errors import BrokerUnavailable

CONNECT_TIMEOUT = 0.5
COMMAND_TIMEOUT = 1.0
"""Seconds. A hanging Redis costs a publisher 1.5 s at most; a healthy one answers in well under 10 ms."""
POOL_SIZE = 16
"""Connections per process. One round trip holds one for about 0.2 ms, so sixteen carry tens of thousands a
second."""
COMPACT_AT = 1_048_576


def command_client(url: str, *, timeout: float = COMMAND_TIMEOUT) -> redis.Redis:
    """A client for commands: short timeouts, no retry, a bounded pool. Connects when first used."""
    pool = redis.BlockingConnectionPool.from_url(
        url,
        max_connections=POOL_SIZE,
        timeout=CONNECT_TIMEOUT,
        socket_connect_timeout=min(CONNECT_TIMEOUT, timeout),
        socket_timeout=timeout,
        **_common(),
    )
    return redis.Redis.from_pool(pool)


def listening_connection(url: str, *, timeout: float) -> redis.Connection:
    """A connection to subscribe with, not connected yet. A read ends after ``timeout`` seconds of silence."""
    pool = redis.ConnectionPool.from_url(
        url,
        socket_connect_timeout=CONNECT_TIMEOUT,
        socket_timeout=timeout,
        parser_class=_ListeningParser,
        **_common(),
    )
    return pool.make_connection()


def _common() -> dict[str, Any]:
    return {
        # RESP3 brings a longer handshake and messages of another shape, and nothing this server uses.
        "protocol": 2,
        # redis-py 8 retries ten times with back-off unless told not to: seconds instead of an answer.
        "retry": Retry(NoBackoff(), 0),
        # Spares two commands per connection that announce the library's name.
        "driver_info": None,
    }


class _ListeningParser(_RESP2Parser):
    """redis-py's parser with a buffer that stays small.

    ``SocketBuffer.purge`` of redis-py 8.1.0 frees what was read only at moments when nothing unread is left.
    A connection under steady load has no such moment, and its buffer keeps every message ever received. Can
    go when purge moves the unread rest to the front.
    """

    def read_response(self, *args: Any, **options: Any) -> Any:
        response = super().read_response(*args, **options)
        buffer = self._buffer._buffer
        if buffer.tell() > COMPACT_AT:
            rest = buffer.read()
            buffer.seek(0)
            buffer.write(rest)
            buffer.truncate()
            buffer.seek(0)
        return response


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn every error of redis-py into ``BrokerUnavailable``; ``what`` was not done."""
    try:
        yield
    except redis.RedisError as err:
        raise BrokerUnavailable(f"Redis did not answer: {what}.") from err


class Script:
    """A Lua script run by its hash; Redis asks for the text again after a restart."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def run(self, client: redis.Redis, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        try:
            return client.evalsha(self._sha, len(keys), *keys, *arguments)
        except redis.exceptions.NoScriptError:
            return client.eval(self._text, len(keys), *keys, *arguments)

    def run_many(
        self, client: redis.Redis, keys: Sequence[str], calls: Sequence[Sequence[Any]]
    ) -> Sequence[Any]:
        """Run it once for each list of arguments, in one round trip; the answer of each, or its error.

        As a transaction: nobody's command comes in between, so that not one can fail for want of the script's
        text and those behind it succeed.
        """
        answers = self._transaction(client, keys, calls)
        if isinstance(answers[0], redis.exceptions.NoScriptError):
            client.script_load(self._text)
            answers = self._transaction(client, keys, calls)
        return answers

    def _transaction(
        self, client: redis.Redis, keys: Sequence[str], calls: Sequence[Sequence[Any]]
    ) -> list[Any]:
        with client.pipeline(transaction=True) as together:
            for arguments in calls:
                together.evalsha(self._sha, len(keys), *keys, *arguments)
            return together.execute(raise_on_error=False)
