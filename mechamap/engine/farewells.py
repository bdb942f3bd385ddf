"""Farewells: the application is told of every session that ended, also of ten thousand that ended at once.

A greenlet for each would put thousands of them between an HTTP request and its turn. Here a few take them one
after the other and let the others work in between. Handlers of the application may wait, so when nothing gets
on, more greenlets join in.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import gevent
from gevent.pool import Group

from .turn import Turn

if TYPE_CHECKING:
    from .session import Session

_MOST = 1_000  # greenlets whose handlers wait at the same time
_LOOK = 0.01  # seconds without any progress until there are twice as many


class Farewells:
    """`add` each ended session once; its `farewell` runs once."""

    def __init__(self) -> None:
        self._waiting: deque[Session] = deque()
        self._greenlets = Group()
        self._working = 0
        self._told = 0
        self._watcher: gevent.Greenlet | None = None

    def __len__(self) -> int:
        """The sessions that wait for their turn."""
        return len(self._waiting)

    def add(self, session: Session) -> None:
        """Tell the application soon; returns at once."""
        if session.lingers:  # its own handlers, or its polling client, may keep a greenlet waiting
            self._greenlets.spawn(session.farewell)
            return
        self._waiting.append(session)
        if not self._working:
            self._work_more(1)
        if self._watcher is None:
            self._watcher = gevent.spawn(self._watch)

    def join(self, timeout: float) -> None:
        """Wait until everybody was told, at most `timeout` seconds."""
        self._greenlets.join(timeout)

    def _work_more(self, greenlets: int) -> None:
        for _ in range(min(greenlets, _MOST - self._working)):
            self._working += 1
            self._greenlets.spawn(self._work)

    def _work(self) -> None:
        turn = Turn()
        try:
            while self._waiting:
                self._waiting.popleft().farewell()
                self._told += 1
                turn.check()
        finally:
            self._working -= 1
            if self._waiting and not self._working:  # this one was killed
                self._work_more(1)

    def _watch(self) -> None:
        while self._waiting:
            told = self._told
            gevent.sleep(_LOOK)
            if self._waiting and told == self._told:
                self._work_more(self._working)
        self._watcher = None
