"""The private Redis does what the tests rely on."""

import pytest
import redis

from .redis import RedisServer


def test_a_test_finds_redis_empty(redis_server: RedisServer) -> None:
    client = redis_server.client()
    assert client.dbsize() == 0
    client.set("left", "behind")


def test_what_an_earlier_test_wrote_is_gone(redis_server: RedisServer) -> None:
    assert redis_server.client().get("left") is None


def test_redis_answers_on_its_port_and_on_its_unix_socket(redis_server: RedisServer) -> None:
    redis_server.client().set("one", "1")
    with redis.Redis.from_url(redis_server.unix_url) as over_the_socket:
        assert over_the_socket.get("one") == b"1"


def test_data_survives_a_stop_and_a_start(redis_server: RedisServer) -> None:
    redis_server.client().set("kept", "yes")
    assert redis_server.stop() == 0
    with pytest.raises(redis.ConnectionError):
        redis_server.client().ping()
    redis_server.start()
    assert redis_server.client().get("kept") == "yes"


def test_data_survives_a_kill(redis_server: RedisServer) -> None:
    redis_server.client().set("kept", "yes")
    redis_server.kill()
    redis_server.start()
    assert redis_server.client().get("kept") == "yes"


def test_a_paused_redis_takes_connections_and_answers_nothing_until_resumed(
    redis_server: RedisServer,
) -> None:
    redis_server.pause()
    with pytest.raises(redis.TimeoutError):
        redis_server.client(socket_timeout=0.2).ping()
    redis_server.resume()
    assert redis_server.client().ping()


def test_a_test_leaves_redis_paused(redis_server: RedisServer) -> None:
    redis_server.pause()
    assert redis_server.running


def test_the_next_test_finds_redis_answering(redis_server: RedisServer) -> None:
    assert redis_server.client().ping()
