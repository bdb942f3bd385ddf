"""A connection: an open WebSocket as a descriptor, a watcher and a small object. No greenlet waits for it.

Bytes are read when the event loop says so, a bounded piece per turn, parsed by `frames` and handed to the
receiver. Everything that is written goes through `put`: events, acknowledgements, pings, pongs and the close
frame, so they keep their order; see `outflow`.

Nothing here blocks, yields or raises: it runs in callbacks of the loop, in the flusher and in greenlets.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

import gevent

from . import descriptors, frames
from .frames import FrameError, FrameParser, Message, Opcode
from .outflow import Outflow
from .pending import Stalled
from .reasons import Reason
from .receiver import PacketError, Receiver

if TYPE_CHECKING:
    from .clock import Deadline
    from .connections import Connections
    from .flusher import Flusher

LOG = logging.getLogger(__name__)

_READ = 8_192  # a turn: a flood of empty frames of this size is handled in 3 ms
_READ_MOST = 65_536  # while a large message is under way
_READABLE = 1


class Connection(Outflow):
    """`put` and `flush` to write, `finish` to say goodbye, `abort` to cut."""

    __slots__ = ("_connections", "_deadline", "_deaf", "_max_message", "_parser", "_reader", "_receiver")

    idle = False  # for Connections: what is open here is always in use

    def __init__(self, fd: int, flusher: Flusher, connections: Connections, max_message: int) -> None:
        super().__init__(fd, flusher)
        self._connections = connections
        self._max_message = max_message
        self._parser: FrameParser | None = None  # only while a message is not complete
        self._deadline: Deadline | None = None  # for the farewell
        self._receiver: Receiver | None = None
        self._deaf = False  # what still comes in is thrown away
        self._reader = gevent.get_hub().loop.io(fd, _READABLE)
        connections.add(self)

    def start(self, receiver: Receiver, early: bytes) -> None:
        """Begin to read; `early` came behind the handshake."""
        self._receiver = receiver
        self._reader.start(self._readable)
        if early:
            self._feed(early)

    def hand_over(self, receiver: Receiver) -> None:
        """Another receiver gets what comes from here on."""
        self._receiver = receiver

    # --- reading ---

    def _readable(self) -> None:
        try:
            self._read()
        except Exception:  # raised into the loop it would be printed, and the watcher would spin
            self._fail()

    def _read(self) -> None:
        if self.fd < 0:
            return
        parser = self._parser
        try:
            data = self._receive(_READ if parser is None else min(max(_READ, parser.missing), _READ_MOST))
        except BlockingIOError:
            return
        except OSError:
            self._lose(Reason.TRANSPORT_ERROR)
            return
        if not data:
            self._lose(Reason.TRANSPORT_CLOSE)
        elif not self._deaf:
            self._feed(data)

    def _receive(self, size: int) -> bytes:
        return os.read(self.fd, size)

    def _feed(self, data: bytes) -> None:
        if self._parser is None:
            self._parser = self._flusher.take_parser() or FrameParser(self._max_message)
        self._parser.feed(data)
        self._parse()

    def _parse(self) -> None:
        parser = self._parser
        if parser is None:  # paused and resumed between two messages
            return
        try:
            while self.fd >= 0 and not self._deaf:
                if self._receiver.full:
                    self._reader.stop()
                    self._receiver.when_room(self._resume)
                    return
                if (message := parser.next()) is None:
                    if parser.idle:
                        self._parser = None
                        self._flusher.spare_parser = parser
                    return
                self._handle(message)
        except FrameError as err:
            self._end(Reason.PARSE_ERROR, err.code)
        except PacketError:
            self._end(Reason.PARSE_ERROR, 1008)

    def _resume(self) -> None:
        if self.fd >= 0:
            # not here: the caller is the greenlet that made the room, and it has work to do
            gevent.get_hub().loop.run_callback(self._read_on)

    def _read_on(self) -> None:
        try:
            if self.fd >= 0:
                self._reader.start(self._readable)
                self._parse()
        except Exception:
            self._fail()

    def _handle(self, message: Message) -> None:
        opcode = message.opcode
        if opcode < Opcode.CLOSE:
            self._receiver.received(message.payload)
        elif opcode == Opcode.PING:
            if not self.closing and not self.put(frames.encode(Opcode.PONG, message.payload)):
                self._receiver.overflowed()
        elif opcode == Opcode.CLOSE:
            code, _ = frames.decode_close(message.payload)
            self._peer_closed = True
            if self.closing and self.queued == 0:
                self._release()
            self._end(Reason.TRANSPORT_CLOSE, 1000 if code == 1005 else code)

    # --- the end ---

    def _end(self, reason: Reason, code: int) -> None:
        self._deaf = True
        self._receiver.ended(reason, code)

    def finish(self, code: int, *, discard: bool) -> None:
        """Say goodbye behind what waits, or instead of it; then wait a moment for the peer, and cut."""
        if self.closing or self.fd < 0:
            return
        self._deadline = self._flusher.clock.after(self._flusher.limits.close_timeout, self.abort)
        self._write_last(frames.encode_close(code), discard=discard)

    def abort(self) -> None:
        """Cut the connection now.

        By a reset, unless the farewell is complete: unsent data of a peer that stopped reading would stay in
        kernel memory for minutes.
        """
        self._release(reset=not self.closing or self.queued > 0)

    def hang_up(self) -> None:
        """For Connections."""
        self.abort()

    def _lose(self, reason: Reason) -> None:
        receiver = self._receiver
        self._release(reset=type(self.pending) is Stalled)
        receiver.ended(reason, 1000)

    def _fail(self) -> None:
        # a greenlet writes the log: a handler may wait for a lock, and the loop must not
        gevent.spawn(LOG.error, "connection_failed", exc_info=sys.exc_info())
        self._lose(Reason.TRANSPORT_ERROR)

    def _shut_down(self) -> None:
        """Tell the peer that nothing more comes."""
        descriptors.shut_down(self.fd)

    def _release(self, *, reset: bool = False) -> None:
        """Let go of descriptor, watchers, buffers and deadline; twice is harmless."""
        fd, self.fd = self.fd, -1
        if fd < 0:
            return
        self._drop_pending()
        self._reader.stop()
        self._reader.close()
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._parser = None
        self._connections.remove(self)
        self._close(fd, reset)

    def _close(self, fd: int, reset: bool) -> None:
        descriptors.close(fd, reset=reset)
