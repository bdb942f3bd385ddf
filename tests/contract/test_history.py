"""What every broker promises about places in the sequence and about what it keeps."""

import time

import pytest

from mechamap.domain.history import Bounds, Gap, History, Position
from tests.contract.conftest import Hire, Worker
from tests.contract.recorder import event

NEWS = "public:news"
BIG = "x" * 5_000
"""Data of which a few fill a log that is bounded in bytes."""


def place(worker: Worker, name: str, *channels: str, data: object = None) -> Position:
    receipt = worker.broker.publish(event(name, *channels, data=data))
    return Position(receipt.epoch, receipt.offset)


def names(history: History) -> list[str]:
    return [publication.event for publication in history.events]


def test_offsets_grow_by_one_over_all_channels_and_a_wide_event_has_one(worker: Worker):
    places = [
        place(worker, "a"),
        place(worker, "b", "forum.3"),
        place(worker, "c", "public.news", "forum.3", "presence-thread.7"),
        place(worker, "d"),
    ]
    assert {each.epoch for each in places} == {places[0].epoch}
    assert [each.offset - places[0].offset for each in places] == [0, 1, 2, 3]
    assert places[0].epoch and places[0].offset > 0


def test_what_is_delivered_knows_its_place(worker: Worker):
    worker.broker.subscribe(NEWS)
    sent = event("x")
    assert (sent.epoch, sent.offset) == (None, 0)
    receipt = worker.broker.publish(sent)
    worker.heard("x")
    [got] = worker.got.publications
    assert (got.epoch, got.offset) == (receipt.epoch, receipt.offset)


def test_history_is_exactly_what_the_channel_had_since_the_position(worker: Worker):
    start = place(worker, "before")
    sent = [event(f"e{n}", "public.news", data={"n": n}) for n in range(5)]
    for each in sent:
        worker.broker.publish(each)
        worker.broker.publish(event("elsewhere", "forum.3"))
    end = place(worker, "last", "forum.3")
    history = worker.broker.history(NEWS, start, 100)
    assert list(history.events) == sent
    assert [each.offset for each in history.events] == [start.offset + 1 + 2 * n for n in range(5)]
    assert history.complete
    assert history.position == end


def test_an_event_is_kept_although_nobody_subscribed_and_in_all_its_channels(worker: Worker):
    start = place(worker, "before", "forum.3")
    place(worker, "wide", "public.news", "presence-thread.7")
    for channel in (NEWS, "thread:7"):
        assert names(worker.broker.history(channel, start, 10)) == ["wide"]


def test_nothing_since_the_end_and_nothing_in_a_silent_channel_is_complete(worker: Worker):
    end = place(worker, "x")
    for channel in (NEWS, "forum:3"):
        assert worker.broker.history(channel, end, 10) == History((), end)


def test_a_limit_pages_through_the_history(worker: Worker):
    position = place(worker, "before")
    for n in range(10):
        place(worker, f"e{n}")
    pages = []
    for _ in range(4):
        page = worker.broker.history(NEWS, position, 4)
        assert page.complete
        pages.append(names(page))
        position = page.position
    assert pages == [["e0", "e1", "e2", "e3"], ["e4", "e5", "e6", "e7"], ["e8", "e9"], []]


def test_without_a_position_the_last_events_are_given(worker: Worker):
    for n in range(5):
        place(worker, f"e{n}")
    some = worker.broker.history(NEWS, None, 2)
    assert (names(some), some.gap) == (["e3", "e4"], Gap.TRIMMED)
    every = worker.broker.history(NEWS, None, 10)
    assert (names(every), every.gap) == ([f"e{n}" for n in range(5)], None)
    assert worker.broker.history("forum:3", None, 10).events == ()


def test_a_position_of_another_epoch_or_of_the_future_proves_nothing(worker: Worker):
    end = place(worker, "x")
    for unknown in (Position("elsewhen", end.offset), Position(end.epoch, end.offset + 1)):
        assert worker.broker.history(NEWS, unknown, 10) == History((), end, Gap.EPOCH)


def test_a_log_keeps_so_many_events_and_says_when_it_lacks_one(bounded: Hire):
    worker = bounded(bounds=Bounds(events=5))
    places = [place(worker, f"e{n}") for n in range(50)]
    history = worker.broker.history(NEWS, places[0], 100)
    assert history.gap is Gap.TRIMMED
    assert names(history) == [f"e{n}" for n in range(45, 50)]
    # From the last one trimmed on it is whole; from the one before it is not.
    assert worker.broker.history(NEWS, places[44], 100).complete
    assert not worker.broker.history(NEWS, places[43], 100).complete


def test_large_events_push_out_sooner(bounded: Hire):
    worker = bounded(bounds=Bounds(events=500, channel_bytes=50_000))
    for n in range(60):
        place(worker, f"e{n}", data=BIG)
    kept = names(worker.broker.history(NEWS, None, 100))
    assert 9 <= len(kept) <= 12


def test_one_event_larger_than_a_log_is_kept_all_the_same(bounded: Hire):
    worker = bounded(bounds=Bounds(channel_bytes=1_000))
    start = place(worker, "small")
    place(worker, "big", data=BIG)
    assert names(worker.broker.history(NEWS, start, 10)) == ["big"]


def test_old_events_go_and_those_of_a_user_later(bounded: Hire):
    worker = bounded(bounds=Bounds(seconds=0.3, user_seconds=30))
    start = place(worker, "before", "forum.3")
    place(worker, "news")
    end = place(worker, "private", "private-user.7")
    time.sleep(0.5)
    assert worker.broker.history(NEWS, start, 10) == History((), end, Gap.TRIMMED)
    assert worker.broker.history(NEWS, end, 10).complete
    private = worker.broker.history("user:7", start, 10)
    assert (names(private), private.gap) == (["private"], None)


def test_an_event_for_a_user_and_the_public_goes_from_each_in_its_time(bounded: Hire):
    worker = bounded(bounds=Bounds(seconds=0.3, user_seconds=30))
    start = place(worker, "before", "forum.3")
    place(worker, "both", "public.news", "private-user.7")
    time.sleep(0.5)
    assert worker.broker.history(NEWS, start, 10).gap is Gap.TRIMMED
    assert names(worker.broker.history("user:7", start, 10)) == ["both"]


def test_a_channel_quiet_for_long_is_forgotten_and_only_old_positions_suffer(bounded: Hire):
    worker = bounded(bounds=Bounds(seconds=0.5, user_seconds=0.5))
    first = place(worker, "first", "forum.3")
    last = place(worker, "last", "forum.3")
    for _ in range(3):  # Redis looks once a second
        time.sleep(1.05)
        newest = place(worker, "elsewhere")
    assert worker.broker.history("forum:3", first, 10).gap is Gap.TOO_OLD
    assert worker.broker.history("forum:3", last, 10).complete
    place(worker, "again", "forum.3")
    assert worker.broker.history("forum:3", first, 10).gap is Gap.TRIMMED
    again = worker.broker.history("forum:3", newest, 10)
    assert (names(again), again.gap) == (["again"], None)


@pytest.mark.parametrize("limit", [0, -1])
def test_at_least_one_event_is_given(worker: Worker, limit: int):
    start = place(worker, "before")
    place(worker, "a")
    place(worker, "b")
    assert names(worker.broker.history(NEWS, start, limit)) == ["a"]


def test_the_state_of_a_log_tells_its_extent(worker: Worker):
    assert worker.broker.log_state(NEWS).events == 0
    first = place(worker, "a", data={"n": 1})
    place(worker, "b", "forum.3")
    last = place(worker, "c")
    state = worker.broker.log_state(NEWS)
    assert (state.epoch, state.events) == (first.epoch, 2)
    assert (state.first, state.last, state.newest) == (first.offset, last.offset, last.offset)
    assert 2 * 50 < state.bytes < 2 * 1000


def test_a_purged_log_is_empty_and_says_that_something_is_missing(worker: Worker):
    worker.broker.subscribe(NEWS)
    start = place(worker, "before")
    place(worker, "wide", "public.news", "forum.3")
    end = place(worker, "last")
    assert worker.broker.purge(NEWS) == 3
    assert worker.broker.purge(NEWS) == 0
    for since in (start, None):
        history = worker.broker.history(NEWS, since, 10)
        assert (names(history), history.gap) == ([], Gap.TRIMMED)
    assert worker.broker.replay({NEWS: start.offset}, start.epoch, 10).gap is Gap.TRIMMED
    assert worker.broker.history(NEWS, end, 10).complete
    assert (worker.broker.log_state(NEWS).events, worker.broker.log_state(NEWS).newest) == (0, end.offset)
    # other channels keep theirs, and what comes later is kept and whole
    assert names(worker.broker.history("forum:3", start, 10)) == ["wide"]
    place(worker, "after")
    assert names(worker.broker.history(NEWS, end, 10)) == ["after"]
    assert worker.broker.history(NEWS, end, 10).complete
    assert worker.broker.history(NEWS, start, 10).gap is Gap.TRIMMED
    worker.heard("before", "wide", "last", "after")
