"""The promise, checked: a pure function of a history. What it returns is empty if the promise was kept.

* Nothing lost: an accepted event of a channel that the client was in from before its publication began, and
  did not leave while it was on its way, was received, or the client was told that something may be missing,
  and told where it mattered: after the last event before it and no later than the first event behind it.
* Nothing twice, nothing that was never published or that was refused, nothing of other channels.
* One order: positions grow at every client, an event has one position everywhere and a position one event, a
  publisher's events keep their order, and no two clients saw two events of a channel the other way round.
* A client that came back without its session was told so before it received anything, and none was sent
  away for good.
"""

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from mechamap.domain.history import Position

from .histories import (
    Asked,
    Attempt,
    Dismissed,
    Entry,
    History,
    Joined,
    Key,
    Leaving,
    Left,
    Log,
    Outcome,
    Received,
    Returned,
    Told,
    around,
)

ENOUGH = 20
"""Violations reported of one kind: the rest are its echo."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken promise: which, to whom, and the lines that show it."""

    kind: str
    client: str
    text: str
    lines: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n    ".join([f"{self.kind}: {self.client}: {self.text}", *self.lines])


def check(history: History, *, lossless: bool = False) -> list[Violation]:
    """Every broken promise, at most ``ENOUGH`` of a kind. ``lossless``: nobody may have been told either."""
    return enough_of_each(_violations(history, _Known(history), lossless))


def enough_of_each(violations: Iterable[Violation]) -> list[Violation]:
    """At most ``ENOUGH`` of a kind."""
    found: dict[str, list[Violation]] = defaultdict(list)
    for violation in violations:
        if len(found[violation.kind]) < ENOUGH:
            found[violation.kind].append(violation)
    return [violation for some in found.values() for violation in some]


def _violations(history: History, known: "_Known", lossless: bool) -> Iterator[Violation]:
    yield from known.contradictions
    yield from _publishers(history, known)
    for log in history.logs:
        yield from _entries(log, known)
        yield from _lost(log, known)
        if lossless:
            yield from _told(log)
    yield from _orders(history.logs)


@dataclass(slots=True)
class _Known:
    """What all logs together say of each event."""

    history: History
    attempts: dict[Key, Attempt] = field(init=False)
    positions: dict[Key, Position] = field(init=False)
    contradictions: list[Violation] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.attempts = {attempt.key: attempt for attempt in self.history.attempts}
        self.positions = {}
        taken: dict[Position, Key] = {}
        for who, key, position in self._said():
            if (before := self.positions.setdefault(key, position)) != position:
                self._contradiction(who, f"{key} is at {position}, and at {before} for others")
            elif (other := taken.setdefault(position, key)) != key:
                self._contradiction(who, f"{position} is {key}, and {other} for others")

    def _said(self) -> Iterator[tuple[str, Key, Position]]:
        for attempt in self.history.attempts:
            if attempt.position is not None:
                yield attempt.key[0], attempt.key, attempt.position
        for log in self.history.logs:
            for entry in log.of(Received):
                if entry.position is not None:
                    yield log.client, entry.key, entry.position

    def _contradiction(self, who: str, text: str) -> None:
        self.contradictions.append(Violation("position", who, text))


def _publishers(history: History, known: _Known) -> Iterator[Violation]:
    """A publisher waits for each answer, so its accepted events are in its own order."""
    last: dict[str, tuple[Attempt, Position]] = {}
    for attempt in sorted(history.attempts, key=lambda attempt: attempt.began):
        position = known.positions.get(attempt.key)
        if attempt.outcome is not Outcome.ACCEPTED or position is None:
            continue
        before = last.get(attempt.key[0])
        if before and before[1].epoch == position.epoch and before[1].offset >= position.offset:
            yield Violation(
                "publisher's order", attempt.key[0], "overtook its own event", (str(before[0]), str(attempt))
            )
        last[attempt.key[0]] = (attempt, position)


def _entries(log: Log, known: _Known) -> Iterator[Violation]:
    """What can be seen entry by entry."""

    def violation(kind: str, index: int, text: str) -> Violation:
        return Violation(kind, log.client, text, tuple(around(log.entries, index)))

    seen: set[Key] = set()
    ended: set[str] = set()
    leaving: set[str] = set()
    out: set[str] = set()
    last: Position | None = None
    owes_word = False
    for index, entry in enumerate(log.entries):
        if isinstance(entry, Dismissed):
            yield violation("sent away", index, entry.reason)
        elif isinstance(entry, Returned):
            owes_word = not entry.recovered
        elif isinstance(entry, Told):
            owes_word = False
        elif isinstance(entry, Leaving):
            leaving.add(entry.channel)
        elif isinstance(entry, Left) and entry.channel in leaving:
            out.add(entry.channel)
        elif isinstance(entry, Asked):  # perhaps before the answer to its leaving came
            leaving.discard(entry.channel)
            out.discard(entry.channel)
        if not isinstance(entry, Received):
            continue
        attempt = known.attempts.get(entry.key)
        if attempt is None or attempt.outcome is Outcome.REFUSED or attempt.channel != entry.channel:
            yield violation("never published", index, f"{entry.key} in {entry.channel}")
        if entry.channel not in log.channels or entry.channel in out:
            yield violation("not subscribed", index, entry.channel)
        if entry.key in seen:
            yield violation("twice", index, str(entry.key))
        seen.add(entry.key)
        if owes_word:
            yield violation("untold", index, "came back without its session and was not told")
            owes_word = False
        if entry.position is None:
            yield violation("no position", index, str(entry.key))
            continue
        if last is not None and last.epoch != entry.position.epoch:
            ended.add(last.epoch)
        if entry.position.epoch in ended:
            yield violation("order", index, "an epoch that was over")
        elif last is not None and last.epoch == entry.position.epoch and last.offset >= entry.position.offset:
            yield violation("order", index, f"{entry.position.offset} behind {last.offset}")
        last = entry.position


def _told(log: Log) -> Iterator[Violation]:
    for index, entry in enumerate(log.entries):
        if isinstance(entry, Told):
            yield Violation("told without need", log.client, entry.reason, tuple(around(log.entries, index)))


def _lost(log: Log, known: _Known) -> Iterator[Violation]:
    received = {entry.key for entry in log.of(Received)}
    places = _Places(log, known)
    for attempt in known.history.attempts:
        if (
            attempt.outcome is Outcome.ACCEPTED
            and attempt.channel in log.channels
            and attempt.key not in received
            and (span := places.span(attempt)) is not None
        ):
            first, last = places.window(attempt, span.joined)
            if span.left is not None and first > span.left:
                continue  # it came when the client was no more in the channel
            if not any(_excuses(entry, attempt.channel) for entry in log.entries[first:last]):
                lines = (str(attempt), *around(log.entries, first - 1), "...", *around(log.entries, last))
                yield Violation("lost", log.client, f"{attempt.key} in {attempt.channel}", lines)


def _excuses(entry: Entry, channel: str) -> bool:
    """Whether what is missing in the channel at this moment is no loss."""
    if isinstance(entry, Told):
        return entry.channels is None or channel in entry.channels
    return isinstance(entry, Leaving) and entry.channel == channel


@dataclass(frozen=True, slots=True)
class _Span:
    """From when to when a client was in a channel, and the indices of the entries that say so: its
    subscription, and its leaving or its return without the session; None where it stayed."""

    since: float
    end: float
    joined: int
    left: int | None = None


class _Places:
    """Where in a client's log an event belongs that is not in it."""

    def __init__(self, log: Log, known: _Known) -> None:
        self._positions = known.positions
        self._spans: dict[str, list[_Span]] = defaultdict(list)  # by channel
        self._by_epoch: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self._epoch_ends: dict[str, int] = {}
        self._end = len(log.entries)
        # by time: index of events that were answered, and of those that began
        self._ended: list[tuple[float, int]] = []
        self._began: list[tuple[float, int]] = []
        open_since: dict[str, tuple[float, int]] = {}
        epoch = ""
        for index, entry in enumerate(log.entries):
            if isinstance(entry, Joined):
                open_since.setdefault(entry.channel, (entry.at, index))
            elif isinstance(entry, Leaving):
                if entry.channel in open_since:
                    since, joined = open_since.pop(entry.channel)
                    self._spans[entry.channel].append(_Span(since, entry.at, joined, index))
            elif isinstance(entry, Returned) and not entry.recovered:
                for channel, (since, joined) in open_since.items():
                    self._spans[channel].append(_Span(since, entry.at, joined, index))
                open_since.clear()
            elif isinstance(entry, Received):
                attempt = known.attempts.get(entry.key)
                if attempt is not None and attempt.outcome is Outcome.ACCEPTED:
                    self._ended.append((attempt.ended, index))
                    self._began.append((attempt.began, index))
                if entry.position is not None:
                    if entry.position.epoch != epoch:
                        self._epoch_ends[epoch] = index
                        epoch = entry.position.epoch
                    self._by_epoch[epoch].append((entry.position.offset, index))
        for channel, (since, joined) in open_since.items():
            self._spans[channel].append(_Span(since, math.inf, joined))
        self._ended.sort()
        self._began.sort()
        self._latest = _running(max, [index for _, index in self._ended])
        self._soonest = _running(min, [index for _, index in reversed(self._began)])[::-1]

    def span(self, attempt: Attempt) -> _Span | None:
        """The subscription that covers the publication's beginning."""
        spans = self._spans[attempt.channel]
        return next((span for span in spans if span.since <= attempt.began < span.end), None)

    def window(self, attempt: Attempt, joined: int) -> tuple[int, int]:
        """Indices: behind everything that came before the event, and the first thing that came after it."""
        # what was answered before it began came before it, what began after its answer came after it
        ended = bisect_left(self._ended, (attempt.began, -1))
        began = bisect_right(self._began, (attempt.ended, self._end))
        first = max(joined, self._latest[ended - 1]) + 1 if ended else joined + 1
        last = self._soonest[began] if began < len(self._began) else self._end
        position = self._positions.get(attempt.key)
        if position is not None and position.epoch in self._by_epoch:
            places = self._by_epoch[position.epoch]
            at = bisect_left(places, (position.offset, -1))
            if at:
                first = max(first, places[at - 1][1] + 1)
            if at < len(places):
                last = min(last, places[at][1])
            else:
                last = min(last, self._epoch_ends.get(position.epoch, self._end))
        return first, max(first, last)


def _running(choose, numbers: list[int]) -> list[int]:
    found: list[int] = []
    for number in numbers:
        found.append(choose(found[-1], number) if found else number)
    return found


def _orders(logs: list[Log]) -> Iterator[Violation]:
    """No two clients saw two events of a channel the other way round: the steps of all of them have no
    cycle. Needs no positions, so it also finds what those would hide."""
    steps: dict[str, dict[Key, set[Key]]] = defaultdict(lambda: defaultdict(set))
    for log in logs:
        last: dict[str, Key] = {}
        for entry in log.of(Received):
            if (before := last.get(entry.channel)) is not None and before != entry.key:
                steps[entry.channel][before].add(entry.key)
            last[entry.channel] = entry.key
    for channel, after in steps.items():
        waiting: dict[Key, int] = defaultdict(int)
        for followers in after.values():
            for key in followers:
                waiting[key] += 1
        free = [key for key in after if not waiting[key]]
        while free:
            for key in after.get(free.pop(), ()):
                waiting[key] -= 1
                if not waiting[key]:
                    free.append(key)
        if left := [key for key, count in waiting.items() if count > 0]:
            yield Violation("two orders", channel, f"{len(left)} events, among them {left[:6]}")
