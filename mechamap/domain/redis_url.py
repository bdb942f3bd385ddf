"""REDIS_URL: one Redis, the primary that Sentinels know, or the owner of our slot in a cluster."""

from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import parse_qsl, unquote, urlsplit

SCHEMES = (
    *("redis", "rediss", "unix"),
    *("redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"),
)
PORT, SENTINEL_PORT = 6379, 26379


class Topology(StrEnum):
    """Who says where the writable Redis is."""

    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """A REDIS_URL taken apart. For ``SINGLE`` everything but ``text`` is left to redis-py.

    Attributes:
        text: the URL as written.
        nodes: (host, port) of Sentinels, or of nodes of the cluster, to ask first.
        service: what the Sentinels call the primary.
        sentinel_password: for the Sentinels themselves; ``password`` is for Redis.
    """

    text: str = field(repr=False)
    topology: Topology = Topology.SINGLE
    tls: bool = False
    nodes: tuple[tuple[str, int], ...] = ()
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    service: str = ""
    db: int = 0
    sentinel_password: str | None = field(default=None, repr=False)


def parse_redis_url(text: str) -> RedisUrl:
    """The URL taken apart.

    Raises:
        ValueError: it is malformed; one clause that says how, without repeating the URL.
    """
    scheme, found, rest = text.partition("://")
    if not found or scheme not in SCHEMES:
        raise ValueError(f"is not a URL of the form {' or '.join(f'{s}://…' for s in SCHEMES)}")
    kind = scheme.partition("+")[2]
    if not kind:
        return RedisUrl(text, tls=scheme == "rediss")
    # Everything before the last @ may hold anything; urlsplit would stumble over brackets in a password.
    login, at, place = rest.rpartition("@")
    parts = urlsplit(f"//{place}")
    user, _, password = login.partition(":") if at else ("", "", "")
    sentinel = kind == "sentinel"
    nodes = tuple(_node(node, SENTINEL_PORT if sentinel else PORT) for node in parts.netloc.split(","))
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := options.keys() - ({"sentinel_password"} if sentinel else set()):
        raise ValueError(f"has the unknown option {sorted(unknown)[0]!r}")
    path = [unquote(piece) for piece in parts.path.strip("/").split("/") if piece]
    return RedisUrl(
        text,
        Topology(kind),
        scheme.startswith("rediss"),
        nodes,
        unquote(user) or None,
        unquote(password) or None,
        *(_service(path) if sentinel else _no_path(path)),
        options.get("sentinel_password") or None,
    )


def _node(text: str, port: int) -> tuple[str, int]:
    host, colon, number = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if not colon:
        host, number = text, str(port)
    host = host.removeprefix("[").removesuffix("]")
    if not host:
        raise ValueError("names a node without a host; nodes look like host:port,host2:port2")
    if not (number.isascii() and number.isdigit()) or not 1 <= int(number) <= 65535:
        raise ValueError("names a node whose port is no number from 1 to 65535")
    return host, int(number)


def _service(path: list[str]) -> tuple[str, int]:
    if not path:
        raise ValueError(
            "lacks the name of the service after the Sentinels: …://host:port,host2:port2/mymaster"
        )
    if len(path) > 2 or (len(path) == 2 and not (path[1].isascii() and path[1].isdigit())):
        raise ValueError("may have a database number after the name of the service, and nothing else")
    return path[0], int(path[1]) if len(path) == 2 else 0


def _no_path(path: list[str]) -> tuple[str, int]:
    if path not in ([], ["0"]):
        raise ValueError("names a database: a Redis Cluster has only database 0")
    return "", 0
