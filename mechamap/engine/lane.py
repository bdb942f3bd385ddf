"""The lane: one client's work, one piece at a time, in the order it came.

python-socketio 5.18.1 starts a greenlet per event, so two events of one client may overtake each other. A
lane runs them in a short-lived greenlet that exists only while there is work. Whoever fills it stops when it
is `full`: a greenlet by waiting in `add`, a connection by not being read until `when_room` calls.
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

    __slots__ = ("_greenlet", "_idle", "_limit", "_on_room", "_room", "_work", "closed")

    def __init__(self, limit: int, idle: Callable[[], object] = lambda: None) -> None:
        """`idle` is called when the work is done and nobody waits to add more: the lane may be let go."""
        self._limit = limit
        self._idle = idle
        # an idle lane is a few words: the queue alone would be 600 bytes
        self._work: deque[Callable[[], object]] | None = None
        self._greenlet: gevent.Greenlet | None = None
        self._room: Event | None = None
        self._on_room: Callable[[], object] | None = None
        self.closed = False

    def __len__(self) -> int:
        return len(self._work) if self._work is not None else 0

    @property
    def full(self) -> bool:
        return len(self) >= self._limit and not self.closed

    def add(self, work: Callable[[], object]) -> None:
        """Queue a piece of work; waits while the lane is full. A closed lane takes nothing."""
        while self.full:
            if self._room is None:
                self._room = Event()
            self._room.clear()
            self._room.wait()
        if self.closed:
            return
        if self._work is None:
            self._work = deque()
        self._work.append(work)
        if self._greenlet is None:
            self._greenlet = gevent.spawn(self._run)

    def when_room(self, callback: Callable[[], object]) -> None:
        """Call once as soon as the lane is not full any more; the callback must neither block nor raise."""
        self._on_room = callback

    def close(self, *, discard: bool) -> None:
        """Take no more work; with `discard`, forget what has not started."""
        self.closed = True
        if discard and self._work is not None:
            self._work.clear()
        self._made_room()

    @property
    def busy(self) -> bool:
        """Whether work waits or runs."""
        return self._greenlet is not None

    def join(self, timeout: float) -> None:
        """Wait until the work is done, at most `timeout` seconds."""
        if self._greenlet is not None:
            self._greenlet.join(timeout)

    def _made_room(self) -> None:
        if self._room is not None:
            self._room.set()
        if self._on_room is not None:
            callback, self._on_room = self._on_room, None
            callback()

    def _run(self) -> None:
        turn = Turn()  # a client that keeps its lane full must not keep the worker
        try:
            while self._work:
                work = self._work.popleft()
                self._made_room()
                try:
                    work()
                except Exception:
                    LOG.exception("event_handler_failed")
                turn.check()
        finally:
            self._greenlet = self._work = None
            if self._room is None and self._on_room is None:
                self._idle()
