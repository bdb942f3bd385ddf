"""The checker of devices finds each kind of broken promise in a history made by hand, and nothing in a sound
one."""

from dataclasses import replace

import pytest

from mechamap.domain.history import Position

from .device_checker import RECEIPTS, Counted, DeviceHistory, Marked, Receipt, check_devices
from .histories import Dismissed, Log, Returned, Told

OWN = "private-user.1"


def receipts(notification: int, count: int) -> list[Receipt]:
    """What the other devices get for a marking, at the time that is its number."""
    return [
        Receipt(notification + 0.1, event, notification, count, Position("epoch", 3 * notification + place))
        for place, event in enumerate(RECEIPTS)
    ]


def counted(notification: int, count: int) -> Counted:
    return Counted(notification + 0.1, count, Position("epoch", 3 * notification + 2))


# one marks notifications 1 and 2 of three, the other 3
DESK = [
    *(counted(1, 2), Counted(1.2, 2), Marked(1, 1.2, 1)),
    *(counted(2, 1), Counted(2.2, 1), Marked(2, 2.2, 2)),
    *(*receipts(3, 0), counted(3, 0)),
]
PHONE = [
    *(*receipts(1, 2), counted(1, 2)),
    *(*receipts(2, 1), counted(2, 1)),
    *(counted(3, 0), Counted(3.2, 0), Marked(3, 3.2, 3)),
]


def kinds(desk: list, phone: list, unread: int = 0, **options: bool) -> list[str]:
    logs = [Log("desk", frozenset({OWN}), OWN, desk), Log("phone", frozenset({OWN}), OWN, phone)]
    history = DeviceHistory([(1, log) for log in logs], {1: unread})
    return [violation.kind for violation in check_devices(history, **options)]


def without(entries: list, *indices: int) -> list:
    return [entry for index, entry in enumerate(entries) if index not in indices]


def test_a_sound_history():
    assert kinds(DESK, PHONE) == []
    assert kinds(DESK, [*PHONE[:3], Returned(1.5, True), *PHONE[3:]]) == []


@pytest.mark.parametrize("missing", [0, 1, 3, 4])
def test_a_lost_receipt(missing):
    assert kinds(DESK, without(PHONE, missing)) == ["lost"]


def test_a_lost_receipt_that_was_told():
    back = [*PHONE[:3], Returned(1.5, False), Told(2.3, "epoch_changed"), *PHONE[6:]]
    assert kinds(DESK, back, lossless=False) == []
    assert kinds(DESK, back) == ["told without need"]


def test_a_receipt_is_not_excused_by_what_was_told_before_it_was_due():
    back = [Returned(0.4, False), Told(0.5, "epoch_changed"), *PHONE[1:]]
    assert kinds(DESK, back, lossless=False) == ["lost"]


def test_the_device_that_marked_is_owed_no_receipt_unless_another_marked_it_too():
    assert kinds([*DESK, Marked(4, 4.2, 1)], PHONE) == []
    assert kinds(DESK, [*PHONE, Marked(4, 4.2, 1)]) == ["lost", "lost"]


def test_a_wrong_last_count():
    assert kinds(DESK, PHONE, unread=1) == ["wrong count", "wrong count"]
    assert kinds(DESK[:-1], PHONE) == ["wrong count"]
    assert kinds([], [], unread=3) == ["wrong count", "wrong count"]


def test_an_event_with_an_older_count():
    late = replace(PHONE[2], position=Position("epoch", 20), at=4)
    newest = replace(late, count=0, position=Position("epoch", 21))
    assert kinds(DESK, [*without(PHONE, 2), late, newest]) == ["back in time"]


def test_an_answer_behind_a_newer_count():
    late = [*without(DESK, 1), Counted(3.5, 2)]
    assert kinds([*late, replace(DESK[-1], position=Position("epoch", 12))], PHONE) == ["back in time"]
    assert "back in time" in kinds(late, PHONE, early_answers=True)


def test_an_answer_before_an_older_count_is_excused_where_links_were_cut():
    early = [DESK[1], Counted(1.2, 1), *without(DESK, 1)]
    assert kinds(early, PHONE) == ["back in time"]
    assert kinds(early, PHONE, early_answers=True) == []


def test_positions_that_do_not_grow_or_are_none():
    assert kinds(DESK, [PHONE[1], PHONE[0], *PHONE[2:]]) == ["order"]
    assert kinds(DESK, [PHONE[0], *PHONE]) == ["order"]
    assert kinds(DESK, [replace(PHONE[0], position=None), *PHONE[1:]]) == ["no position"]


def test_a_place_that_is_another_event_elsewhere():
    assert kinds(DESK, [*PHONE[:3], replace(PHONE[3], notification=1), *PHONE[3:]]) == ["position", "order"]


def test_a_return_without_the_session_and_without_a_word():
    assert kinds(DESK, [*PHONE[:3], Returned(1.5, False), *PHONE[3:]]) == ["untold"]


def test_a_device_sent_away():
    assert kinds([*DESK, Dismissed(4, "refused")], PHONE) == ["sent away"]


def test_figures():
    history = DeviceHistory([(1, Log("desk", frozenset({OWN}), OWN, [*DESK, Returned(4, True)]))], {1: 0})
    assert history.figures() == {
        "clients": 1, "accepted": 2, "received": 2, "returns": 1, "recovered": 1, "told": 0
    }  # fmt: skip
