"""HTTP for the worker: gevent's pywsgi, made fit for strangers, and quick.

pywsgi under gunicorn 27.0.1 ignores gunicorn's parser limits. Added here: deadlines for a request head and
for idle connections, refusal of ambiguous message framing (request smuggling), a connection limit that
answers 503 instead of hanging, and WebSocket upgrades that gevent-websocket 0.10.1 would answer with 101
before the application had been asked, or with 500 when malformed.

Of pywsgi (gevent 26.9.0) there remain the frame of a connection (`WSGIHandler.handle`), the guard around
the application (`handle_one_response`), and what is public: `start_response`, `write`, `environ`. A request
is read by `request_head`, `incoming` and `body`; `answering` writes.
"""

from __future__ import annotations

import logging
import socket
import ssl
from urllib.parse import unquote

from gevent.pywsgi import WSGIHandler

from .answering import AnsweringHandler
from .body import Body, linger
from .express import expressed
from .incoming import Incoming, incoming
from .request_head import HeadError, RequestHead, end_of_head, parse_head
from .upgrade import offer

LOG = logging.getLogger(__name__)


def _plain(status: str, text: str) -> bytes:
    fields = f"Connection: close\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}"
    return f"HTTP/1.1 {status}\r\n{fields}\r\n\r\n{text}".encode()


class Handler(AnsweringHandler):
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

    def __init__(self, sock, address, server, rfile: Incoming | None = None) -> None:
        super().__init__(sock, address, server, rfile or incoming(sock))
        self.secure = isinstance(sock, ssl.SSLSocket)

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
        if self.server.express is not None and not draining and self._express():
            return True
        self.environ = self.get_environ()
        self.application = self.server.application
        self.close_connection = not self.head.keeps_alive
        self.handle_one_response()
        self._forget()
        self.served = True
        if self.close_connection or self.rfile.closed:
            return None
        return None if self.server.connections.draining else True

    def _express(self) -> bool:
        """Answer without WSGI, if the application takes the request so."""
        address = self.client_address
        if type(address) is not tuple:
            return False
        scheme = "https" if self.secure else "http"
        answer = expressed(self.server.express, self.head, self.rfile, str(address[0]), scheme)
        if answer is None:
            return False
        self._sendall(answer)
        self.head, self.served = None, True
        return True

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

    # --- serving it ---

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
        refusal = offer(self) if "HTTP_UPGRADE" in self.environ else None
        if refusal:
            self.start_response(refusal, [("Content-Type", "text/plain"), ("Sec-WebSocket-Version", "13")])
            self.result = [refusal.encode()]
            self.process_result()
            return
        WSGIHandler.run_application(self)
