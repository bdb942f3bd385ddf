"""The express: requests that an application answers from head and body alone, without WSGI in between.

An environ, an input file and `start_response` cost more than a small answer does. What the application takes
is up to it; the answer is written with the same `ResponseHead`, so a client cannot tell the two ways apart.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Protocol

from .incoming import Incoming
from .request_head import RequestHead
from .response import ResponseHead

Answer = tuple[str, list[tuple[str, str]], bytes]
"""Status line, headers with the length among them, body."""


class Express(Protocol):
    """An application's own; a Flask app has it in `extensions["express"]`."""

    paths: Container[str]

    def answer(
        self, path: str, variables: Mapping[str, str], body: bytes, peer: str, scheme: str
    ) -> Answer | None:
        """The answer to a POST; None to have it come through WSGI instead. Must not raise."""


def expressed(express: Express, head: RequestHead, file: Incoming, peer: str, scheme: str) -> bytes | None:
    """The bytes to send, with the body taken from `file`; None, with nothing taken, for the ordinary way."""
    length, variables = head.length, head.variables
    if head.method != "POST" or length is None or head.target not in express.paths or not head.keeps_alive:
        return None
    if head.version != "HTTP/1.1" or "HTTP_UPGRADE" in variables or "HTTP_EXPECT" in variables:
        return None
    body = file.ahead()
    if len(body) < length:  # the rest is still under way, and waiting has its own rules
        return None
    answer = express.answer(head.target, variables, body[:length], peer, scheme)
    if answer is None:
        return None
    file.read(length)
    status, headers, text = answer
    return ResponseHead(status, headers).encode() + text
