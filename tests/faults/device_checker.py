"""The promise about a user's devices, checked: a pure function of what the devices wrote down.

* Every device ends with the user's true count.
* Nobody but the devices marks and nothing new is made, so a count that grows went back in time: at no device
  does one, whether it came as an event or as the acknowledgement of a marking.
* Every device has both receipts of every notification that another device marked and was told is synced; or
  it was told that something may be missing.
* Receipts and counts have growing positions, and an event has the same place at every device.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from mechamap.domain.history import Position

from .checker import Violation, enough_of_each
from .histories import Dismissed, Log, Returned, Told, around

RECEIPTS = ("notification_read", "notification.read")
COUNT = "unread.count.updated"


@dataclass(frozen=True, slots=True)
class Counted:
    """A count came: as an event, then with its position, or as an answer."""

    at: float
    count: int
    position: Position | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """Another device marked a notification."""

    at: float
    event: str
    notification: int
    count: int
    position: Position | None


@dataclass(frozen=True, slots=True)
class Marked:
    """The device marked a notification and was answered that the others were told."""

    began: float
    at: float
    notification: int


@dataclass(slots=True)
class DeviceHistory:
    """One run. ``unread``: each user's count in the database at its end; logs by user."""

    logs: list[tuple[int, Log]] = field(default_factory=list)
    unread: dict[int, int] = field(default_factory=dict)

    def figures(self) -> dict[str, int]:
        """How much happened: a run in which nothing did proves nothing."""
        entries = [entry for _, log in self.logs for entry in log.entries]
        returned = [entry.recovered for entry in entries if isinstance(entry, Returned)]
        return {
            "clients": len(self.logs),
            "accepted": sum(isinstance(entry, Marked) for entry in entries),
            "received": sum(isinstance(entry, Receipt) for entry in entries),
            "returns": len(returned),
            "recovered": returned.count(True),
            "told": sum(isinstance(entry, Told) for entry in entries),
        }


def check_devices(
    history: DeviceHistory, *, lossless: bool = True, early_answers: bool = False
) -> list[Violation]:
    """Every broken promise. ``early_answers``: the workers' links to Redis were cut, so an acknowledgement
    may have come before older counts; it may never come behind newer ones."""
    return enough_of_each(_violations(history, lossless, early_answers))


def _violations(history: DeviceHistory, lossless: bool, early_answers: bool) -> Iterator[Violation]:
    places: dict[Position, tuple] = {}
    for user, log in history.logs:
        yield from _entries(log, lossless, early_answers, places)
        yield from _end(log, history.unread[user])
    for user in history.unread:
        yield from _lost([log for owner, log in history.logs if owner == user])


def _entries(log: Log, lossless: bool, early_answers: bool, places: dict) -> Iterator[Violation]:
    """What can be seen entry by entry."""

    def violation(kind: str, index: int, text: str) -> Violation:
        return Violation(kind, log.client, text, tuple(around(log.entries, index)))

    count: float = float("inf")
    last: Position | None = None
    owes_word = False
    for index, entry in enumerate(log.entries):
        if isinstance(entry, Dismissed):
            yield violation("sent away", index, entry.reason)
        elif isinstance(entry, Told):
            owes_word = False
            if lossless:
                yield violation("told without need", index, entry.reason)
        elif isinstance(entry, Returned):
            owes_word = not entry.recovered
        if not isinstance(entry, Counted | Receipt):
            continue
        answer = isinstance(entry, Counted) and entry.position is None
        if entry.count > count:
            yield violation("back in time", index, f"{entry.count} unread after {count:.0f}")
        if not (answer and early_answers):
            count = entry.count
        if answer:
            continue
        if owes_word:
            yield violation("untold", index, "came back without its session and was not told")
            owes_word = False
        if entry.position is None:
            yield violation("no position", index, "")
            continue
        what = _what(entry)
        if places.setdefault(entry.position, what) != what:
            yield violation("position", index, f"{what} is {places[entry.position]} for others")
        if last is not None and last.epoch == entry.position.epoch and last.offset >= entry.position.offset:
            yield violation("order", index, f"{entry.position.offset} behind {last.offset}")
        last = entry.position


def _what(entry: Counted | Receipt) -> tuple:
    if isinstance(entry, Counted):
        return COUNT, entry.count
    return entry.event, entry.notification, entry.count


def _end(log: Log, unread: int) -> Iterator[Violation]:
    counts = [entry.count for entry in log.entries if isinstance(entry, Counted)]
    if not counts or counts[-1] != unread:
        said = counts[-1] if counts else "nothing"
        lines = around(log.entries, len(log.entries) - 1, 6)
        yield Violation("wrong count", log.client, f"ends with {said}, the database with {unread}", (*lines,))


def _lost(logs: list[Log]) -> Iterator[Violation]:
    marked: dict[int, list[tuple[str, Marked]]] = defaultdict(list)
    for log in logs:
        for entry in log.of(Marked):
            marked[entry.notification].append((log.client, entry))
    for log in logs:
        have = {(entry.event, entry.notification) for entry in log.of(Receipt)}
        told = max((entry.at for entry in log.of(Told)), default=float("-inf"))
        for notification, markings in marked.items():
            by_others = [marking for client, marking in markings if client != log.client]
            if not by_others or told >= min(marking.began for marking in by_others):
                continue
            for event in RECEIPTS:
                if (event, notification) not in have:
                    yield Violation("lost", log.client, f"{event} of {notification}", (str(by_others[0]),))
