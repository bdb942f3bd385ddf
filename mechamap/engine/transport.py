"""The Engine.IO 4 server: HTTP requests in, sessions out.

Keeps python-engineio 4.15.1's constructor, options, CORS and compression, and replaces its request handling,
which departs from the protocol (a missing transport means polling, PUT gets 405, a POST answers `OK`, an
upgraded session still takes polls), trusts `X-Forwarded-Host` from anybody, and logs session ids, which are
bearer secrets. Errors carry the `{"code", "message"}` body of the Node server.
"""

import logging
from collections.abc import Callable, Iterable
from functools import lru_cache
from urllib.parse import parse_qs

import engineio

from .candidate import Candidate
from .clock import Clock
from .farewells import Farewells
from .flusher import Flusher
from .ids import new_id
from .packets import EnginePacket, Sendable
from .polling import SEPARATOR, Delivery, PollError, poll, post
from .reasons import Limits, Reason
from .receiver import PacketError
from .session import Session
from .slots import current_slot
from .strict_json import StrictJSON
from .upgrade import Offer

LOG = logging.getLogger(__name__)

_ERRORS = {
    0: ("400 Bad Request", "Transport unknown"),
    1: ("400 Bad Request", "Session ID unknown"),
    2: ("400 Bad Request", "Bad handshake method"),
    3: ("400 Bad Request", "Bad request"),
    4: ("403 Forbidden", "Forbidden"),
    5: ("400 Bad Request", "Unsupported protocol version"),
}


def _parsed(query: str) -> dict[str, list[str]]:
    # thousands of browsers open with the same few; what is long or names a session is of one browser
    return parse_qs(query) if len(query) > 60 or "sid=" in query else _parsed_once(query)


_parsed_once = lru_cache(maxsize=128)(parse_qs)


class Refused(Exception):
    """The request is answered with one of the protocol's errors."""

    def __init__(self, code: int) -> None:
        super().__init__(_ERRORS[code][1])
        self.code = code


class TransportServer(engineio.Server):
    """Owns the sessions of this worker. The Socket.IO server above it sets `joined`, `dropped` and
    `carried`."""

    def __init__(self, *, limits: Limits, **options: object) -> None:
        super().__init__(**options)
        self.limits = limits
        self.clock = Clock()
        self.flusher = Flusher(self.clock, limits)
        self.farewells = Farewells()
        self.draining = False
        self.joined: Callable[[str], bool] = lambda eio_sid: True
        self.dropped: Callable[[Session, str], None] = lambda session, reason: None
        self.carried: Callable[[Session], None] = lambda session: None  # a WebSocket took it over

    # --- what python-socketio asks for ---

    def generate_id(self) -> str:
        return new_id(current_slot())

    def send(self, sid: str, data: str | bytes) -> bool:
        return self.send_packet(sid, EnginePacket(4, data))

    def send_packet(self, sid: str, pkt: Sendable) -> bool:
        session = self.sockets.get(sid)
        return session is not None and session.send(pkt)

    def get_session(self, sid: str) -> dict:
        """As documented. Only sessions that are asked for have the dictionary (64 bytes each)."""
        session = self._get_socket(sid)
        if session.session is None:
            session.session = {}
        return session.session

    def disconnect(self, sid: str | None = None, reason: str = Reason.SERVER_DISCONNECT) -> None:
        """End one session, or all; returns at once."""
        sessions = list(self.sockets.values()) if sid is None else filter(None, [self.sockets.get(sid)])
        for session in sessions:
            session.close(reason)

    def shutdown(self) -> None:
        self.clock.stop()

    # --- what sessions report ---

    def message(self, session: Session, data: str | bytes) -> None:
        """Hand a message to the Socket.IO layer; only a PacketError comes back."""
        try:
            self.handlers["message"](session.sid, data)
        except PacketError:
            raise
        except Exception:
            LOG.exception("event_handler_failed")

    def ended(self, session: Session) -> None:
        """Tell the Socket.IO layer that a session is over."""
        try:
            self.handlers["disconnect"](session.sid, str(session.close_reason))
        except Exception:
            LOG.exception("disconnect_handler_failed")

    # --- HTTP ---

    def handle_request(self, environ: dict, start_response: Callable) -> Iterable[bytes]:
        try:
            self._check_origin(environ)
            if environ["REQUEST_METHOD"] == "OPTIONS":
                return self._reply(environ, start_response, "200 OK", b"")
            return self._dispatch(environ, start_response)
        except Refused as refused:
            status, message = _ERRORS[refused.code]
            body = StrictJSON.dumps({"code": refused.code, "message": message}).encode()
            return self._reply(environ, start_response, status, body, "application/json")
        except PollError as err:
            body = StrictJSON.dumps({"code": 3, "message": str(err)}).encode()
            return self._reply(environ, start_response, err.status, body, "application/json")

    def _check_origin(self, environ: dict) -> None:
        origin = environ.get("HTTP_ORIGIN")
        if origin and self.cors_allowed_origins != []:
            allowed = self._cors_allowed_origins(environ)
            if allowed is not None and origin not in allowed:
                raise Refused(4)

    def _cors_allowed_origins(self, environ: dict) -> list[str] | None:
        if (
            self.cors_allowed_origins is None
        ):  # same origin as the application sees it, after its own ProxyFix
            return [f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST', '')}"]
        return super()._cors_allowed_origins(environ)

    def _dispatch(self, environ: dict, start_response: Callable) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        query = _parsed(environ.get("QUERY_STRING", ""))
        transport, sid = query.get("transport", [""])[0], query.get("sid", [None])[0]
        if transport not in self.transports:
            raise Refused(0)
        if query.get("EIO", [None if sid is None else "4"]) != ["4"]:
            raise Refused(5)
        if "j" in query:  # JSONP went with Engine.IO 3
            raise Refused(3)
        if method not in ("GET", "POST") or (sid is None and method == "POST"):
            raise Refused(2)
        offer = environ.get("wsgi.websocket") if transport == "websocket" and method == "GET" else None
        if transport == "websocket" and not isinstance(offer, Offer):
            raise Refused(3)
        if sid is None:
            return self._open(environ, start_response, offer)
        session = self.sockets.get(sid)
        if session is None or session.over:
            raise Refused(1)
        if not session.connected or session.upgraded:
            raise Refused(3)
        if offer is not None:
            return self._upgrade(session, offer)
        if method == "POST":
            post(session, environ, self.max_http_buffer_size)
            return self._reply(environ, start_response, "200 OK", b"ok", "text/html")
        return self._poll(environ, start_response, session)

    def _open(self, environ: dict, start_response: Callable, offer: Offer | None) -> Iterable[bytes]:
        if self.draining or environ.get("engine.full"):
            return self._reply(environ, start_response, "503 Service Unavailable", b"no new sessions")
        session = Session(self, self.limits)
        self.sockets[session.sid] = session
        upgradable = offer is None and self.allow_upgrades and "websocket" in self.transports
        session.open(
            ["websocket"] if upgradable else [],
            self.ping_interval + self.ping_interval_grace_period,
            self.max_http_buffer_size,
        )
        refusal = self._admit(session, environ)
        if refusal is not None:
            session.forget()
            return self._reply(environ, start_response, "401 Unauthorized", refusal, "application/json")
        if offer is None:
            session.connected = True
            return self._poll(environ, start_response, session, self._cookie(session.sid))
        waiting = session.outbox.take()  # goes with the 101, in one write
        try:
            connection, early = offer.accept(
                self.flusher, self.max_http_buffer_size, b"".join([bundle.frame for bundle in waiting])
            )
        except OSError:
            session.close(Reason.TRANSPORT_ERROR)
            return []
        session.outbox.sent(waiting)
        if session.closing:  # it ended while the WebSocket was being opened
            connection.abort()
        else:
            session.carry(connection)
            connection.start(session, early)
        return []

    def _admit(self, session: Session, environ: dict) -> bytes | None:
        """Tell the application of a new session; the body of the refusal when it wants none of it."""
        self.handlers["connect"](session.sid, environ)
        session.expect_namespace()
        return None

    def _upgrade(self, session: Session, offer: Offer) -> Iterable[bytes]:
        if not self.allow_upgrades or session.candidate is not None:
            raise Refused(3)
        candidate = session.candidate = Candidate(session)  # first: accepting may wait, and there is only one
        try:
            connection, early = offer.accept(self.flusher, self.max_http_buffer_size)
        except OSError:
            candidate.abandon()
        else:
            candidate.start(connection, early)
        return []

    def _cookie(self, sid: str) -> list[tuple[str, str]]:
        if not self.cookie:
            return []
        plain = {"name": self.cookie, "path": "/", "SameSite": "Lax"}
        attributes = self.cookie if isinstance(self.cookie, dict) else plain
        return [("Set-Cookie", self._generate_sid_cookie(sid, attributes))]

    def _poll(self, environ, start_response, session: Session, headers=()) -> Iterable[bytes]:
        packets = poll(session, environ.get("gunicorn.sock"))
        body = SEPARATOR.join([packet.encode(b64=True) for packet in packets]).encode()
        body, extra = self._compress(environ, body)
        chunks = self._reply(environ, start_response, "200 OK", body, headers=[*headers, *extra])
        return Delivery(chunks[0], session)

    def _compress(self, environ: dict, body: bytes) -> tuple[bytes, list[tuple[str, str]]]:
        if self.http_compression and len(body) >= self.compression_threshold:
            for coding in environ.get("HTTP_ACCEPT_ENCODING", "").split(","):
                name = coding.split(";")[0].strip()
                if name in self.compression_methods:
                    return getattr(self, "_" + name)(body), [("Content-Encoding", name)]
        return body, []

    def _reply(
        self, environ, start_response, status: str, body: bytes, kind="text/plain; charset=UTF-8", headers=()
    ):
        common = [("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
        cors = [] if status.startswith("403") else [("Vary", "Origin"), *self._cors_headers(environ)]
        start_response(status, [*common, *headers, *cors])
        return [body]
