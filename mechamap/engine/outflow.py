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

from .reasons import Reason

if TYPE_CHECKING:
    from .clock import Deadline
    from .flusher import Flusher

_WRITABLE = 2


class Outflow:
    """Base of Connection, which says how a connection is lost, shut down and released."""

    __slots__ = (
        "_deadline", "_flusher", "_peer_closed", "_progress", "_rest", "_writer", "closing", "fd", "marked",
        "pending", "queued",
    )  # fmt: skip

    def __init__(self, fd: int, flusher: Flusher) -> None:
        self.fd = fd  # -1 once closed: numbers are reused, so it is looked up for every call
        self.marked = False  # the flusher will come
        self.pending: bytes | list[bytes] | None = None
        self.queued = 0  # bytes that wait here
        self.closing = False  # the close frame is queued or sent
        self._flusher = flusher
        self._rest: memoryview | None = None  # of a partial write
        self._progress = 0.0  # when the peer last took something of it
        self._peer_closed = False  # its close frame has come
        self._deadline: Deadline | None = None
        self._writer = None

    @property
    def waiting(self) -> int:
        """Frames that wait; the rest of a partial write counts as one."""
        pending = self.pending
        count = 0 if pending is None else 1 if type(pending) is bytes else len(pending)
        return count + (self._rest is not None)

    def put(self, frame: bytes) -> bool:
        """Queue a finished frame, or several joined; False when it would pass a limit or the end has begun.

        A burst without a pause must not look like a peer that does not read, so the kernel is offered what
        waits before anything is refused. Runs once per delivery: one function, nothing called on the way.
        """
        if self.closing or self.fd < 0:
            return False
        flusher, pending, queued = self._flusher, self.pending, self.queued + len(frame)
        if queued > flusher.max_bytes or (type(pending) is list and len(pending) >= flusher.max_frames):
            self.flush()
            pending, queued = self.pending, self.queued + len(frame)
            if self.fd < 0 or pending is not None or queued > flusher.max_bytes:
                return False
        if pending is None:
            self.pending = frame
        elif type(pending) is list:
            pending.append(frame)
        else:
            self.pending = [pending, frame]
        self.queued = queued
        if not self.marked and self._rest is None:
            self.marked = True
            flusher.mark(self)
        return True

    def flush(self) -> bool:
        """Offer the kernel what waits, unless the rest of an earlier write has to go first. Whether it was
        asked.
        """
        pending = self.pending
        if pending is None or self._rest is not None:
            return False
        self.pending = None
        self._offer(pending if type(pending) is bytes else b"".join(pending))
        return True

    def _offer(self, data: bytes | memoryview) -> None:
        try:
            sent = self._send(data)
        except OSError:
            self._lose(Reason.TRANSPORT_ERROR)
            return
        self.queued -= sent
        if sent < len(data):
            self._rest = memoryview(data)[sent:]
            self._wait_for_peer(sent)
        else:
            self._rest = None
            if self._writer is not None or self.closing:
                self._caught_up()

    def _send(self, data: bytes | memoryview) -> int:
        """What the kernel took: 0 when it takes nothing now."""
        try:
            return os.write(self.fd, data)
        except BlockingIOError:
            return 0

    def _wait_for_peer(self, sent: int) -> None:
        clock = self._flusher.clock
        if sent or self._writer is None:
            self._progress = clock.now()
        if self._writer is None:
            self._writer = gevent.get_hub().loop.io(self.fd, _WRITABLE)
            self._writer.start(self._writable)
        if self._deadline is None:
            self._deadline = clock.after(self._flusher.limits.stall_timeout, self._check_stall)

    def _writable(self) -> None:
        try:
            if self._rest is not None:
                self._offer(self._rest)
        except Exception:
            self._fail()

    def _caught_up(self) -> None:
        """Everything of one call is written after a while of waiting, or at the end."""
        if self.flush():  # what came meanwhile; it calls again
            return
        self._stop_writer()
        if not self.closing:
            self._cancel_deadline()
        elif self._peer_closed:
            self._release()
        else:
            with suppress(OSError):
                self._shut_down()

    def _check_stall(self) -> None:
        self._deadline = None
        if self._rest is None:
            return
        clock = self._flusher.clock
        left = self._progress + self._flusher.limits.stall_timeout - clock.now()
        if left > 0:
            self._deadline = clock.after(left, self._check_stall)
        else:
            self._lose(Reason.TRANSPORT_ERROR)

    def _stop_writer(self) -> None:
        if self._writer is not None:
            self._writer.stop()
            self._writer.close()
            self._writer = None

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
