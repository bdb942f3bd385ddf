"""What Redis sends on a connection that follows a pattern, from bytes to messages. Without I/O.

Not redis-py's parser: that one takes 60 µs for a message of four parts, and reads a message of any size into
memory before anybody can object.
"""

from dataclasses import dataclass

MAX_NAME = 512
"""Bytes of a channel's name; ours have at most 200 characters and a prefix."""
MAX_DIGITS = 20
MAX_PARTS = 4


class ProtocolError(ValueError):
    """What came is not the RESP 2 of a subscribed connection; the connection is of no use any more."""


@dataclass(frozen=True, slots=True)
class Oversized:
    """Stands for a message that was passed over without being kept; ``size`` in bytes."""

    size: int


class _Incomplete(Exception):
    """The rest of a reply is still on its way."""


class PushReader:
    """``feed`` bytes as they come; gives the (channel, message) pairs that are complete.

    ``subscribed`` turns true with Redis's confirmation.
    """

    def __init__(self, pattern: bytes, max_message: int) -> None:
        self._head = b"*4\r\n$8\r\npmessage\r\n$%d\r\n%s\r\n$" % (len(pattern), pattern)
        self._max = max_message
        self._rest = b""
        self._skip = 0
        self.subscribed = False

    def feed(self, data: bytes) -> list[tuple[bytes, bytes | Oversized]]:
        """Raises ProtocolError, also when Redis answers with an error."""
        if self._skip:
            passed = min(self._skip, len(data))
            self._skip -= passed
            data = data[passed:]
        buffer = self._rest + data if self._rest else data
        found: list[tuple[bytes, bytes | Oversized]] = []
        at = 0
        try:
            while at < len(buffer):
                if buffer.startswith(self._head, at):
                    at = self._message(buffer, at + len(self._head), found)
                else:
                    at = self._other(buffer, at)
        except _Incomplete:
            pass
        # A message that is passed over ends beyond what there is.
        self._skip += max(0, at - len(buffer))
        self._rest = buffer[at:]
        return found

    def _message(self, buffer: bytes, at: int, found: list[tuple[bytes, bytes | Oversized]]) -> int:
        name, at = self._text(buffer, at)
        if len(buffer) <= at:
            raise _Incomplete
        if buffer[at] != 36:  # $
            raise ProtocolError("a message without its text")
        size, at = self._number(buffer, at + 1)
        end = at + size
        if size > self._max:
            found.append((name, Oversized(size)))
        elif len(buffer) < end + 2:
            raise _Incomplete
        else:
            found.append((name, buffer[at:end]))
        return end + 2

    def _other(self, buffer: bytes, at: int) -> int:
        """Pass over a confirmation or a sign of life; where it ends."""
        if buffer[at] != 42:  # *
            raise ProtocolError("Redis answered with an error" if buffer[at] == 45 else "an unexpected reply")
        parts, at = self._number(buffer, at + 1)
        if parts > MAX_PARTS:
            raise ProtocolError("a reply of too many parts")
        kind = b""
        for number in range(parts):
            if len(buffer) <= at:
                raise _Incomplete
            if buffer[at] == 58:  # :
                _, at = self._number(buffer, at + 1)
            elif buffer[at] == 36:  # $
                text, at = self._text(buffer, at + 1)
                kind = text if number == 0 else kind
            else:
                raise ProtocolError("an unexpected part of a reply")
        if kind == b"psubscribe":
            self.subscribed = True
        return at

    def _text(self, buffer: bytes, at: int) -> tuple[bytes, int]:
        """The short text whose length stands at ``at``, and where it ends."""
        size, at = self._number(buffer, at)
        if size > MAX_NAME:
            raise ProtocolError("a name too long")
        if len(buffer) < at + size + 2:
            raise _Incomplete
        return buffer[at : at + size], at + size + 2

    def _number(self, buffer: bytes, at: int) -> tuple[int, int]:
        """The number on the line at ``at``, and where the next line begins."""
        end = buffer.find(b"\r\n", at, at + MAX_DIGITS)
        if end < 0:
            if len(buffer) - at >= MAX_DIGITS:
                raise ProtocolError("a line too long")
            raise _Incomplete
        digits = buffer[at:end]
        if not digits.isdigit():
            raise ProtocolError("a length that is no number")
        return int(digits), end + 2
