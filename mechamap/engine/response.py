"""The head of an HTTP/1.1 answer: what the application gave, checked once, as the bytes that are sent.

Does what `WSGIHandler.start_response` and `finalize_headers` of gevent 26.9.0's pywsgi do, in one pass
instead of three and with one line for the date of a whole second.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import lru_cache

from gevent.pywsgi import format_date_time

_BODILESS = (204, 304)


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return b"Date: " + format_date_time(second) + b"\r\n"


class ResponseHead:
    """Status and fields of one answer."""

    __slots__ = ("_dated", "_length", "_lines", "closes", "code", "tells_connection")

    def __init__(self, status: str, headers: Iterable[tuple[str, str]]) -> None:
        """TypeError for anything but native strings, ValueError for what is not Latin-1 or would break out of
        its line.
        """
        lines = ["HTTP/1.1 " + status]
        self._dated = self.tells_connection = self.closes = False
        self._length: str | None = None
        for name, value in headers:
            lines.append(name + ": " + value)
            lowered = name.lower()
            if lowered == "content-length":
                self._length = value
            elif lowered == "date":
                self._dated = True
            elif lowered == "connection":
                self.tells_connection = True
                self.closes = self.closes or value.lower() == "close"
        text = "\r\n".join(lines)
        breaks = len(lines) - 1
        if text.count("\r") != breaks or text.count("\n") != breaks:
            raise ValueError("a line break in the status or a header")
        self.code = int(status.partition(" ")[0])
        self._lines = text.encode("latin-1") + b"\r\n"
        if not self.may_have_body and self._length not in (None, "0"):
            raise AssertionError(f"a {self.code} response cannot have the length {self._length}")

    @property
    def may_have_body(self) -> bool:
        return self.code not in _BODILESS

    def add(self, name: str, value: str) -> None:
        """One field more, trusted."""
        self._lines += f"{name}: {value}\r\n".encode("latin-1")

    def frame(self, length: int | None, version: str) -> bool:
        """Say how the body ends where the application did not: `length` bytes, or unknown.

        Gives whether it has to be sent in chunks; HTTP/1.0 has none, there it ends with the connection.
        """
        if not self.may_have_body or self._length is not None or self.code == 101:
            return False
        if length is not None:
            self.add("Content-Length", str(length))
        elif version == "HTTP/1.0":
            self.closes = True
        else:
            self.add("Transfer-Encoding", "chunked")
            return True
        return False

    def encode(self) -> bytes:
        """The bytes, with the blank line."""
        return self._lines + (b"\r\n" if self._dated else _date(int(time.time())) + b"\r\n")
