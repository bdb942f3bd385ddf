"""The checker finds each kind of broken promise in a history made by hand, and nothing in a sound one."""

from dataclasses import replace

import pytest

from mechamap.domain.history import Position

from .checker import check
from .histories import (
    Asked,
    Attempt,
    Dismissed,
    History,
    Joined,
    Leaving,
    Left,
    Log,
    Outcome,
    Received,
    Returned,
    Told,
)

A, B, OWN = "public.a", "public.b", "private-user.1"


def sent(number: int, channel: str = A, outcome: Outcome = Outcome.ACCEPTED, **fields) -> Attempt:
    """The ``number``-th event, published in the second of that number."""
    return Attempt(("p", number), channel, number, number + 0.1, outcome, f"id-{number}", **fields)


def got(number: int, channel: str = A, *, at: float | None = None, offset: int | None = None) -> Received:
    place = Position("epoch", number if offset is None else offset)
    return Received(number + 0.2 if at is None else at, channel, ("p", number), place)


def log(*entries, client: str = "c", channels: tuple[str, ...] = (A,)) -> Log:
    joined = [Joined(0.0, channel) for channel in (*channels, OWN)]
    return Log(client, frozenset((*channels, OWN)), OWN, [*joined, *entries])


def kinds(*logs: Log, attempts: list[Attempt] | None = None, lossless: bool = False) -> list[str]:
    history = History(attempts if attempts is not None else [sent(n) for n in range(1, 6)], list(logs))
    return [violation.kind for violation in check(history, lossless=lossless)]


ALL = [got(n) for n in range(1, 6)]


def test_a_sound_history():
    back = [*ALL[:2], Returned(2.5, True), *ALL[2:]]
    assert kinds(log(*ALL), log(*back), log(client="elsewhere", channels=(B,))) == []


@pytest.mark.parametrize("missing", range(5))
def test_a_lost_event(missing):
    assert kinds(log(*ALL[:missing], *ALL[missing + 1 :])) == ["lost"]


def test_an_event_that_nobody_got_is_lost_although_its_position_is_unknown():
    assert kinds(log(*ALL[:2], *ALL[3:]), log(*ALL[:2], *ALL[3:], client="d")) == ["lost", "lost"]


def test_a_violation_shows_the_event_and_the_lines_around():
    [violation] = check(History([sent(n) for n in range(1, 4)], [log(ALL[0], ALL[2])]))
    assert "('p', 2) in public.a" in str(violation)
    assert "('p', 1)" in str(violation)
    assert "('p', 3)" in str(violation)


def test_a_client_that_is_told_where_it_matters_lost_nothing():
    assert kinds(log(*ALL[:2], Told(3.5, "trimmed"), *ALL[3:])) == []
    assert kinds(log(*ALL[:2], Told(3.5, "trimmed", frozenset((A,))), *ALL[3:])) == []
    assert kinds(log(*ALL[:2], Told(9.0, "trimmed"))) == []


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param([*ALL[:2], *ALL[3:], Told(9.0, "trimmed")], id="after the next event"),
        pytest.param([Told(0.5, "trimmed"), *ALL[:2], *ALL[3:]], id="long before"),
        pytest.param([*ALL[:2], Told(3.5, "trimmed", frozenset((B,))), *ALL[3:]], id="of another channel"),
        pytest.param([*ALL[:2], Returned(3.5, True), *ALL[3:]], id="recovered"),
    ],
)
def test_what_was_told_elsewhere_excuses_nothing(entries):
    assert kinds(log(*entries)) == ["lost"]


def test_a_later_event_of_any_channel_shows_that_the_one_before_it_was_passed_over():
    attempts = [sent(1), sent(2), sent(3, B)]
    passed = log(got(1), got(3, B), Told(9.0, "trimmed"), channels=(A, B))
    assert kinds(passed, attempts=attempts) == ["lost"]


def test_a_warning_after_the_new_epoch_began_is_too_late_for_the_old():
    attempts = [sent(n, position=Position("old" if n < 3 else "new", n)) for n in range(1, 5)]
    old, new = Position("old", 1), Position("new", 3)
    first, third = Received(1.2, A, ("p", 1), old), Received(3.2, A, ("p", 3), new)
    fourth = Received(4.2, A, ("p", 4), Position("new", 4))
    assert kinds(log(first, Told(3.1, "epoch_changed"), third, fourth), attempts=attempts) == []
    assert kinds(log(first, third, fourth, Told(9.0, "epoch_changed")), attempts=attempts) == ["lost"]


def test_nothing_is_owed_before_the_subscription_or_of_other_channels_or_without_acceptance():
    late = Log("c", frozenset((A, OWN)), OWN, [Joined(2.5, A), *ALL[2:]])
    assert kinds(late) == []
    attempts = [sent(1, outcome=Outcome.UNSURE), sent(2, outcome=Outcome.REFUSED), sent(3, B)]
    assert kinds(log(), attempts=attempts) == []


def test_nothing_is_owed_between_a_fresh_return_and_the_next_subscription_but_behind_it():
    fresh = [ALL[0], Returned(2.5, False), Told(2.5, "session_unknown"), Joined(3.5, A)]
    assert kinds(log(*fresh, *ALL[3:])) == []
    assert kinds(log(*fresh, ALL[4])) == ["lost"]


def test_an_event_behind_what_came_after_a_fresh_return_came_when_the_client_was_out():
    """Published before the return by the clock, after it by the order."""
    other = replace(sent(3, OWN), key=("q", 1), began=2.01, ended=2.07)
    attempts = [sent(1), sent(2, position=Position("epoch", 9)), other, sent(4)]
    own = Received(2.08, OWN, ("q", 1), Position("epoch", 8))
    back = [Returned(2.05, False), Told(2.06, "session_unknown"), own, Joined(3.5, A)]
    assert kinds(log(got(1), *back, got(4, offset=10)), attempts=attempts) == []
    untold = [Returned(2.05, True), own]
    assert kinds(log(got(1), *untold, got(4, offset=10)), attempts=attempts) == ["lost"]
    left = [Leaving(2.05, A), Left(2.06, A), own]
    assert kinds(log(got(1), *left), attempts=attempts) == []


def test_an_event_twice():
    assert kinds(log(*ALL[:3], got(3), *ALL[3:])) == ["twice", "order"]
    assert "twice" in kinds(log(*ALL, replace(ALL[0], position=Position("epoch", 99))))


def test_positions_that_fall_and_epochs_that_come_again():
    assert "order" in kinds(log(ALL[1], ALL[0], *ALL[2:]))
    again = [ALL[0], replace(ALL[1], position=Position("other", 1)), *ALL[2:]]
    assert "order" in kinds(log(*again))


def test_one_event_at_two_positions_and_two_at_one():
    other = [*ALL[:4], got(5, offset=6)]
    assert "position" in kinds(log(*ALL), log(*other, client="d"))
    assert "position" in kinds(log(ALL[0], got(2, offset=1), *ALL[2:]))
    answered = [sent(1, position=Position("epoch", 7))]
    assert "position" in kinds(log(ALL[0]), attempts=answered)


def test_two_clients_that_saw_two_orders_even_without_positions():
    there = [replace(entry, position=None) for entry in ALL]
    swapped = [there[0], there[2], there[1], *there[3:]]
    found = kinds(log(*there), log(*swapped, client="d"))
    assert "two orders" in found
    assert "two orders" not in kinds(log(*there), log(*there, client="d"))


def test_a_publisher_whose_later_event_came_before_its_earlier_one():
    attempts = [sent(1, position=Position("epoch", 2)), sent(2, position=Position("epoch", 1))]
    assert "publisher's order" in kinds(attempts=attempts)


def test_an_event_without_a_position():
    assert kinds(log(*ALL[:4], replace(ALL[4], position=None))) == ["no position"]


@pytest.mark.parametrize(
    "stray",
    [
        pytest.param(got(77), id="unknown"),
        pytest.param(got(6), id="refused"),
        pytest.param(got(5, OWN), id="in another channel than it was published to"),
    ],
)
def test_what_was_never_published(stray):
    attempts = [*(sent(n) for n in range(1, 6)), sent(6, outcome=Outcome.REFUSED)]
    entries = [each for each in ALL if each.key != stray.key]
    assert "never published" in kinds(log(*entries, stray), attempts=attempts)


def test_what_was_refused_for_now_may_have_been_accepted():
    assert kinds(log(got(1)), attempts=[sent(1, outcome=Outcome.UNSURE)]) == []


def test_an_event_of_a_channel_that_was_not_asked_for():
    assert kinds(log(*ALL, got(6, B)), attempts=[*(sent(n) for n in range(1, 6)), sent(6, B)]) == [
        "not subscribed"
    ]


def test_a_channel_that_was_left_owes_nothing_until_it_was_joined_again():
    left = [*ALL[:1], Leaving(1.9, A), Left(2.5, A)]
    assert kinds(log(*left)) == []
    assert kinds(log(*left, Asked(3.9, A), Joined(3.95, A), *ALL[3:])) == []
    assert kinds(log(*left, Asked(3.5, A), Joined(3.6, A), ALL[4])) == ["lost"]


def test_an_event_of_a_channel_that_was_left():
    assert kinds(log(*ALL[:1], Leaving(1.9, A), ALL[1], Left(2.5, A))) == []
    assert kinds(log(*ALL[:1], Leaving(1.9, A), Left(2.1, A), ALL[1])) == ["not subscribed"]
    assert kinds(log(*ALL[:1], Leaving(1.9, A), Left(2.1, A), Asked(2.15, A), ALL[1])) == []
    assert kinds(log(*ALL[:1], Leaving(1.9, A), Asked(2.05, A), Left(2.1, A), ALL[1])) == []


def test_a_fresh_session_without_a_word():
    untold = [*ALL[:2], Returned(2.5, False), Joined(2.6, A), *ALL[2:]]
    assert kinds(log(*untold)) == ["untold"]


def test_a_client_that_was_sent_away_for_good():
    assert kinds(log(*ALL, Dismissed(6.0, "44"))) == ["sent away"]


def test_a_word_without_need():
    told = log(*ALL, Told(6.0, "trimmed"))
    assert kinds(told) == []
    assert kinds(told, lossless=True) == ["told without need"]


def test_few_of_many_violations_of_one_kind_are_shown():
    assert kinds(log(), attempts=[sent(n) for n in range(100)]).count("lost") == 20
