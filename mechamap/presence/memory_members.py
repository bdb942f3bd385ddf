"""Members of presence channels inside one process. Enough for one worker."""

import threading
import time
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from mechamap.broker.stamp import new_epoch
from mechamap.broker.supervision import join, log_lost, supervised
from mechamap.domain.errors import BrokerUnavailable
from mechamap.domain.members import (
    Announcement,
    AsOf,
    Change,
    Joined,
    Listed,
    Member,
    MemberPage,
    Serial,
    serial_of,
)

from .protocol import Announce

TICK = 0.25
"""Seconds between two looks for grace periods that ended."""


@dataclass(slots=True)
class _Present:
    """A member: the connections, and when the grace period ends if there are none."""

    member: Member
    sids: set[str] = field(default_factory=set)
    due: float = 0.0


@dataclass(slots=True)
class _Room:
    """A channel that has members; ``ids`` are theirs, sorted. ``last``: what was announced last."""

    present: dict[int, _Present] = field(default_factory=dict)
    ids: list[int] = field(default_factory=list)
    last: Serial | None = None


class MemoryMembers:
    """``Members`` and ``MembersLink``: announces in the caller's greenlet."""

    def __init__(self, grace: float, clock: Callable[[], float] = time.monotonic) -> None:
        """``grace``: seconds a user whose last connection ended stays a member."""
        self._grace = grace
        self._clock = clock
        self._rooms: dict[str, _Room] = {}
        self._absent: dict[tuple[str, int], None] = {}
        self._waiting: deque[Announcement] = deque()
        self._epoch, self._number = new_epoch(), 0
        self._announcing = False
        self._announce: Announce | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def join(self, channel: str, member: Member, sid: str, *, most: int, returning: bool = False) -> Joined:
        if self._announce is None:
            raise BrokerUnavailable("No worker runs in this process: nobody can be a member.")
        with self._lock:
            room = self._rooms.setdefault(channel, _Room())
            present = room.present.get(member.user_id)
            first = present is None
            if present is None:
                room.present[member.user_id] = present = _Present(member)
                insort(room.ids, member.user_id)
                self._queue(room, Change.JOINING, channel, member, None if returning else sid)
            if member.name is not None:
                present.member = member
            present.sids.add(sid)
            self._absent.pop((channel, member.user_id), None)
        self._drain()
        return Joined(first, self.listed(channel, 0, most))

    def leave(self, channel: str, user_id: int, sid: str, *, at_once: bool) -> None:
        with self._lock:
            room = self._rooms.get(channel)
            present = room.present.get(user_id) if room is not None else None
            if present is None or sid not in present.sids:
                return
            present.sids.discard(sid)
            if present.sids:
                return
            if at_once or not self._grace:
                self._remove(channel, user_id)
            else:
                present.due = self._clock() + self._grace
                self._absent[channel, user_id] = None
        self._drain()

    def page(self, channel: str, after: int, limit: int) -> MemberPage:
        return self.listed(channel, after, limit).page

    def listed(self, channel: str, after: int, limit: int) -> Listed:
        with self._lock:
            room = self._rooms.get(channel, _Room())
            start = bisect_right(room.ids, after)
            ids = room.ids[start : start + limit]
            more = start + limit < len(room.ids)
            members = tuple(room.present[user_id].member for user_id in ids)
            page = MemberPage(members, len(room.ids), ids[-1] if more and ids else None)
            waiting = serial_of(self._waiting[0].id) if self._waiting else None
            queued = waiting is not None and waiting.had_by(room.last)
            return Listed(page, AsOf(room.last, queued))

    def sweep(self) -> None:
        """Let those go whose grace period has ended, and announce what could not be before."""
        now = self._clock()
        with self._lock:
            # in the order in which they end: a grace period is as long as any other
            while self._absent:
                channel, user_id = next(iter(self._absent))
                if self._rooms[channel].present[user_id].due > now:
                    break
                self._remove(channel, user_id)
        self._drain()

    def start(self, announce: Announce) -> None:
        self._announce = announce
        self._thread = supervised("members-sweeper", self._run, log_lost)

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            join(self._thread, 2.0)
        self._announce = None
        with self._lock:
            self._rooms.clear()
            self._absent.clear()
            self._waiting.clear()

    def _run(self) -> None:
        while not self._stopping.wait(TICK):
            self.sweep()

    def _remove(self, channel: str, user_id: int) -> None:
        room = self._rooms[channel]
        gone = room.present.pop(user_id)
        del room.ids[bisect_right(room.ids, user_id) - 1]
        if not room.ids:
            del self._rooms[channel]
        self._absent.pop((channel, user_id), None)
        self._queue(room, Change.LEAVING, channel, gone.member)

    def _queue(
        self, room: _Room, change: Change, channel: str, member: Member, except_id: str | None = None
    ) -> None:
        self._number += 1
        room.last = Serial(self._epoch, self._number)
        self._waiting.append(Announcement(change, channel, member, except_id, room.last.id()))

    def _drain(self) -> None:
        """Announce what waits, in order, whoever caused it."""
        if self._announcing or self._announce is None:
            return
        self._announcing = True
        try:
            while self._waiting:
                some = list(self._waiting)
                done = self._announce(some)
                for _ in range(min(done, len(self._waiting))):
                    self._waiting.popleft()
                if done < len(some):
                    return
        finally:
            self._announcing = False
