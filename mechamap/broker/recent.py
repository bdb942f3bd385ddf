"""The channels' logs of a broker inside one process: bounded per channel by age, number and bytes, and in all
by bytes."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice

from ..domain.history import Bounds, Gap, History, LogState, Position
from ..domain.publication import Publication
from .stamp import new_epoch

MOST_BYTES = 67_108_864
"""Bytes of envelopes kept for all channels together: the oldest go first."""
_PACE = 0.1
"""Seconds between looks for what is too old, while events come; whoever reads looks first."""


@dataclass(slots=True, eq=False)
class _Kept:
    """One event; ``in_logs`` is the number of logs it stands in."""

    publication: Publication
    size: int
    at: float
    in_logs: int


@dataclass(slots=True, eq=False)
class _Log:
    """One channel. ``before`` is the number of the last event trimmed from it."""

    before: int
    kept: deque[_Kept] = field(default_factory=deque)


class RecentEvents:
    """The sequence and the logs. The caller keeps threads apart."""

    def __init__(self, bounds: Bounds, most_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._bounds = bounds
        self._most_bytes = most_bytes
        self._users_last = bounds.user_seconds >= bounds.seconds  # whose events are kept longer
        self._clock = clock
        self._epoch = new_epoch()
        self._offset = 0
        self._bytes = 0
        self._due = 0.0  # when what is too old has to be looked for again
        self._logs: dict[str, _Log] = {}
        # Channels in the order of their last event, with its number and time: as in Redis, those quiet for
        # longer than any log lives are forgotten, and ``floor`` is the highest number that went this way.
        self._last: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._floor = 0
        # All events by number: those only in logs of the shorter age, and the others.
        self._short: OrderedDict[int, _Kept] = OrderedDict()
        self._long: OrderedDict[int, _Kept] = OrderedDict()

    def append(self, publication: Publication, size: int) -> None:
        """Number the event, of ``size`` bytes, and keep it."""
        now = self._clock()
        self._offset += 1
        publication.place(self._epoch, self._offset)
        rooms = publication.rooms if len(publication.rooms) == 1 else tuple(dict.fromkeys(publication.rooms))
        kept = _Kept(publication, size, now, len(rooms))
        lasting = any(room.startswith("user:") is self._users_last for room in rooms)
        (self._long if lasting else self._short)[self._offset] = kept
        self._bytes += size
        for room in rooms:
            log = self._logs.get(room)
            if log is None:
                last = self._last.get(room)
                log = self._logs[room] = _Log(last[0] if last else self._floor)
            log.kept.append(kept)
            self._last[room] = (self._offset, now)
            self._last.move_to_end(room)
            while len(log.kept) > self._bounds.count(size):
                self._drop_first(room, log)
        if now >= self._due or self._bytes > self._most_bytes:
            self._expire(now)
            self._due = now + _PACE

    @property
    def position(self) -> Position:
        """The end of the sequence."""
        return Position(self._epoch, self._offset)

    def read(self, channel: str, since: Position | None, limit: int) -> History:
        """What ``Broker.history`` promises."""
        now, limit = self._clock(), max(1, limit)
        self._expire(now)
        end = Position(self._epoch, self._offset)
        if since is not None and (since.epoch != self._epoch or since.offset > self._offset):
            return History((), end, Gap.EPOCH)
        log = self._logs.get(channel)
        if log is not None:
            self._trim(channel, log, now - self._bounds.age(channel))
            log = self._logs.get(channel)
        kept = log.kept if log is not None else ()
        if since is None:
            events = [each.publication for each in islice(kept, max(0, len(kept) - limit), None)]
            whole = len(events) == len(kept)
            return History(tuple(events), end, self._gap(channel, log, 0) if whole else Gap.TRIMMED)
        events = [each.publication for each in kept if each.publication.offset > since.offset]
        gap = self._gap(channel, log, since.offset)
        if len(events) > limit:
            end = Position(self._epoch, events[limit - 1].offset)
        return History(tuple(events[:limit]), end, gap)

    def state(self, channel: str) -> LogState:
        """What ``Broker.log_state`` promises."""
        self._expire(self._clock())
        log = self._logs.get(channel)
        newest = self._last.get(channel, (0, 0.0))[0]
        if log is None:
            return LogState(self._epoch, 0, 0, 0, 0, newest)
        first, last = (log.kept[place].publication.offset for place in (0, -1))
        return LogState(self._epoch, len(log.kept), sum(kept.size for kept in log.kept), first, last, newest)

    def purge(self, channel: str) -> int:
        """What ``Broker.purge`` promises."""
        log = self._logs.get(channel)
        held = len(log.kept) if log is not None else 0
        while log is not None and log.kept:
            self._drop_first(channel, log)
        return held

    def _gap(self, channel: str, log: _Log | None, since: int) -> Gap | None:
        if log is not None:
            return None if log.before <= since else Gap.TRIMMED
        last = self._last.get(channel)
        if last is None:
            return None if since >= self._floor else Gap.TOO_OLD
        return None if last[0] <= since else Gap.TRIMMED

    def _expire(self, now: float) -> None:
        bounds = self._bounds
        for events, age in (
            (self._short, min(bounds.seconds, bounds.user_seconds)),
            (self._long, bounds.longest),
        ):
            while events and (kept := next(iter(events.values()))).at < now - age:
                self._drop(kept)
        while self._bytes > self._most_bytes:
            first = [next(iter(events.values())) for events in (self._short, self._long) if events]
            self._drop(min(first, key=lambda kept: kept.publication.offset))
        while self._last:
            room, (offset, at) = next(iter(self._last.items()))
            if at >= now - bounds.longest or room in self._logs:
                break
            del self._last[room]
            self._floor = offset

    def _drop(self, kept: _Kept) -> None:
        """Out of every log, with whatever stands before it there."""
        offset = kept.publication.offset
        for room in dict.fromkeys(kept.publication.rooms):
            while (log := self._logs.get(room)) and log.kept[0].publication.offset <= offset:
                self._drop_first(room, log)

    def _trim(self, room: str, log: _Log, at: float) -> None:
        while room in self._logs and log.kept[0].at < at:
            self._drop_first(room, log)

    def _drop_first(self, room: str, log: _Log) -> None:
        kept = log.kept.popleft()
        offset = log.before = kept.publication.offset
        kept.in_logs -= 1
        if not kept.in_logs:
            self._short.pop(offset, None)
            self._long.pop(offset, None)
            self._bytes -= kept.size
        if not log.kept:
            del self._logs[room]
