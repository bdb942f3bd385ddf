"""This worker's connections in presence channels, and which of its members Redis does not know of yet."""

import threading
from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice

from mechamap.domain.members import Member

Key = tuple[str, int]
"""Canonical channel, user id."""


@dataclass(slots=True)
class _Held:
    """A member with connections here. ``by``: the first, which is not told; empty if it is told as well."""

    member: Member
    by: str
    sids: str | set[str]

    def named(self, member: Member) -> None:
        """A later connection calls it so."""
        if member.name is not None:
            self.member = member


@dataclass(frozen=True, slots=True)
class Row:
    """What Redis is to be told: the member and the first connection, or None for gone. ``quiet``: it was told
    before, and nobody is told again."""

    channel: str
    user_id: int
    member: Member | None
    by: str = ""
    at_once: bool = False
    quiet: bool = False

    @property
    def key(self) -> Key:
        return self.channel, self.user_id


class Held:
    """Books that never wait. All state, no history: who came and went between two writings did neither."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[Key, _Held] = {}
        # what changed; True: left without the grace period
        self._stale: dict[Key, bool] = {}
        self._quiet: set[Key] = set()

    @property
    def stale(self) -> int:
        """How many members Redis does not know the state of."""
        return len(self._stale)

    def add(self, channel: str, member: Member, sid: str, *, returning: bool) -> None:
        """Add a connection."""
        key = channel, member.user_id
        with self._lock:
            held = self._held.get(key)
            if held is None:
                self._held[key] = _Held(member, "" if returning else sid, sid)
            else:
                held.named(member)
                if isinstance(held.sids, set):
                    held.sids.add(sid)
                elif held.sids != sid:
                    held.sids = {held.sids, sid}
            self._stale[key] = False

    def remove(self, channel: str, user_id: int, sid: str, *, at_once: bool) -> bool:
        """Remove a connection; whether Redis is behind for it."""
        key = channel, user_id
        with self._lock:
            held = self._held.get(key)
            if held is None:
                return False
            if isinstance(held.sids, set):
                held.sids.discard(sid)
                if held.sids:
                    return False
            elif held.sids != sid:
                return False
            del self._held[key]
            self._stale[key] = at_once
            return True

    def clear(self) -> None:
        """All of them are gone."""
        with self._lock:
            self._stale.update(dict.fromkeys(self._held, False))
            self._held.clear()

    def take(self, most: int) -> tuple[list[Row], int | None]:
        """Up to ``most`` rows that bring Redis up to date, and, if these are all, how many members it has
        then."""
        with self._lock:
            keys = list(islice(self._stale, most))
            rows = [self._row(key, self._stale.pop(key)) for key in keys]
            self._quiet.difference_update(keys)
            return rows, None if self._stale else len(self._held)

    def put_back(self, rows: Collection[Row]) -> None:
        """It is not known whether Redis has these."""
        with self._lock:
            for row in rows:
                self._stale.setdefault(row.key, row.at_once)
                if row.quiet:
                    self._quiet.add(row.key)

    def put_back_all(self, *, quiet: bool) -> None:
        """Redis lost some of them: ``quiet`` if it lost its data, otherwise they were announced as gone. Then
        each hears of the own return too."""
        with self._lock:
            for key, held in self._held.items():
                if key not in self._stale:
                    held.by = ""
                    self._stale[key] = False
                    if quiet:
                        self._quiet.add(key)

    def unknown(self, keys: Collection[Key]) -> None:
        """Redis has these for this worker: let go of those that it does not hold."""
        with self._lock:
            for key in keys:
                if key not in self._held:
                    self._stale.setdefault(key, False)

    def _row(self, key: Key, at_once: bool) -> Row:
        held = self._held.get(key)
        if held is None:
            return Row(*key, None, at_once=at_once)
        return Row(*key, held.member, held.by, quiet=key in self._quiet)
