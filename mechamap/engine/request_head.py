"""The head of an HTTP/1 request: bytes in, what they say out. No I/O.

Strict wherever two readers could disagree about where a message begins or ends (RFC 9112, section 11.2),
because the other reader is the proxy in front: lines end in CRLF, fields are not folded, a name is a token
right before its colon, and a length is given once, in one way. `http.client` and `email`, which gevent
26.9.0's pywsgi uses, take bare LF, folded lines and 100 fields of 64 KB each, and need ten times as long.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

MAX_LINE = 8_190  # bytes of the request line
MAX_FIELDS = 100
MAX_HEAD = 65_536  # bytes of all of it
_SHORT = 1_024  # bytes of a head that is remembered

_END = b"\r\n\r\n"
_CONTROLS = bytes({*range(0x20), 0x7F} - {0x09})
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_METHODS = frozenset(("GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"))
_VERSIONS = ("HTTP/1.1", "HTTP/1.0")
_ONCE = frozenset(("CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING", "HTTP_HOST"))
_WITHOUT_HTTP = ("CONTENT_LENGTH", "CONTENT_TYPE")


class HeadError(ValueError):
    """No request of HTTP/1; `status` is the status line to answer with."""

    def __init__(self, message: str, status: str = "400 Bad Request") -> None:
        super().__init__(message)
        self.status = status


class RequestHead(NamedTuple):
    """What a head says.

    `variables` are the fields under the names that CGI and WSGI give them; repeated ones are joined, and
    those with an underscore in their name are left out, for they could pass for others. `length` is that of
    the body in bytes, None without Content-Length; a `chunked` one has none. `raw` is the head as it came.
    """

    method: str
    target: str
    version: str
    variables: dict[str, str]
    length: int | None
    chunked: bool
    raw: bytes

    @property
    def keeps_alive(self) -> bool:
        """Whether the client is ready for another request on this connection."""
        wishes = self.variables.get("HTTP_CONNECTION")
        if wishes is None:
            return self.version == "HTTP/1.1"
        tokens = [token.strip() for token in wishes.lower().split(",")]
        return "close" not in tokens and (self.version == "HTTP/1.1" or "keep-alive" in tokens)

    def fields(self) -> list[tuple[str, str]]:
        """Names and values as they were sent."""
        lines = self.raw[: -len(_END)].decode("latin-1").split("\r\n")[1:]
        pairs = [line.partition(":") for line in lines]
        return [(name, value.strip(" \t")) for name, _, value in pairs]


def end_of_head(data: bytes, searched: int = 0) -> int:
    """How long the head at the start of `data` is, with its blank line; 0 when more has to come.

    `searched` bytes were looked at before. HeadError as soon as it is clear that nothing good can come.
    """
    end = data.find(_END, max(0, searched - 3), MAX_HEAD)
    if end >= 0:
        return end + len(_END)
    if data and not searched and not data[:1].isalpha() and not _TOKEN.match(data[:1].decode("latin-1")):
        raise HeadError("it begins like no method")  # TLS on a plain port, for one
    if data.count(b"\n", searched) != data.count(b"\r\n", max(0, searched - 1)):
        raise HeadError("a line does not end in CRLF")
    if len(data) > MAX_LINE and data.find(b"\r\n", 0, MAX_LINE + 2) < 0:
        raise HeadError("the request line is too long", "414 URI Too Long")
    if len(data) >= MAX_HEAD:
        raise HeadError("the head is too large", "431 Request Header Fields Too Large")
    return 0


def parse_head(raw: bytes) -> RequestHead:
    """What a whole head says, from its first byte to its blank line; HeadError when it is not well formed.

    A publisher writes the same head again and again, so those of POST are remembered.
    """
    if raw.startswith(b"POST ") and len(raw) <= _SHORT:
        return _parsed_before(raw)
    return _parse(raw)


def _parse(raw: bytes) -> RequestHead:
    lines = raw[: -len(_END)].decode("latin-1").split("\r\n")
    if len(raw) - len(raw.translate(None, _CONTROLS)) != 2 * (len(lines) + 1):  # two to a CRLF
        raise HeadError("a control character")
    method, target, version = _request_line(lines[0])
    if len(lines) > MAX_FIELDS + 1:
        raise HeadError("too many fields", "431 Request Header Fields Too Large")
    variables: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        key = _variable(name)
        if not colon:
            raise HeadError("a line without a colon")
        if key is not None:
            value = value.strip(" \t")
            variables[key] = value if key not in variables else _joined(key, variables[key], value)
    length, chunked = _framing(method, version, variables)
    return RequestHead(method, target, version, variables, length, chunked, raw)


@lru_cache(maxsize=512)  # at most 512 KB, and what is made of them
def _parsed_before(raw: bytes) -> RequestHead:
    return _parse(raw)


def _request_line(line: str) -> list[str]:
    words = line.split(" ")
    if len(line) > MAX_LINE:
        raise HeadError("the request line is too long", "414 URI Too Long")
    if len(words) != 3 or words[2] not in _VERSIONS:  # HTTP/0.9 has two words
        raise HeadError("no request line of HTTP/1")
    if not words[1] or "\t" in words[1] or not (words[0] in _METHODS or _TOKEN.fullmatch(words[0])):
        raise HeadError("no request line of HTTP/1")
    return words


@lru_cache(maxsize=512)  # clients have a few dozen names between them
def _variable(name: str) -> str | None:
    if not _TOKEN.fullmatch(name):  # also the start of a folded line
        raise HeadError("the name of a field is no token")
    if "_" in name:
        return None
    variable = name.upper().replace("-", "_")
    return variable if variable in _WITHOUT_HTTP else "HTTP_" + variable


def _joined(key: str, before: str, value: str) -> str:
    if key in _ONCE:
        raise HeadError("a field that may come once came twice")
    if key == "CONTENT_TYPE":
        return before
    return before + ("; " if key == "HTTP_COOKIE" else ",") + value


def _framing(method: str, version: str, variables: dict[str, str]) -> tuple[int | None, bool]:
    """The length of the body, and whether it is chunked instead."""
    length, coding = variables.get("CONTENT_LENGTH"), variables.get("HTTP_TRANSFER_ENCODING")
    if coding is not None:
        if length is not None or coding.lower() != "chunked" or version != "HTTP/1.1":
            raise HeadError("Transfer-Encoding that is not chunked alone")
        return None, True
    if length is None:
        return None, False
    if not (length.isascii() and length.isdigit() and len(length) < 20):
        raise HeadError("Content-Length is not a number")
    if method == "HEAD" and int(length):
        raise HeadError("HEAD with a body")
    return int(length), False
