"""HTTP for the worker: gevent's pywsgi, made fit for strangers.

pywsgi under gunicorn 27.0.1 ignores gunicorn's parser limits. Added here: deadlines for a request head and
for idle connections, refusal of ambiguous message framing (request smuggling), a connection limit that
answers 503 instead of hanging, an access log without query strings, TLS handshakes that may fail quietly, and
WebSocket upgrades that gevent-websocket 0.10.1 would answer with 101 before the application had been asked,
or with 500 when malformed.
"""

from __future__ import annotations

import base64
import binascii
import logging
import re
import socket
import ssl
from typing import TYPE_CHECKING

import gevent
from gevent.pywsgi import WSGIHandler
from geventwebsocket.handler import WebSocketHandler
from gunicorn.workers.ggevent import PyWSGIHandler, PyWSGIServer

from .body import Body, linger
from .connections import Connections
from .upgrade import Offer

if TYPE_CHECKING:
    from .affinity import Affinity

LOG = logging.getLogger(__name__)

_DIGITS = re.compile(r"[0-9]{1,19}")


def _plain(status: str, text: str) -> bytes:
    fields = f"Connection: close\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}"
    return f"HTTP/1.1 {status}\r\n{fields}\r\n\r\n{text}".encode()


class Listener(PyWSGIServer):
    """One listening socket of a worker."""

    tls_timeout = 10.0  # seconds for a TLS handshake
    connections: Connections
    affinity: Affinity | None = None

    def wrap_socket_and_handle(self, client_socket, address):
        try:
            with gevent.Timeout(self.tls_timeout, TimeoutError("TLS handshake")):
                wrapped = self.wrap_socket(client_socket, **self.ssl_args)
        except (OSError, ssl.SSLError):  # a port scan is no event worth a traceback
            client_socket.close()
            return None
        try:
            return self.handle(wrapped, address)
        finally:
            wrapped.close()


class Handler(WebSocketHandler, PyWSGIHandler):
    """One HTTP connection, until it closes or becomes a WebSocket."""

    head_timeout = 10.0  # seconds for the first request line, and again for the headers, however they drip
    idle_timeout = (
        75.0  # between requests; more than the 60 s a proxy keeps its side, or it would race our close
    )
    body_timeout = 20.0  # for a whole request body
    write_timeout = 20.0  # for one answer

    idle = False
    served = False
    handed = False  # the next request came with the connection from another worker

    def handle(self) -> None:
        connections = self.server.connections
        connections.add(self)
        try:
            self.socket.settimeout(self.write_timeout)
            if self.socket.family != socket.AF_UNIX:  # pywsgi writes head and body apart: 40 ms with Nagle
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if connections.exhausted:
                self._turn_away()
            else:
                super().handle()
        except OSError:
            pass  # the peer went away between two steps
        finally:
            connections.remove(self)

    def hang_up(self) -> None:
        try:
            self.socket._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def _turn_away(self) -> None:
        self.socket.settimeout(1.0)
        self.rfile.read1(16_384)  # unread input would turn the answer into a reset
        self.socket.sendall(_plain("503 Service Unavailable", "too many connections"))

    # --- reading a request ---

    def handle_one_request(self):
        if self.server.connections.draining and not self.handed:
            return None
        result = super().handle_one_request()
        self.served = True
        return None if self.server.connections.draining and result is True else result

    def read_requestline(self) -> str:
        self.idle = True
        limit = self.idle_timeout if self.served else self.head_timeout
        try:
            with gevent.Timeout(limit, TimeoutError("no request")):
                return super().read_requestline()
        finally:
            self.idle = False

    def read_request(self, raw_requestline: str):
        with gevent.Timeout(self.head_timeout, TimeoutError("the request head came too slowly")):
            result = super().read_request(raw_requestline)
        if self.request_version == "HTTP/0.9":
            raise ValueError("HTTP/0.9 is not served")
        return result

    def MessageClass(self, *args):
        """Headers, refused when two readers could disagree about where the message ends."""
        headers = super().MessageClass(*args)
        lengths, codings = headers.get_all("content-length") or [], headers.get_all("transfer-encoding") or []
        if len(lengths) + len(codings) > 1:
            raise ValueError("more than one Content-Length or Transfer-Encoding")
        if lengths and not _DIGITS.fullmatch(lengths[0].strip()):
            raise ValueError("Content-Length is not a number")
        if codings and codings[0].strip().lower() != "chunked":
            raise ValueError("Transfer-Encoding is not chunked")
        if len(headers.get_all("host") or []) > 1:
            raise ValueError("more than one Host")
        return headers

    def _handle_client_error(self, ex: Exception):
        # the base class logs the raw request line, and with it tokens in the query string
        LOG.info("bad_request", extra={"error": type(ex).__name__})
        if isinstance(ex, TimeoutError):
            return ("408", _plain("408 Request Timeout", "the request came too slowly"))
        return ("400", _plain("400 Bad Request", "the request is malformed"))

    def get_environ(self) -> dict:
        environ = super().get_environ()
        environ["engine.full"] = self.server.connections.full
        if environ["wsgi.input"] is self.wsgi_input:
            stock = self.wsgi_input
            self.wsgi_input = environ["wsgi.input"] = Body(
                self.rfile,
                stock.content_length,
                stock.socket,
                chunked=stock.chunked_input,
                seconds=self.body_timeout,
            )
        return environ

    # --- answering ---

    def handle_one_response(self) -> None:
        handed, self.handed = self.handed, False
        if not handed and self.server.affinity is not None and self.server.affinity.pass_on(self):
            self.close_connection = True
            return
        super().handle_one_response()
        if getattr(self.wsgi_input, "unread", False):
            self.close_connection = True
            linger(self.rfile, self.socket)

    def run_application(self) -> None:
        refusal = self._offer_websocket()
        if refusal:
            self.start_response(refusal, [("Content-Type", "text/plain"), ("Sec-WebSocket-Version", "13")])
            self.result = [refusal.encode()]
            self.process_result()
            return
        WSGIHandler.run_application(self)

    def _offer_websocket(self) -> str | None:
        """Put `wsgi.websocket` into the environ of a valid upgrade request; the status line of an invalid
        one.
        """
        environ = self.environ
        if environ.get("HTTP_UPGRADE", "").strip().lower() != "websocket":
            return None
        connection = [token.strip() for token in environ.get("HTTP_CONNECTION", "").lower().split(",")]
        if (
            environ["REQUEST_METHOD"] != "GET"
            or "upgrade" not in connection
            or self.request_version != "HTTP/1.1"
        ):
            return "400 Bad Request"
        if environ.get("HTTP_SEC_WEBSOCKET_VERSION", "").strip() != "13":
            return "426 Upgrade Required"
        key = environ.get("HTTP_SEC_WEBSOCKET_KEY", "").strip()
        try:
            length = len(base64.b64decode(key, validate=True))
        except (binascii.Error, ValueError):
            return "400 Bad Request"
        if length != 16:
            return "400 Bad Request"
        environ["wsgi.websocket"] = Offer(key, self)
        return None

    def start_response(self, status, headers, exc_info=None):
        if self.environ.get("HTTP_UPGRADE") or self.server.connections.draining:
            # after a refused upgrade the client may go on in frames; nothing of it must be read as a request
            self.close_connection = True
            headers = [*headers, ("Connection", "close")]
        return WSGIHandler.start_response(self, status, headers, exc_info)

    def switch_protocols(self, headers: list[tuple[str, str]], first: bytes) -> None:
        """Write the 101 and what follows it; whatever the application returns afterwards is not written any
        more.
        """
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        self._orig_status = "101 Switching Protocols"
        self.status, self.code, self.response_headers = b"101 Switching Protocols", 101, []
        self.headers_sent = self.connection_upgraded = self.close_connection = True
        self.socket.sendall(f"HTTP/1.1 101 Switching Protocols\r\n{lines}\r\n".encode("latin-1") + first)

    def log_request(self) -> None:
        """gunicorn's access log, if the operator asked for one, never with the query string."""
        if self.environ is None or not hasattr(self.server.log, "access"):
            return
        full = self.environ
        try:
            path = full.get("RAW_URI", "").split("?", 1)[0]
            self.environ = {**full, "QUERY_STRING": "", "RAW_URI": path}
            PyWSGIHandler.log_request(self)
        finally:
            self.environ = full
