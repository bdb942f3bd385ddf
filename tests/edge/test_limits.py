"""Limits stop guessing and floods, are shared through Redis, and never become an outage."""

import time

import pytest

from mechamap.broker.connection import command_pool
from mechamap.domain.errors import RateLimited
from mechamap.edge.limits import (
    ADMIN_SIGNINS,
    FAILED_KEYS,
    FAILED_SIGNINS,
    GROUP_MESSAGES,
    PER_CONNECTION,
    PER_KEY,
    TYPING,
    RateLimits,
    source,
)


@pytest.fixture
def limits() -> RateLimits:
    return RateLimits(on=True, redis=None)


def until_refused(call, most: int) -> int:
    """How often ``call`` passed before it was refused."""
    for passed in range(most):
        try:
            call()
        except RateLimited as refusal:
            assert refusal.retry_after >= 1
            return passed
    raise AssertionError("never refused")


def test_wrong_keys_of_one_address_are_bounded_and_anothers_are_its_own(limits):
    assert until_refused(lambda: limits.note_failed_key("203.0.113.1"), 100) == FAILED_KEYS.amount
    limits.note_failed_key("203.0.113.2")


def test_refused_tokens_block_the_address_before_the_next_is_looked_at(limits):
    assert until_refused(lambda: limits.note_failed_signin("203.0.113.1"), 200) == FAILED_SIGNINS.amount
    with pytest.raises(RateLimited) as refusal:
        limits.check_signins("203.0.113.1")
    assert str(refusal.value).startswith("Authentication failed")
    limits.check_signins("203.0.113.2")


def test_a_block_ends(limits, monkeypatch):
    until_refused(lambda: limits.note_failed_signin("203.0.113.1"), 200)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 120)
    limits.check_signins("203.0.113.1")


def test_a_flooding_connection_is_refused_and_its_neighbour_is_not(limits):
    assert until_refused(lambda: limits.check_connection("a"), 200) == PER_CONNECTION.amount
    limits.check_connection("b")


def test_one_browser_cannot_keep_the_others_looking_or_laravel_storing(limits):
    for check, limit in ((limits.check_typing, TYPING), (limits.check_group_message, GROUP_MESSAGES)):
        assert until_refused(lambda check=check: check("a"), 200) == limit.amount
        check("b")


def test_a_batch_counts_as_its_events(limits):
    limits.check_key("laravel", PER_KEY.amount)
    with pytest.raises(RateLimited):
        limits.check_key("laravel")
    limits.check_key("other")


def test_dashboard_sign_ins_are_bounded_by_address_and_by_name(limits):
    assert until_refused(lambda: limits.check_admin_signin("203.0.113.1", "anna"), 50) == ADMIN_SIGNINS.amount
    numbers = iter(range(1000))
    passed = until_refused(lambda: limits.check_admin_signin(f"192.0.2.{next(numbers)}", "BINH"), 50)
    assert passed == 20
    with pytest.raises(RateLimited):
        limits.check_admin_signin("198.51.100.1", "binh")


def test_off_means_off():
    limits = RateLimits(on=False, redis=None)
    for _ in range(200):
        limits.note_failed_key("a")
        limits.check_connection("a")
        limits.check_signins("a")
    limits.check_key("k", 10**9)


def test_failures_are_counted_together_by_workers_that_share_a_redis(redis_server):
    one, two = (RateLimits(on=True, redis=command_pool(redis_server.url)) for _ in range(2))
    for _ in range(FAILED_SIGNINS.amount // 2):
        one.note_failed_signin("203.0.113.1")
        two.note_failed_signin("203.0.113.1")
    with pytest.raises(RateLimited):
        two.note_failed_signin("203.0.113.1")


def test_a_redis_that_is_away_lets_requests_pass_and_is_counted(redis_server):
    failures = []
    limits = RateLimits(
        on=True, redis=command_pool(redis_server.url), seen_failure=lambda: failures.append(1)
    )
    redis_server.stop()
    started = time.monotonic()
    for _ in range(3):
        limits.note_failed_signin("203.0.113.1")
    assert len(failures) == 3
    assert time.monotonic() - started < 3


def test_redis_on_a_unix_socket_counts_strangers_too(redis_server):
    shared = [RateLimits(on=True, redis=command_pool(redis_server.unix_url)) for _ in range(2)]
    for number in range(FAILED_KEYS.amount):
        shared[number % 2].note_failed_key("203.0.113.1")
    with pytest.raises(RateLimited):
        shared[0].note_failed_key("203.0.113.1")


@pytest.mark.parametrize("spell", [str.upper, lambda name: f" {name}\t", lambda name: name.replace("a", "á")])
def test_another_spelling_of_a_name_is_no_other_count(limits, spell):
    for number in range(20):
        limits.check_admin_signin(f"192.0.2.{number}", "anna")
    with pytest.raises(RateLimited):
        limits.check_admin_signin("192.0.2.99", spell("anna"))
    limits.check_admin_signin("192.0.2.98", "binh")


def test_a_name_of_spaces_and_more_is_counted_as_what_it_opens(limits):
    for number in range(20):
        limits.check_admin_signin(f"192.0.2.{number}", "\u2003" * number + "anna" + " " * 300)
    with pytest.raises(RateLimited):
        limits.check_admin_signin("192.0.2.99", "anna")


def test_text_that_no_database_takes_is_counted_too(limits):
    for number in range(20):
        limits.check_admin_signin(f"192.0.2.{number}", "\ud800")
    with pytest.raises(RateLimited):
        limits.check_admin_signin("192.0.2.99", "\ud800")


def test_a_network_that_one_customer_has_is_one_address(limits):
    for number in range(10):
        limits.check_admin_signin(f"2001:db8:1:2:{number}::1", f"name{number}")
    with pytest.raises(RateLimited):
        limits.check_admin_signin("2001:db8:1:2:ffff::9", "anybody")
    limits.check_admin_signin("2001:db8:1:3::1", "anybody")
    assert source("::ffff:192.0.2.1") == source("192.0.2.1") == "192.0.2.1"
    assert (source("fe80::1%eth0"), source(None), source("odd")) == ("fe80::/64", "unknown", "odd")
