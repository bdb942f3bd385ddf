"""The forms a REDIS_URL may have, taken apart."""

import pytest

from mechamap.domain.redis_url import Topology, parse_redis_url


@pytest.mark.parametrize(
    "text", ["redis://:p@localhost:6379/0", "rediss://localhost", "unix:///run/r.sock?db=0"]
)
def test_a_single_redis_is_left_to_the_library(text: str):
    parsed = parse_redis_url(text)
    assert (parsed.topology, parsed.text) == (Topology.SINGLE, text)


def test_sentinels_with_everything():
    parsed = parse_redis_url(
        "rediss+sentinel://app:p%40ss:/?#@one:1000,[::1]:2000,three/my%20service/3?sentinel_password=hush%21"
    )
    assert parsed.topology is Topology.SENTINEL
    assert parsed.tls
    assert parsed.nodes == (("one", 1000), ("::1", 2000), ("three", 26379))
    assert (parsed.username, parsed.password) == ("app", "p@ss:/?#")
    assert (parsed.service, parsed.db, parsed.sentinel_password) == ("my service", 3, "hush!")


def test_sentinels_with_the_least():
    parsed = parse_redis_url("redis+sentinel://one/primary")
    assert parsed.nodes == (("one", 26379),)
    assert (parsed.username, parsed.password, parsed.db, parsed.tls) == (None, None, 0, False)


def test_a_cluster():
    parsed = parse_redis_url("redis+cluster://:hush@one,[2001:db8::1],three:7000/0")
    assert parsed.topology is Topology.CLUSTER
    assert parsed.nodes == (("one", 6379), ("2001:db8::1", 6379), ("three", 7000))
    assert parsed.password == "hush"


def test_secrets_are_not_in_its_text():
    parsed = parse_redis_url("redis+sentinel://:hush@one/primary?sentinel_password=hush")
    assert "hush" not in repr(parsed)
