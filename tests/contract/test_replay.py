"""What every broker promises about the missed events of several channels, and about where a worker is."""

import pytest

from mechamap.broker import replay
from mechamap.domain.errors import BrokerUnavailable
from mechamap.domain.history import Bounds, Gap, History, Position
from tests.contract.conftest import Hire, Worker
from tests.contract.recorder import event

NEWS, FORUM, THREAD = "public:news", "forum:3", "thread:7"
NAMES = {NEWS: "public.news", FORUM: "forum.3", THREAD: "presence-thread.7"}


def place(worker: Worker, name: str, *channels: str, data: object = None) -> Position:
    named = [NAMES[channel] for channel in channels or (NEWS,)]
    receipt = worker.broker.publish(event(name, *named, data=data))
    return Position(receipt.epoch, receipt.offset)


def names(history: History) -> list[str]:
    return [publication.event for publication in history.events]


def test_several_channels_come_in_the_order_of_the_sequence_and_each_event_once(worker: Worker):
    start = place(worker, "before")
    for number, channels in enumerate(([FORUM], [NEWS], [NEWS, FORUM, THREAD], [THREAD], [FORUM])):
        place(worker, f"e{number}", *channels)
    end = place(worker, "e5")
    found = worker.broker.replay(dict.fromkeys((THREAD, NEWS, FORUM), start.offset), start.epoch, 100)
    assert names(found) == [f"e{number}" for number in range(6)]
    assert [each.offset for each in found.events] == [start.offset + 1 + number for number in range(6)]
    assert {each.epoch for each in found.events} == {start.epoch}
    assert (found.position, found.gap) == (end, None)


def test_each_channel_is_owed_from_its_own_offset(worker: Worker):
    start = place(worker, "before")
    place(worker, "n1")
    later = place(worker, "f1", FORUM)
    place(worker, "n2")
    place(worker, "f2", FORUM)
    found = worker.broker.replay({NEWS: start.offset, FORUM: later.offset}, start.epoch, 100)
    assert names(found) == ["n1", "n2", "f2"]


def test_other_channels_and_none_at_all(worker: Worker):
    start = place(worker, "before")
    end = place(worker, "elsewhere", THREAD)
    assert worker.broker.replay({NEWS: start.offset}, start.epoch, 10) == History((), end)
    assert worker.broker.replay({}, start.epoch, 10) == History((), end)


def test_of_more_than_the_limit_nothing_is_left_out_up_to_the_position(worker: Worker):
    start = place(worker, "before")
    for number in range(6):
        place(worker, f"n{number}")
        place(worker, f"f{number}", FORUM)
    seen, position = [], start
    for _ in range(6):
        page = worker.broker.replay({NEWS: position.offset, FORUM: position.offset}, start.epoch, 3)
        assert page.complete
        assert all(each.offset <= page.position.offset for each in page.events)
        seen += names(page)
        position = page.position
    assert seen == [f"{kind}{number}" for number in range(6) for kind in "nf"]


def test_one_channel_with_a_gap_makes_the_whole_incomplete(bounded: Hire):
    worker = bounded(bounds=Bounds(events=5))
    start = place(worker, "before", FORUM)
    for number in range(50):
        place(worker, f"n{number}")
    channels = {FORUM: start.offset, NEWS: start.offset}
    assert worker.broker.replay(channels, start.epoch, 100).gap is Gap.TRIMMED
    assert worker.broker.replay({FORUM: start.offset}, start.epoch, 100).complete


@pytest.mark.parametrize("channels", [{NEWS: 0}, {NEWS: 0, FORUM: 0}])
def test_another_epoch_proves_nothing_and_gives_nothing(worker: Worker, channels):
    end = place(worker, "x")
    assert worker.broker.replay(channels, "elsewhen", 10) == History((), end, Gap.EPOCH)


def test_an_offset_of_the_future_is_of_another_past(worker: Worker):
    end = place(worker, "x")
    assert worker.broker.replay({NEWS: end.offset + 1}, end.epoch, 10) == History((), end, Gap.EPOCH)


def test_more_channels_than_one_question_takes(worker: Worker, monkeypatch):
    monkeypatch.setattr(replay, "_READ", 2)
    start = place(worker, "before")
    for number, channel in enumerate([THREAD, FORUM, NEWS] * 3):
        place(worker, f"e{number}", channel)
    wanted = {f"forum:{number}": start.offset for number in range(100, 105)}
    wanted |= dict.fromkeys(NAMES, start.offset)
    found = worker.broker.replay(wanted, start.epoch, 100)
    assert names(found) == [f"e{number}" for number in range(9)]


def test_a_worker_that_follows_a_channel_is_where_it_subscribed_or_further(worker: Worker):
    before = place(worker, "before")
    worker.broker.subscribe(NEWS)
    assert worker.broker.position(NEWS) == before
    after = place(worker, "after")
    worker.heard("after")
    assert worker.broker.position(NEWS) == after


def test_what_comes_behind_the_position_of_a_subscription_is_delivered(worker: Worker):
    place(worker, "before")
    worker.broker.subscribe(FORUM)
    place(worker, "f1", FORUM)
    worker.heard("f1")
    worker.broker.subscribe(NEWS)
    since = worker.broker.position(NEWS)
    sent = [place(worker, f"n{number}") for number in range(3)]
    worker.heard("f1", "n0", "n1", "n2")
    assert all(each.offset > since.offset for each in sent)
    assert worker.broker.replay({NEWS: since.offset}, since.epoch, 10).events == tuple(
        worker.got.publications[1:]
    )


def test_a_publication_is_before_the_position_once_it_was_delivered(worker: Worker):
    seen = []
    worker.got.then = lambda publication: seen.append(
        worker.broker.position(NEWS).offset - publication.offset
    )
    worker.broker.subscribe(NEWS)
    for number in range(3):
        place(worker, f"n{number}")
    worker.heard("n0", "n1", "n2")
    assert min(seen) >= 0


def test_redis_away_is_an_error_for_the_replay_and_none_for_the_position(redis_worker: Hire, redis_server):
    worker = redis_worker()
    worker.broker.subscribe(NEWS)
    here = place(worker, "x")
    worker.heard("x")
    redis_server.pause()
    with pytest.raises(BrokerUnavailable):
        worker.broker.replay({NEWS: 0}, here.epoch, 10)
    assert worker.broker.position(NEWS) == here


def test_after_redis_lost_its_data_the_position_is_of_the_new_epoch(redis_worker: Hire, redis_server):
    worker = redis_worker()
    worker.broker.subscribe(NEWS)
    old = place(worker, "x")
    worker.heard("x")
    redis_server.client().flushall()
    new = place(worker, "y")
    worker.heard("x", "y")
    assert new.epoch != old.epoch
    assert worker.broker.position(NEWS) == new
    assert worker.broker.replay({NEWS: old.offset}, old.epoch, 10) == History((), new, Gap.EPOCH)
