"""Marking as read: who is told what, and in which order."""

import threading

import pytest

from mechamap.broker.protocol import Published
from mechamap.broker.turns import LocalTurns
from mechamap.domain.errors import BrokerUnavailable, NotFound
from mechamap.hub.reading import Reading

COUNT = "unread.count.updated"


@pytest.fixture
def mine(world):
    """Person 7 at two devices with three unread notifications, and someone else."""
    world.unread.rows = {(7, 5): False, (7, 6): False, (7, 9): False}
    for sid, user_id in (("here", 7), ("phone", 7), ("other", 8)):
        world.connect(sid, user_id)
    return world


def test_the_other_devices_get_each_receipt_twice_and_then_the_count(mine):
    marked, told = mine.reading.mark("here", [5, 6])
    assert (marked.ids, marked.unread_count, told) == ((5, 6), 1, True)
    assert [(event, args[0].get("notification_id")) for event, args in mine.transport.sent["phone"]] == [
        ("notification_read", 5),
        ("notification.read", 5),
        ("notification_read", 6),
        ("notification.read", 6),
        (COUNT, None),
    ]
    plan = mine.transport.events("phone", "notification_read")[0]
    assert (plan["notificationId"], plan["unreadCount"], plan["readBy"]) == (5, 1, 7)
    page = mine.transport.events("phone", "notification.read")[0]
    assert page == {"notification_id": 5, "user_id": 7, "unread_count": 1, "read_at": marked.read_at}
    [count] = mine.transport.events("phone", COUNT)
    assert count == {"user_id": 7, "unread_count": 1, "updated_at": marked.read_at}


def test_the_acting_device_gets_the_count_alone_and_others_nothing(mine):
    mine.reading.mark("here", [5])
    assert [event for event, _ in mine.transport.sent["here"]] == [COUNT]
    assert "other" not in mine.transport.sent


def test_someone_elses_notification_cannot_be_marked(mine):
    for sid in ("other", "stranger"):
        with pytest.raises(NotFound):
            mine.reading.mark(sid, [5])
    assert not mine.unread.rows[7, 5]
    assert not mine.transport.sent
    assert mine.reading.mark("here", [5])[1] is True  # the refused left no turn behind


def test_counts_are_published_in_the_order_in_which_they_were_read(mine):
    """The one that counted first comes to publish only after the other had every chance to overtake it."""
    mark_read, counted, go_on = mine.unread.mark_read, threading.Event(), threading.Event()

    def slow(user_id, ids):
        marked = mark_read(user_id, ids)
        if ids == [5]:
            counted.set()
            go_on.wait(5)
        return marked

    mine.unread.mark_read = slow
    first = threading.Thread(target=mine.reading.mark, args=("here", [5]))
    second = threading.Thread(target=mine.reading.mark, args=("phone", [6]))
    first.start()
    assert counted.wait(5)
    second.start()
    second.join(0.05)
    go_on.set()
    first.join(5)
    second.join(5)
    for sid in ("here", "phone"):
        assert [data["unread_count"] for data in mine.transport.events(sid, COUNT)] == [2, 1]


def test_the_turn_ends_behind_the_answer(mine):
    later = []
    reading = Reading(mine.hub.connections, mine.broker, mine.unread, LocalTurns(wait=0.05), later.append)
    assert reading.mark("here", [5])[1] is True
    assert reading.mark("phone", [6])[1] is False  # the first has not given its answer yet
    [end] = later
    end()
    assert reading.mark("phone", [6])[1] is True


class NoTurns:
    def take(self, name):
        return None


def test_a_stored_read_that_has_no_place_in_the_order_is_a_success_and_is_not_told(mine):
    reading = Reading(mine.hub.connections, mine.broker, mine.unread, NoTurns(), lambda call: call())
    marked, told = reading.mark("here", [5])
    assert (marked.ids, marked.unread_count, told) == ((5,), 2, False)
    assert mine.unread.rows[7, 5]
    assert not mine.transport.sent


class ExpiredTurns:
    held = False

    def take(self, name):
        return self

    def release(self):
        pass


def test_who_took_too_long_to_mark_publishes_no_old_count(mine):
    reading = Reading(mine.hub.connections, mine.broker, mine.unread, ExpiredTurns(), lambda call: call())
    assert reading.mark("here", [5])[1] is False
    assert not mine.transport.sent


def test_a_stored_read_whose_telling_failed_is_still_a_success(mine, monkeypatch):
    def away(publications):
        return Published((), BrokerUnavailable("Redis is away."))

    monkeypatch.setattr(mine.broker, "publish_many", away)
    marked, told = mine.reading.mark("here", [5])
    assert (marked.ids, told) == ((5,), False)


def test_a_count_that_may_still_be_accepted_keeps_the_turn_until_it_cannot(mine, monkeypatch):
    monkeypatch.setattr("mechamap.hub.reading.LATE", 0.1)

    def lost(publications):
        return Published((), BrokerUnavailable("No answer.", unknown=True))

    later = []
    reading = Reading(mine.hub.connections, mine.broker, mine.unread, LocalTurns(wait=0.05), later.append)
    with monkeypatch.context() as broken:
        broken.setattr(mine.broker, "publish_many", lost)
        assert reading.mark("here", [5])[1] is False
    ending = threading.Thread(target=later.pop())
    ending.start()
    assert reading.mark("phone", [6])[1] is False
    ending.join(5)
    assert reading.mark("phone", [6])[1] is True
