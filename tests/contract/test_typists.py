"""Who types where: the same answers within one process and over Redis."""

import time

import pytest

from mechamap.broker.connection import command_client
from mechamap.domain.errors import BrokerUnavailable
from mechamap.presence.redis_typists import RedisTypists
from mechamap.presence.typists import MemoryTypists

HOLDS = 0.3


@pytest.fixture
def over_redis(redis_server):
    return lambda: RedisTypists(command_client(redis_server.url), "t", HOLDS)


@pytest.fixture(params=["memory", "redis", "two workers"])
def pair(request, over_redis):
    """Two that know the same: one object where they are in one process."""
    if request.param == "two workers":
        return over_redis(), over_redis()
    typists = MemoryTypists(HOLDS) if request.param == "memory" else over_redis()
    return typists, typists


def test_a_person_stopped_when_the_last_page_did(pair):
    here, there = pair
    here.began("group:5", 7, "a")
    here.began("group:5", 7, "a")
    there.began("group:5", 7, "b")
    assert not here.ended("group:5", 7, "a")
    assert there.ended("group:5", 7, "b")


def test_places_and_people_are_apart(pair):
    here, there = pair
    here.began("group:5", 7, "a")
    there.began("group:6", 7, "b")
    there.began("group:5", 8, "c")
    assert here.ended("group:5", 7, "a")
    assert there.ended("group:6", 7, "b")
    assert there.ended("group:5", 8, "c")


def test_a_page_that_never_began_stops_nobody_else(pair):
    here, there = pair
    here.began("group:5", 7, "a")
    assert not there.ended("group:5", 7, "b")
    assert here.ended("group:5", 7, "a")
    assert here.ended("group:5", 7, "a")


def test_a_word_that_is_not_repeated_ends_by_itself(pair):
    here, there = pair
    here.began("group:5", 7, "gone")
    time.sleep(HOLDS * 2 / 3)
    there.began("group:5", 7, "b")
    assert not there.ended("group:5", 7, "b")
    there.began("group:5", 7, "b")
    time.sleep(HOLDS * 2 / 3)
    assert there.ended("group:5", 7, "b")


def test_redis_keeps_nothing_of_those_who_were_killed(over_redis, redis_server):
    over_redis().began("group:5", 7, "a")
    [key] = redis_server.client().keys("*")
    assert 0 < redis_server.client().pttl(key) <= HOLDS * 1000


def test_without_redis_nothing_is_known(over_redis, redis_server):
    typists = over_redis()
    typists.began("group:5", 7, "a")
    redis_server.stop()
    for ask in (typists.began, typists.ended):
        with pytest.raises(BrokerUnavailable):
            ask("group:5", 7, "a")
