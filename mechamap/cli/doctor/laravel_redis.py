"""Laravel's Redis: can it be heard, and under which prefixes does anybody publish events."""

import re
import time
from collections import Counter
from collections.abc import Iterator

from mechamap.settings import Settings

from .finding import Finding, fail, ok, warn

AREA = "Laravel's Redis"
LISTEN = 3.0
"""Seconds. Longer than most sites are silent; the whole examination should not feel stuck."""
MOST = 10_000
"""Messages listened to at most."""
SHOWN = 5
# What our channel names begin with; what stands before it is the prefix.
_NAME = re.compile(rb"(?:public|private|presence|forum|admin|moderator)[-.]")


def examine(settings: Settings, seconds: float = LISTEN) -> Iterator[Finding]:
    """What there is to say of LARAVEL_REDIS_URL and its prefix."""
    if settings.laravel_redis_url is None:
        return
    import redis

    from mechamap.broker.connection import command_client

    client = command_client(settings.laravel_redis_url)
    try:
        heard = _listen(client, seconds)
    except redis.AuthenticationError:
        yield fail(
            AREA, "answer", "Redis refuses the password or asks for one.", "Put it into LARAVEL_REDIS_URL."
        )
        return
    except redis.ResponseError as err:
        yield fail(
            AREA,
            "answer",
            f"Redis does not let the account listen to patterns ({type(err).__name__}).",
            "Allow PSUBSCRIBE and the channels of Laravel to the account of LARAVEL_REDIS_URL.",
        )
        return
    except (redis.RedisError, OSError) as err:
        yield fail(
            AREA,
            "answer",
            f"Redis does not answer ({type(err).__name__}): nothing that Laravel publishes is heard.",
            "Start it, or mend LARAVEL_REDIS_URL.",
        )
        return
    finally:
        client.close()
    yield ok(AREA, "answer", "Redis answers and can be listened to.")
    yield _prefixes(settings.laravel_redis_prefix, heard, seconds)


def prefix_of(name: bytes) -> str | None:
    """What stands before the channel's own name; None where nothing looks like one of ours."""
    found = _NAME.search(name)
    return name[: found.start()].decode(errors="replace") if found else None


def _listen(client, seconds: float) -> Counter[str]:  # type: ignore[no-untyped-def]
    """Prefixes heard, with the number of messages; our own workers' are none."""
    from mechamap.broker.topology import PREFIX

    own = f"{PREFIX}:".encode()
    heard: Counter[str] = Counter()
    with client.pubsub(ignore_subscribe_messages=True) as listening:
        listening.psubscribe("*")
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and heard.total() < MOST:
            message = listening.get_message(timeout=left)
            if message is None or message["channel"].startswith(own):
                continue
            prefix = prefix_of(message["channel"])
            if prefix is not None:
                heard[prefix] += 1
    return heard


def _prefixes(wanted: str, heard: Counter[str], seconds: float) -> Finding:
    shown = ", ".join(f"{prefix or '(none)'} ({count})" for prefix, count in heard.most_common(SHOWN))
    if wanted in heard:
        return ok(AREA, "prefix", f"Events were heard under these prefixes in {seconds:g} s: {shown}.")
    if heard:
        return warn(
            AREA,
            "prefix",
            f"Nothing was heard under {wanted or '(none)'} in {seconds:g} s, but under: {shown}.",
            "Set LARAVEL_REDIS_PREFIX to Laravel's database.redis.options.prefix.",
        )
    return ok(
        AREA,
        "prefix",
        f"Nothing was published in {seconds:g} s; run it again while Laravel publishes to see the prefix.",
    )
