"""The circuit breaker by itself, with a clock of the test's own."""

import pytest

from mechamap.store.breaker import TRIAL_SECONDS, Breaker, CircuitOpen, State
from tests.clock import Clock


@pytest.fixture
def open_breaker(clock: Clock) -> Breaker:
    breaker = Breaker(3.0, clock)
    breaker.admit()
    breaker.failed()
    return breaker


def test_a_failure_opens_it_for_three_seconds(open_breaker: Breaker, clock: Clock) -> None:
    with pytest.raises(CircuitOpen) as refusal:
        open_breaker.admit()
    assert refusal.value.retry_after == 3.0
    clock.now += 2.9
    assert open_breaker.state is State.OPEN
    clock.now += 0.2
    assert open_breaker.state is State.HALF_OPEN


def test_half_open_lets_one_caller_through(open_breaker: Breaker, clock: Clock) -> None:
    clock.now += 3
    open_breaker.admit()
    with pytest.raises(CircuitOpen):
        open_breaker.admit()


def test_a_trial_that_succeeds_closes_it(open_breaker: Breaker, clock: Clock) -> None:
    clock.now += 3
    open_breaker.admit()
    open_breaker.succeeded()
    open_breaker.admit()
    open_breaker.admit()
    assert open_breaker.state is State.CLOSED


def test_a_trial_that_fails_opens_it_again(open_breaker: Breaker, clock: Clock) -> None:
    clock.now += 3
    open_breaker.admit()
    open_breaker.failed()
    with pytest.raises(CircuitOpen):
        open_breaker.admit()


def test_an_abandoned_trial_leaves_the_next_caller_to_try(open_breaker: Breaker, clock: Clock) -> None:
    clock.now += 3
    open_breaker.admit()
    open_breaker.abandoned()
    open_breaker.admit()


def test_a_trial_that_nobody_ends_does_not_lock_the_door_for_ever(
    open_breaker: Breaker, clock: Clock
) -> None:
    clock.now += 3
    open_breaker.admit()
    clock.now += TRIAL_SECONDS
    open_breaker.admit()


def test_failures_are_counted_and_refusals_are_none(open_breaker: Breaker) -> None:
    open_breaker.failed()
    for _ in range(2):
        with pytest.raises(CircuitOpen):
            open_breaker.admit()
    assert open_breaker.failures == 2
