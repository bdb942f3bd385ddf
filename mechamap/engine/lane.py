"""The lane: one client's work, one piece at a time, in the order it came.

python-socketio 5.18.1 starts a greenlet per event, so two events of one client may overtake each other. A
lane runs them in a short-lived greenlet that exists only while there is work, and makes the reader wait when
the client is ahead by more than the limit.
"""

import logging
from collections import deque
from collections.abc import Callable

import gevent
from gevent.event import Event

from .turn import Turn

LOG = logging.getLogger(__name__)


class Lane:
    """`add` in order, run in order; exceptions of one piece are logged and do not stop the next."""

    __slots__ = ("_changed", "_greenlet", "_limit", "_work", "closed")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._work: deque[Callable[[], object]] = deque()
        self._greenlet: gevent.Greenlet | None = None
        self._changed = Event()
        self.closed = False

    def __len__(self) -> int:
        return len(self._work)

    def add(self, work: Callable[[], object]) -> None:
        """Queue a piece of work; blocks the caller while the lane is full. A closed lane takes nothing."""
        while len(self._work) >= self._limit and not self.closed:
            self._changed.clear()
            self._changed.wait()
        if self.closed:
            return
        self._work.append(work)
        if self._greenlet is None:
            self._greenlet = gevent.spawn(self._run)

    def close(self, *, discard: bool) -> None:
        """Take no more work; with `discard`, forget what has not started."""
        self.closed = True
        if discard:
            self._work.clear()
        self._changed.set()

    def join(self, timeout: float) -> None:
        """Wait until the work is done, at most `timeout` seconds."""
        if self._greenlet is not None:
            self._greenlet.join(timeout)

    def _run(self) -> None:
        turn = Turn()  # a client that keeps its lane full must not keep the worker
        try:
            while self._work:
                work = self._work.popleft()
                self._changed.set()
                try:
                    work()
                except Exception:
                    LOG.exception("event_handler_failed")
                turn.check()
        finally:
            self._greenlet = None
