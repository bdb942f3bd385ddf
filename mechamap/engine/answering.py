"""Answering: the half of the HTTP handler that writes.

Replaces the writing of gevent 26.9.0's pywsgi, which sends head and body apart, asks the kernel for the size
of its buffer at each send, and lets an application answer HEAD with a body that is then read as the next
answer; and gunicorn 27.0.1's access log, which has query strings in it.
"""

from __future__ import annotations

import errno
import logging

from geventwebsocket.handler import WebSocketHandler
from gunicorn.workers.ggevent import PyWSGIHandler

from .request_head import RequestHead
from .response import ResponseHead


def logs_access(log) -> bool:
    """Whether a line would be written.

    gunicorn 27.0.1 takes any logging configuration for a wish to have an access log, and makes all the fields
    of a line that its logger then drops (60 us).
    """
    logger = getattr(log, "access_log", None)
    return (
        logger is not None and getattr(log, "access_log_enabled", True) and logger.isEnabledFor(logging.INFO)
    )


class AnsweringHandler(WebSocketHandler, PyWSGIHandler):
    """What an application writes through; `http.Handler` reads what it answers to."""

    head: RequestHead | None = None
    response: ResponseHead | None = None
    secure = False  # over TLS

    def start_response(self, status, headers, exc_info=None):
        if exc_info:
            try:
                if self.headers_sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        if self.server.connections.draining or "HTTP_UPGRADE" in self.environ:
            # after a refused upgrade the client may go on in frames; nothing of it must be read as a request
            headers = [*headers, ("Connection", "close")]
        self.response = response = ResponseHead(status, headers)
        # for the base class and gunicorn's access log
        self.status, self._orig_status, self.code = status.encode("latin-1"), status, response.code
        self.response_headers = list(headers)
        return self.write

    def write(self, data: bytes) -> None:
        """As documented; the first piece leaves together with the head, in one system call."""
        if data and self.response is not None and not self.response.may_have_body:
            raise self.ApplicationError(f"A {self.code} response must have no body")
        if self.headers_sent:
            self._write(data)
        else:
            self._write_with_headers(data)

    def _write_with_headers(self, data: bytes) -> None:
        response = self.response
        if response is None:
            raise self.ApplicationError("The application did not call start_response()")
        self.headers_sent = True
        length = sum(map(len, self.result)) if hasattr(self.result, "__len__") else None
        self.response_use_chunked = response.frame(length, self.request_version)
        if response.closes:
            self.close_connection = True
        if self.request_version == "HTTP/1.0" and not response.tells_connection:
            response.add("Connection", "close" if self.close_connection else "keep-alive")
        self._sendall(response.encode() + (self._framed(data) if data else b""))

    def _write(self, data: bytes) -> None:
        if data and self.command != "HEAD":
            self._sendall(self._framed(data))

    def _framed(self, data: bytes) -> bytes:
        if self.command == "HEAD":
            return b""
        return b"%x\r\n%b\r\n" % (len(data), data) if self.response_use_chunked else data

    def process_result(self) -> None:
        """As documented; a result that is there as a whole is one piece."""
        if type(self.result) is list and len(self.result) > 1:
            self.result = [b"".join(self.result)]
        for data in self.result:
            if data:
                self.write(data)
        if self.status and not self.headers_sent:
            self.write(b"")
        if self.response_use_chunked and self.command != "HEAD":
            self._sendall(b"0\r\n\r\n")

    def _sendall(self, data: bytes) -> None:
        """As the base class, without gevent's `sendall` where the kernel takes all at once, as it nearly
        always does. Whatever goes wrong is the client's going: pywsgi logs a traceback for a TLS client that
        vanishes, or one that reads too slowly.
        """
        sent = 0
        try:
            if not self.secure:
                try:
                    sent = self.socket._sock.send(data)
                except BlockingIOError:
                    pass
            if sent < len(data):
                self.socket.sendall(memoryview(data)[sent:])
        except OSError as err:
            self.status, self.code = f"socket error: {err}", -abs(self.code or 0)
            raise ConnectionResetError(errno.ECONNRESET, "the client has gone") from err
        self.response_length += len(data)

    def switch_protocols(self, headers: list[tuple[str, str]], first: bytes) -> None:
        """Write the 101 and what follows it; whatever the application returns afterwards is not written any
        more.
        """
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
        self._orig_status = "101 Switching Protocols"
        self.status, self.code, self.response_headers = b"101 Switching Protocols", 101, []
        self.headers_sent = self.connection_upgraded = self.close_connection = True
        self._sendall(f"HTTP/1.1 101 Switching Protocols\r\n{lines}\r\n".encode("latin-1") + first)

    @property
    def headers(self) -> dict[str, str]:
        """The request's, for gunicorn's access log."""
        return dict(self.head.fields()) if self.head is not None else {}

    def log_request(self) -> None:
        """gunicorn's access log, if the operator asked for one, never with the query string."""
        if self.environ is None or not logs_access(self.server.log):
            return
        full = self.environ
        try:
            path = full.get("RAW_URI", "").split("?", 1)[0]
            self.environ = {**full, "QUERY_STRING": "", "RAW_URI": path}
            PyWSGIHandler.log_request(self)
        finally:
            self.environ = full
