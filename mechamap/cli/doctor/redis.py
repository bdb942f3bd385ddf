"""Redis: does it answer, how fast, is it fit for the cluster's books, and is its clock ours."""

import time
from collections.abc import Iterator

from mechamap.settings import Settings

from .finding import Finding, fail, ok, warn
from .skew import skew

AREA = "Redis"
PINGS = 5
OLDEST = (5, 0)
"""The broker's scripts read Redis's clock and then write; up to 4 that is refused."""
SLOW_MS = 20.0


def examine(settings: Settings) -> Iterator[Finding]:
    """What there is to say of REDIS_URL."""
    if settings.redis_url is None:
        yield ok(AREA, "use", "REDIS_URL is empty: one worker, its books in its own memory.")
        return
    import redis

    from mechamap.broker.connection import command_client

    client = command_client(settings.redis_url)
    try:
        client.ping()  # the first one connects
        spans = []
        for _ in range(PINGS):
            begun = time.perf_counter()
            client.ping()
            spans.append(time.perf_counter() - begun)
        begun = time.time()
        seconds, micros = client.time()
        difference = skew(seconds + micros / 1e6, begun, time.time())
        server = client.info("server")
        memory = client.info("memory")
    except redis.AuthenticationError:
        yield fail(
            AREA,
            "answer",
            "Redis refuses the password or asks for one.",
            "Put it into REDIS_URL, between :// and @: redis://:password@host",
        )
        return
    except redis.ResponseError as err:
        yield warn(
            AREA,
            "answer",
            f"Redis answers, but refuses PING, TIME or INFO ({type(err).__name__}): it cannot be examined.",
            "Give the account of REDIS_URL these commands.",
        )
        return
    except (redis.RedisError, OSError) as err:
        yield fail(
            AREA,
            "answer",
            f"Redis does not answer ({type(err).__name__}): nothing can be published.",
            "Start it, or mend REDIS_URL; without other machines or workers it may also be left empty.",
        )
        return
    finally:
        client.close()
    version = str(server["redis_version"])
    fastest = min(spans) * 1000
    if _series(version) < OLDEST:
        yield fail(
            AREA, "version", f"Redis {version} is too old.", f"Install {'.'.join(map(str, OLDEST))} or newer."
        )
    else:
        yield ok(AREA, "version", f"Redis {version}.")
    if fastest > SLOW_MS:
        yield warn(
            AREA,
            "latency",
            f"A round trip takes {fastest:.1f} ms, and every broadcast takes one.",
            "Move Redis nearer.",
        )
    else:
        yield ok(AREA, "latency", f"A round trip takes {fastest:.2f} ms.")
    policy = str(memory.get("maxmemory_policy", "noeviction"))
    if memory.get("maxmemory") and policy != "noeviction":
        yield warn(
            AREA,
            "eviction",
            f"maxmemory-policy is {policy}: short of memory, Redis drops the cluster's books.",
            "Set maxmemory-policy noeviction, or give the server a Redis of its own.",
        )
    yield difference.finding(AREA, "Redis")


def _series(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
