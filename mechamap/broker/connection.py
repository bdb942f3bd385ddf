"""Connections to Redis: how every client of the server is made, and how its errors are told.

Two kinds, because one set of limits cannot serve both: commands must fail fast, a subscribed connection is
silent for as long as nobody publishes. Where they connect to is the URL's business, or ``topology``'s.
"""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import redis
from redis._parsers import _RESP2Parser
from redis.client import Pipeline
from redis.exceptions import MovedError, NoScriptError, ReadOnlyError

from ..domain.errors import BrokerUnavailable
from ..domain.redis_url import Topology, parse_redis_url
from .packing import Packer
from .topology import Primary, common, following

CONNECT_TIMEOUT = 0.5
COMMAND_TIMEOUT = 1.0
"""Seconds. A hanging Redis costs a publisher 1.5 s at most; a healthy one answers in well under 10 ms."""
POOL_SIZE = 16
"""Connections per process. One round trip holds one for about 0.2 ms, so sixteen carry tens of thousands a
second."""
COMPACT_AT = 1_048_576


def primary_of(url: str) -> Primary | None:
    """Who finds the writable Redis for this URL; None if the URL itself says where it is."""
    parsed = parse_redis_url(url)
    return None if parsed.topology is Topology.SINGLE else Primary(parsed)


def command_pool(
    url: str, *, timeout: float = COMMAND_TIMEOUT, primary: Primary | None = None
) -> redis.BlockingConnectionPool:
    """Connections for commands: short timeouts, no retry, a bounded number. Connects when first used.

    Pools given the same ``primary`` (see ``primary_of``) learn together where it is.
    """
    options = {
        "max_connections": POOL_SIZE,
        "timeout": CONNECT_TIMEOUT,
        "socket_connect_timeout": min(CONNECT_TIMEOUT, timeout),
        "socket_timeout": timeout,
        "command_packer": Packer(),
        **common(),
    }
    primary = primary or primary_of(url)
    if primary is not None:
        return redis.BlockingConnectionPool(**options, **following(primary))
    return redis.BlockingConnectionPool.from_url(url, **options)


def command_client(
    url: str, *, timeout: float = COMMAND_TIMEOUT, primary: Primary | None = None
) -> redis.Redis:
    """A client on a ``command_pool`` of its own."""
    return redis.Redis.from_pool(command_pool(url, timeout=timeout, primary=primary))


def listening_connection(url: str, *, timeout: float, primary: Primary | None = None) -> redis.Connection:
    """A connection to subscribe with, not connected yet. A read ends after ``timeout`` seconds of silence."""
    options = {
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "socket_timeout": timeout,
        "parser_class": _ListeningParser,
        "command_packer": Packer(),
        **common(),
    }
    primary = primary or primary_of(url)
    if primary is not None:
        return redis.ConnectionPool(**options, **following(primary)).make_connection()
    return redis.ConnectionPool.from_url(url, **options).make_connection()


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

    def __init__(self, text: str, *beside: str) -> None:
        """``beside``: texts that Redis is given together with this one, so that it has all or none."""
        self._text = text
        self._sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        self.texts = (text, *beside)

    def run(self, client: redis.Redis, keys: Sequence[str | bytes], arguments: Sequence[Any]) -> Any:
        try:
            return self._run(client, keys, arguments)
        except (ReadOnlyError, MovedError):
            # Refused before it wrote anything, by a Redis that is not the primary any more: the connection
            # finds the one that is.
            return self._run(client, keys, arguments)

    def _run(self, client: redis.Redis, keys: Sequence[str | bytes], arguments: Sequence[Any]) -> Any:
        try:
            return client.evalsha(self._sha, len(keys), *keys, *arguments)
        except NoScriptError:
            if len(self.texts) == 1:
                return client.eval(self._text, len(keys), *keys, *arguments)
        [answer] = _transaction(client, [Call(self, keys, arguments)], self.texts)
        if isinstance(answer, redis.RedisError):
            raise answer
        return answer

    def run_many(
        self, client: redis.Redis, keys: Sequence[str], calls: Sequence[Sequence[Any]]
    ) -> Sequence[Any]:
        """``run_together`` for each list of arguments."""
        return run_together(client, [Call(self, keys, arguments) for arguments in calls])

    def queue(self, together: Pipeline, keys: Sequence[str | bytes], arguments: Sequence[Any]) -> None:
        """Run it in a transaction."""
        together.evalsha(self._sha, len(keys), *keys, *arguments)


class Call(NamedTuple):
    """A script with what it is to be run on."""

    script: Script
    keys: Sequence[str | bytes]
    arguments: Sequence[Any]


def run_together(client: redis.Redis, calls: Sequence[Call]) -> list[Any]:
    """Run them in this order in one round trip; the answer of each, or its error. Raises only if not one was
    run, or if that cannot be told.

    As a transaction: nobody's command comes in between. What was refused for want of its script's text, or by
    a Redis that is not the primary any more, is run again.
    """
    try:
        answers = _transaction(client, calls)
    except (ReadOnlyError, MovedError):  # as in ``Script.run``
        return _transaction(client, calls)
    again = [place for place, answer in enumerate(answers) if isinstance(answer, _NOT_RUN)]
    if not again:
        return answers
    missing = [calls[place].script for place in again if isinstance(answers[place], NoScriptError)]
    texts = {text for script in missing for text in script.texts}
    try:
        repeated: Sequence[Any] = _transaction(client, [calls[place] for place in again], texts)
    except redis.RedisError as err:
        if len(again) == len(calls):
            raise
        repeated = [err] * len(again)  # the others were run
    for place, answer in zip(again, repeated, strict=True):
        answers[place] = answer
    return answers


_NOT_RUN = (NoScriptError, ReadOnlyError, MovedError)


def _transaction(client: redis.Redis, calls: Sequence[Call], texts: Collection[str] = ()) -> list[Any]:
    """``texts``: of scripts that Redis has to be given first."""
    with client.pipeline(transaction=True) as together:
        for text in texts:
            together.script_load(text)
        for script, keys, arguments in calls:
            script.queue(together, keys, arguments)
        return together.execute(raise_on_error=False)[len(texts) :]
