"""The half of a connection that writes: what waits, in order, bounded, and never more than one partial write.

`put` queues a finished frame without yielding; `flush` makes one non-blocking call for all that waits. What
the kernel does not take stays here, ahead of everything later, until a temporary watcher says that the peer
reads again. Nothing is ever written around it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import gevent

from .pending import GONE, Pending, Run, Stalled, count_of, followed, size_of
from .reasons import Reason

if TYPE_CHECKING:
    from .flusher import Flusher

_WRITABLE = 2


class Outflow:
    """Base of Connection, which says how a connection is lost, shut down and released."""

    __slots__ = ("_flusher", "_peer_closed", "closing", "fd", "marked", "pending")

    def __init__(self, fd: int, flusher: Flusher) -> None:
        self.fd = fd  # -1 once closed: numbers are reused, so it is looked up for every call
        self.marked = False  # the flusher will come
        self.pending: Pending = None
        self.closing = False  # the close frame is queued or sent
        self._flusher = flusher
        self._peer_closed = False  # its close frame has come

    @property
    def queued(self) -> int:
        """Bytes that wait here."""
        return size_of(self.pending)

    @property
    def waiting(self) -> int:
        """Frames that wait."""
        return count_of(self.pending)

    def put(self, frame: bytes) -> bool:
        """Queue a finished frame, or several joined; False when it would pass a limit or the end has begun.

        A burst without a pause must not look like a peer that does not read, so the kernel is offered what
        waits before anything is refused. `Flusher.spread` is the same for many connections.
        """
        flusher, pending = self._flusher, self.pending
        if self.closing or self.fd < 0 or size_of(pending) + len(frame) > flusher.max_bytes:
            return self._put_under_pressure(frame)
        if pending is None:
            self.pending = frame
            if not self.marked:
                flusher.mark(self)
        elif type(pending) is Stalled:
            return pending.add(frame, flusher.max_frames)
        elif count_of(pending) >= flusher.max_frames:
            return self._put_under_pressure(frame)
        else:
            self.pending = followed(pending, frame)
        return True

    def send(self, frame: bytes) -> bool:
        """`put` and `flush`."""
        if self.pending is None and len(frame) <= self._flusher.max_bytes:
            self._offer(frame)
            return True
        if not self.put(frame):
            return False
        self.flush()
        return True

    def _put_under_pressure(self, frame: bytes) -> bool:
        return not self.closing and self.flush() and self.put(frame)

    def flush(self) -> bool:
        """Offer the kernel what waits, unless the rest of an earlier write has to go first. Whether it was
        asked.
        """
        pending = self.pending
        kind = type(pending)
        if kind is bytes:
            data = pending
        elif kind is Run:
            data = pending.data
        else:
            return False
        self.pending = None
        self._offer(data)
        return True

    def _offer(self, data: bytes) -> None:
        try:
            sent = self._send(data)
        except OSError:
            self._lose(Reason.TRANSPORT_ERROR)
            return
        if sent != len(data):
            self._stall(memoryview(data)[sent:])

    def _send(self, data: bytes | memoryview) -> int:
        """What the kernel took: 0 when it takes nothing now."""
        try:
            return os.write(self.fd, data)
        except BlockingIOError:
            return 0

    # --- a peer that does not take everything ---

    def _stall(self, rest: memoryview) -> None:
        watcher, clock = gevent.get_hub().loop.io(self.fd, _WRITABLE), self._flusher.clock
        self.pending = stalled = Stalled(rest, watcher, clock.now())
        self._flusher.stalled.add(self)
        stalled.deadline = clock.after(self._flusher.limits.stall_timeout, self._check_stall)
        watcher.start(self._writable)

    def _writable(self) -> None:
        try:
            stalled = self.pending
            if type(stalled) is Stalled:
                self._offer_again(stalled)
        except Exception:
            self._fail()

    def _offer_again(self, stalled: Stalled) -> None:
        try:
            sent = self._send(stalled.rest)
        except OSError:
            self._lose(Reason.TRANSPORT_ERROR)
            return
        if not sent:
            return
        stalled.size -= sent
        stalled.progress = self._flusher.clock.now()
        stalled.rest = stalled.rest[sent:]
        if not stalled.rest:
            if stalled.frames:  # what came meanwhile, in the next turn: the peer may have gone on by then
                stalled.rest, stalled.frames = memoryview(b"".join(stalled.frames)), []
            else:
                self._caught_up(stalled)

    def _caught_up(self, stalled: Stalled) -> None:
        _let_go(stalled)
        self._flusher.stalled.discard(self)
        self.pending = None
        if self.closing:
            self._said_goodbye()

    def _check_stall(self) -> None:
        stalled = self.pending
        if type(stalled) is not Stalled:
            return
        stalled.deadline = None
        clock, timeout = self._flusher.clock, self._flusher.limits.stall_timeout
        left = stalled.progress + timeout - clock.now()
        if left > 0:
            stalled.deadline = clock.after(left, self._check_stall)
        else:
            self._lose(Reason.TRANSPORT_ERROR)

    # --- the end ---

    def _write_last(self, frame: bytes, *, discard: bool) -> None:
        """Queue the close frame behind what waits, or instead of it, and offer it at once."""
        pending, self.closing = self.pending, True
        if type(pending) is Stalled:
            if discard:
                pending.discard()
            pending.add(frame, most=len(pending.frames) + 1)
            return
        self.pending = None
        if pending is not None and not discard:
            frame = (pending if type(pending) is bytes else pending.data) + frame
        self._offer(frame)
        if self.pending is None and self.fd >= 0:
            self._said_goodbye()

    def _said_goodbye(self) -> None:
        """The close frame is with the kernel."""
        self.pending = GONE
        if self._peer_closed:
            self._release()
        else:
            with suppress(OSError):
                self._shut_down()

    def _drop_pending(self) -> None:
        pending, self.pending = self.pending, GONE
        if type(pending) is Stalled:
            _let_go(pending)
            self._flusher.stalled.discard(self)


def _let_go(stalled: Stalled) -> None:
    stalled.watcher.stop()
    stalled.watcher.close()
    if stalled.deadline is not None:
        stalled.deadline.cancel()
