"""Where the writable Redis is when that changes: asked of Sentinels, or of the nodes of a cluster.

All keys of this server share one hash tag, so even in a cluster one node at a time has all of them, and one
connection to it serves as with a single Redis. What differs is only how its address is found: anew for each
connection, and again after any answer that says "not here".
"""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection
from redis.crc import key_slot
from redis.exceptions import ClusterDownError, MovedError, ReadOnlyError
from redis.retry import Retry

from ..domain.redis_url import RedisUrl, Topology

PREFIX = "mechamap:{rt}"
"""Begins every key and pub/sub channel. The braces keep all keys in one slot of a Redis Cluster."""
SLOT = key_slot(PREFIX.encode())
ASK_TIMEOUT = 0.3
"""Seconds for a Sentinel or a node to say where the primary is; the next one is asked after that."""

WATCH = 1.0
"""Seconds between two questions of a worker where the primary is."""

Address = tuple[str, int]


class Primary:
    """The writable Redis. Remembers whom to ask first; ``on_move`` is called when it turns out elsewhere."""

    def __init__(self, url: RedisUrl) -> None:
        self.url = url
        self._ask = list(url.nodes)
        self._address: Address | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self.generation = 0
        self.on_move: Callable[[], None] = lambda: None

    def locate(self) -> Address:
        """Ask anew where it is.

        Raises:
            redis.ConnectionError: nobody who was asked knows.
        """
        for node in list(self._ask):
            try:
                address = self._asked(node)
            except (redis.RedisError, OSError):
                address = None
            if address is None:
                continue
            with self._lock:
                self._ask = [node, *(other for other in self._ask if other != node)]
                moved = self._address not in (None, address)
                self._address = address
                self.generation += moved
            if moved:
                self.on_move()
            return address
        raise redis.ConnectionError("nobody says where the primary is")

    def watch(self) -> None:
        """Ask once a second until ``stop``: an old primary that is still up is told last that it is replaced.

        Sentinels of Redis 7 leave it eight seconds, in which it takes events that are lost when it gives way.
        """
        while not self._stopping.wait(WATCH):
            try:
                self.locate()
            except redis.RedisError:
                continue  # the connections in use tell for themselves whether they work

    def stop(self) -> None:
        """End ``watch`` soon."""
        self._stopping.set()

    def doubt(self) -> None:
        """It is not where it was said to be: connections look again, and somebody else is asked first."""
        with self._lock:
            self.generation += 1
            self._ask.append(self._ask.pop(0))

    def _asked(self, node: Address) -> Address | None:
        url = self.url
        sentinel = url.topology is Topology.SENTINEL
        client = redis.Redis(
            *node,
            username=None if sentinel else url.username,
            password=url.sentinel_password if sentinel else url.password,
            ssl=url.tls,
            socket_timeout=ASK_TIMEOUT,
            socket_connect_timeout=ASK_TIMEOUT,
            **common(),
        )
        try:
            if sentinel:
                found = client.execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", url.service)
                return (_text(found[0]), int(found[1])) if found else None
            return self._owner(node, list(_nodes(client.execute_command("CLUSTER SLOTS"))))
        finally:
            client.close()

    def _owner(self, node: Address, slots: list[tuple[int, int, list[Address]]]) -> Address | None:
        # A node that does not know its own name leaves it out: it is the one that was asked.
        named = [(first, last, [(host or node[0], port) for host, port in at]) for first, last, at in slots]
        known = dict.fromkeys(address for _, _, at in named for address in at)
        with self._lock:
            self._ask = list(dict.fromkeys([*self._ask, *known]))[: len(self.url.nodes) + len(known)]
        return next((at[0] for first, last, at in named if first <= SLOT <= last), None)


def common() -> dict[str, Any]:
    """What every connection to Redis is told."""
    return {
        # RESP3 brings a longer handshake and messages of another shape, and nothing this server uses.
        "protocol": 2,
        # redis-py 8 retries ten times with back-off unless told not to: seconds instead of an answer.
        "retry": Retry(NoBackoff(), 0),
        # Spares two commands per connection that announce the library's name.
        "driver_info": None,
    }


def _nodes(slots: Any) -> Iterator[tuple[int, int, list[Address]]]:
    """The answer to CLUSTER SLOTS: first and last slot of each range, and its nodes, the owner first."""
    for first, last, *nodes in slots:
        hosts = [(_text(node[0]) if node[0] else "", int(node[1])) for node in nodes]
        yield int(first), int(last), [("" if host == "?" else host, port) for host, port in hosts]


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


_NOT_HERE = (ReadOnlyError, MovedError, ClusterDownError)


class _Following(Connection):
    """A connection that looks for the primary whenever it connects, and leaves one that no longer is it.

    redis-py's own SentinelConnectionPool does the first for commands only and without asking the server for
    its role; its RedisCluster spreads keys over nodes, which one slot does not need (8.1.0).
    """

    def __init__(self, *, primary: Primary, **options: Any) -> None:
        super().__init__(**options)
        self._primary = primary
        self._generation = primary.generation

    def _connect(self) -> Any:
        self.host, self.port = self._primary.locate()
        self._generation = self._primary.generation
        return super()._connect()

    def on_connect_check_health(self, check_health: bool = True) -> None:
        super().on_connect_check_health(check_health)
        # A replica would take SUBSCRIBE and stay silent when its own link breaks.
        self.send_command("ROLE", check_health=False)
        if _text(self.read_response()[0]) != "master":
            self._primary.doubt()
            raise redis.ConnectionError("not the primary")

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        if self._generation != self._primary.generation:
            self.disconnect()
        super().send_packed_command(command, check_health)

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            answer = super().read_response(*args, **options)
        except _NOT_HERE:
            self._primary.doubt()
            raise
        if type(answer) is list and any(isinstance(each, _NOT_HERE) for each in answer):  # a transaction's
            self._primary.doubt()
        return answer


class _FollowingTls(_Following, SSLConnection):
    pass


def following(primary: Primary) -> dict[str, Any]:
    """Options for a pool of connections to the primary."""
    url = primary.url
    return {
        "connection_class": _FollowingTls if url.tls else _Following,
        "primary": primary,
        "db": url.db,
        "username": url.username,
        "password": url.password,
    }
