"""HTTP for the worker: gevent's pywsgi, made fit for strangers, and quick.

pywsgi under gunicorn 27.0.1 ignores gunicorn's parser limits. Added here: deadlines for a request head and
for idle connections, refusal of ambiguous message framing (request smuggling), a connection limit that
answers 503 instead of hanging, an access log without query strings, TLS handshakes that may fail quietly, and
WebSocket upgrades that gevent-websocket 0.10.1 would answer with 101 before the application had been asked,
or with 500 when malformed.

Of pywsgi (gevent 26.9.0) there remain the frame of a connection (`WSGIHandler.handle`), the guard around
the application (`handle_one_response`), and what is public: `start_response`, `write`, `environ`. A request
is read by `request_head`, `incoming` and `body`; an answer is made by `response`.
"""

from __future__ import annotations

import base64
import binascii
import errno
import logging
import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import unquote

import gevent
from gevent.pywsgi import WSGIHandler
from gevent.socket import socket as Socket
from geventwebsocket.handler import WebSocketHandler
from gunicorn.workers.ggevent import PyWSGIHandler, PyWSGIServer

from .body import Body, linger
from .connections import Connections
from .incoming import Incoming, incoming
from .request_head import HeadError, RequestHead, end_of_head, parse_head
from .response import ResponseHead
from .upgrade import Offer

if TYPE_CHECKING:
    from .affinity import Affinity

LOG = logging.getLogger(__name__)


def _plain(status: str, text: str) -> bytes:
    fields = f"Connection: close\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}"
    return f"HTTP/1.1 {status}\r\n{fields}\r\n\r\n{text}".encode()


def _logs_access(log) -> bool:
    """Whether a line would be written.

    gunicorn 27.0.1 takes any logging configuration for a wish to have an access log, and makes all the fields
    of a line that its logger then drops (60 us).
    """
    logger = getattr(log, "access_log", None)
    return (
        logger is not None and getattr(log, "access_log_enabled", True) and logger.isEnabledFor(logging.INFO)
    )


class Listener(PyWSGIServer):
    """One listening socket of a worker."""

    tls_timeout = 10.0  # seconds for a TLS handshake
    max_accept = 16  # in one turn of the loop; stock 100 handshakes would keep all others waiting for 20 ms
    connections: Connections
    affinity: Affinity | None = None

    def init_socket(self) -> None:
        super().init_socket()
        # Linux gives it to every connection; without, a second piece of an answer waits 40 ms for Nagle
        if self.socket.family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # asking the listener for these would make an enumeration of each, for every connection
        self._kind = (int(self.socket.family), int(self.socket.type), self.socket.proto)

    def do_read(self) -> tuple[Socket, object] | None:
        try:
            fd, address = self.socket._accept()
        except BlockingIOError:
            return None
        return Socket(*self._kind, fileno=fd), address

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

    head_timeout = 10.0  # seconds for the first request to begin, and for each head, however it drips
    idle_timeout = (
        75.0  # between requests; more than the 60 s a proxy keeps its side, or it would race our close
    )
    body_timeout = 20.0  # for a whole request body
    write_timeout = 20.0  # for one answer

    idle = False
    served = False
    handed = False  # the next request came with the connection from another worker
    head: RequestHead | None = None
    response: ResponseHead | None = None

    def __init__(self, sock, address, server, rfile: Incoming | None = None) -> None:
        super().__init__(sock, address, server, rfile or incoming(sock))
        self._secure = isinstance(sock, ssl.SSLSocket)

    def handle(self) -> None:
        connections = self.server.connections
        connections.add(self)
        try:
            self.socket.settimeout(self.write_timeout)
            if connections.exhausted:
                self._turn_away()
            else:
                super().handle()
        except OSError:
            pass  # the peer went away between two steps
        finally:
            connections.remove(self)
            self._forget()

    def hang_up(self) -> None:
        try:
            self.socket._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def _turn_away(self) -> None:
        self.rfile.patience = 1.0
        self.rfile.read1(16_384)  # unread input would turn the answer into a reset
        self.socket.settimeout(1.0)
        self.socket.sendall(_plain("503 Service Unavailable", "too many connections"))

    # --- reading a request ---

    def handle_one_request(self):
        """As documented, with our own reading; what a request left is let go of before the next one."""
        draining = self.server.connections.draining
        if (draining and not self.handed) or self.rfile.closed:
            return None
        try:
            self.head = self._read_head()
        except TimeoutError as err:
            return self._handle_client_error(err)
        except HeadError as err:
            self._sendall(self._handle_client_error(err)[1])
            linger(self.rfile, self.socket)
            return None
        except (OSError, EOFError):  # the peer has gone
            return None
        if self.head is None:
            return None
        self.environ = self.get_environ()
        self.application = self.server.application
        self.close_connection = not self.head.keeps_alive
        self.handle_one_response()
        self._forget()
        self.served = True
        if self.close_connection or self.rfile.closed:
            return None
        return None if self.server.connections.draining else True

    def _read_head(self) -> RequestHead | None:
        """None when the connection ends, in silence, before the next request."""
        file = self.rfile
        file.patience = self.idle_timeout if self.served else self.head_timeout
        self.idle = True
        try:
            if not file.await_more():
                return None
        except TimeoutError:
            return None
        finally:
            self.idle = False
        file.patience = self.head_timeout
        head = parse_head(file.through(end_of_head))
        self.requestline = f"{head.method} {head.target} {head.version}"
        self.command, self.path, self.request_version = head.method, head.target, head.version
        return head

    def _handle_client_error(self, ex: Exception):
        # the base class logs the raw request line, and with it tokens in the query string
        LOG.info("bad_request", extra={"error": type(ex).__name__})
        if isinstance(ex, TimeoutError):
            return ("408", _plain("408 Request Timeout", "the request came too slowly"))
        status = getattr(ex, "status", "400 Bad Request")
        return (status.split()[0], _plain(status, "the request is malformed"))

    def get_environ(self) -> dict:
        """As the base classes make it, except that only the request's own body can be read from it, also with
        `Upgrade` (pywsgi gives the connection itself then).
        """
        head, server = self.head, self.server
        path, _, query = head.target.partition("?")
        environ = server.get_environ()
        environ.update(head.variables)
        environ["REQUEST_METHOD"] = head.method
        environ["SCRIPT_NAME"] = ""
        environ["PATH_INFO"] = unquote(path, "latin-1") if "%" in path else path
        environ["QUERY_STRING"] = query
        environ["RAW_URI"] = head.target
        environ["SERVER_PROTOCOL"] = head.version
        if type(self.client_address) is tuple:
            environ["REMOTE_ADDR"] = str(self.client_address[0])
            environ["REMOTE_PORT"] = str(self.client_address[1])
        asks = environ.get("HTTP_EXPECT")
        asking = self.socket if asks is not None and asks.lower() == "100-continue" else None
        self.rfile.patience = self.body_timeout
        self.content_length = head.length
        self.wsgi_input = Body(self.rfile, head.length, asking, chunked=head.chunked)
        environ["wsgi.input"] = self.wsgi_input
        environ["wsgi.input_terminated"] = True
        environ["gunicorn.sock"] = self.socket
        environ["engine.full"] = server.connections.full
        return environ

    def _forget(self) -> None:
        """Let go of the request: while the next is waited for, or once the connection is a WebSocket, nobody
        needs it, and environ and handler refer to each other.
        """
        self.environ = self.head = self.wsgi_input = self.response = self.application = None

    # --- answering ---

    def handle_one_response(self) -> None:
        handed, self.handed = self.handed, False
        if not handed and self.server.affinity is not None and self.server.affinity.pass_on(self):
            self.close_connection = True
            return
        super().handle_one_response()
        if self.wsgi_input.unread:
            self.close_connection = True
            if self.socket is not None:
                linger(self.rfile, self.socket)

    def run_application(self) -> None:
        refusal = self._offer_websocket() if "HTTP_UPGRADE" in self.environ else None
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
        if environ["HTTP_UPGRADE"].lower() != "websocket":
            return None
        connection = [token.strip() for token in environ.get("HTTP_CONNECTION", "").lower().split(",")]
        if (
            environ["REQUEST_METHOD"] != "GET"
            or "upgrade" not in connection
            or self.request_version != "HTTP/1.1"
            or self.head.length  # its body would be taken for frames
            or self.head.chunked
        ):
            return "400 Bad Request"
        if environ.get("HTTP_SEC_WEBSOCKET_VERSION", "") != "13":
            return "426 Upgrade Required"
        key = environ.get("HTTP_SEC_WEBSOCKET_KEY", "")
        try:
            length = len(base64.b64decode(key, validate=True))
        except (binascii.Error, ValueError):
            return "400 Bad Request"
        if length != 16:
            return "400 Bad Request"
        environ["wsgi.websocket"] = Offer(key, self)
        return None

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
        """As the base class, without the three system calls and two clocks of gevent's `sendall` where the
        kernel takes everything at once, as it nearly always does. Whatever goes wrong is the client's going:
        pywsgi logs a traceback for a TLS client that vanishes, or one that reads too slowly.
        """
        sent = 0
        try:
            if not self._secure:
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

    # --- the access log ---

    @property
    def headers(self) -> dict[str, str]:
        """The request's, for gunicorn's access log."""
        return dict(self.head.fields()) if self.head is not None else {}

    def log_request(self) -> None:
        """gunicorn's access log, if the operator asked for one, never with the query string."""
        if self.environ is None or not _logs_access(self.server.log):
            return
        full = self.environ
        try:
            path = full.get("RAW_URI", "").split("?", 1)[0]
            self.environ = {**full, "QUERY_STRING": "", "RAW_URI": path}
            PyWSGIHandler.log_request(self)
        finally:
            self.environ = full
