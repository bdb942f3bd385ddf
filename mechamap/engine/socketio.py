"""SocketIO: Flask-SocketIO 5.7.0's class with this engine underneath.

Everything Flask-SocketIO documents works as documented. Options that would take a guarantee away are refused
by name instead of being ignored: `always_connect` (admits before judging) and `monitor_clients=False` (dead
peers would stay).
"""

import logging
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING

import engineio
import flask_socketio
import socketio
from flask_socketio import _SocketIOMiddleware
from socketio import packet as sio
from socketio.exceptions import ConnectionRefusedError as Refusal

from .admission import INTERNAL_ERROR
from .development import serve
from .flusher import Flusher
from .handlers import takes_argument, without_traceback
from .inspection import Backlog, ConnectionInfo, backlog_of, info_of
from .options import check_names, logger_of, refuse, take_limits
from .packets import Sendable
from .queued import client_manager
from .reasons import Postponed, Reason
from .serializer import packet_class
from .server import Server

if TYPE_CHECKING:
    from .session import Session

LOG = logging.getLogger(__name__)
_STOCK = (socketio.base_server.BaseServer, engineio.base_server.BaseServer)


class SocketIO(flask_socketio.SocketIO):
    """Flask-SocketIO with bounded, ordered, honest delivery.

    Options besides the stock ones: the fields of `reasons.Limits`, chiefly `connect_timeout` (10 s to be
    accepted into a namespace) and `max_queue_bytes` (1 MiB may wait for one client); and
    `on_drop(sid, reason)`, called for a client that was closed because it could not keep up.
    """

    server: Server

    def __init__(self, app=None, **options: object) -> None:
        queue = options.pop("message_queue", None)  # stock would call init_app before the rest is there
        super().__init__(**options)
        if queue:
            self.server_options["message_queue"] = queue
        if app is not None or queue:
            self.init_app(app)

    def init_app(self, app, **options: object) -> None:
        """Build the server and put it in front of the app. Stock hard-wires socketio.Server here."""
        self.server_options.update(options)
        options = dict(self.server_options)
        self.manage_session = options.pop("manage_session", self.manage_session)
        refuse(options, "SocketIO")
        check_names(options, "SocketIO", _STOCK, ("path", "resource", "on_drop", "message_queue", "channel"))
        resource = (options.pop("path", None) or options.pop("resource", None) or "socket.io").lstrip("/")
        self.server = Server(
            async_mode="gevent",
            client_manager=client_manager(options, write_only=app is None),
            serializer=packet_class(options.pop("serializer", "default"), options.pop("json", None), app),
            logger=logger_of(options.pop("logger", False), "socketio"),
            engineio_logger=logger_of(options.pop("engineio_logger", False), "engineio"),
            limits=take_limits(options),
            **options,
        )
        self.async_mode = self.server.async_mode
        for event, handler, namespace in self.handlers:
            self.server.on(event, handler, namespace=namespace)
        for namespace_handler in self.namespace_handlers:
            self.server.register_namespace(namespace_handler)
        if app is not None:
            app.extensions["socketio"] = self
            self.sockio_mw = _SocketIOMiddleware(self.server, app, socketio_path=resource)
            app.wsgi_app = self.sockio_mw

    # --- sending ---

    def emit(self, event: str, *args: object, **kwargs: object) -> None:
        """As documented, except that an empty `to` or `room` reaches nobody (stock 5.7.0: everybody)."""
        target = kwargs.get("to") if kwargs.get("to") is not None else kwargs.get("room")
        if target is not None and not target:
            return
        super().emit(event, *args, **kwargs)

    def deliver(
        self,
        rooms: Iterable[str],
        event: str,
        args: tuple,
        *,
        skip: Collection[str] = (),
        namespace: str = "/",
    ) -> int:
        """Send one event to the union of the local members of the rooms: encoded once, each socket once.

        `skip` holds Socket.IO ids. Gives the number of sockets it was queued for. Never yields between the
        first and the last of them, so two deliveries reach every common member in the same order. ValueError,
        before anybody got anything, for data that is not JSON or an event larger than `max_queue_bytes`.
        """
        return self.server.manager.deliver(rooms, event, args, skip=skip, namespace=namespace)

    def deliver_encoded(
        self,
        rooms: Iterable[str],
        encoded: Sendable,
        *,
        skip: Collection[str] = (),
        namespace: str = "/",
    ) -> int:
        """`deliver` for an event that is encoded already (`packets.event_packet`)."""
        return self.server.manager.deliver_encoded(rooms, encoded, skip=skip, namespace=namespace)

    def deliver_to(self, sids: Collection[str], encoded: Sendable, *, namespace: str = "/") -> int:
        """`deliver_encoded` to these local sockets; ids of others are ignored."""
        return self.server.manager.deliver_to(sids, encoded, namespace)

    def occupied(self, room: str, *, namespace: str = "/") -> bool:
        """Whether the room has local members."""
        return self.server.manager.occupied(room, namespace)

    def sids_in(self, rooms: Iterable[str], *, namespace: str = "/") -> set[str]:
        """The ids of the local members of the rooms."""
        return self.server.manager.sids_in(rooms, namespace)

    def send_to(self, sid: str, event: str, *args: object, namespace: str = "/") -> bool:
        """Send one event to exactly one local socket; False when it is not here."""
        return self.server.manager.send_to(sid, event, args, namespace)

    def send_encoded_to(self, sid: str, encoded: Sendable, *, namespace: str = "/") -> bool:
        """`send_to` for an event that is encoded already."""
        return self.server.manager.send_encoded_to(sid, encoded, namespace)

    def answer_with(self, sid: str, fields: dict[str, object], *, namespace: str = "/") -> None:
        """For a connect handler: more fields of the CONNECT answer, beside `sid`."""
        member = self.server.manager.member(sid, namespace)
        if member is not None:
            member.answer = fields

    # --- connections ---

    def close(self, sid: str, reason: str = Reason.SERVER_DISCONNECT) -> bool:
        """Really end a connection: DISCONNECT, disconnect handlers with `reason`, transport cut in a second.

        Returns at once; False when there is no such socket here.
        """
        member = self.server.manager.member(sid, "/")
        if member is None:
            return False
        if self.server.manager.is_connected(sid, "/"):
            self.server._send_packet(member.eio_sid, self.server.packet_class(sio.DISCONNECT, namespace="/"))
        self.server.end(member.eio_sid, reason)
        return True

    def ping(self, sid: str) -> None:
        """Ping a local socket now; whether it answered, `answers` tells."""
        session = self._session(sid)
        if session is not None and not session.closing:
            session.probe()

    def answers(self, sid: str) -> bool:
        """Whether a local socket has answered every ping so far."""
        session = self._session(sid)
        return session is not None and not session.closing and session.answering

    def _session(self, sid: str) -> "Session | None":
        member = self.server.manager.member(sid, "/")
        return self.server.eio.sockets.get(member.eio_sid) if member is not None else None

    def connections(self) -> list[ConnectionInfo]:
        """The accepted sockets of the default namespace on this worker."""
        return [info_of(self.server, member) for member in self.server.manager.members("/")]

    def connection(self, sid: str) -> ConnectionInfo | None:
        """The accepted socket of this id, if it is in the default namespace on this worker."""
        manager = self.server.manager
        return info_of(self.server, manager.member(sid, "/")) if manager.is_connected(sid, "/") else None

    @property
    def flusher(self) -> Flusher:
        """What writes: it tells when a broadcast to a large room was written (`when_written`)."""
        return self.server.eio.flusher

    def backlog(self) -> Backlog:
        """What waits for clients that do not read. Clients that poll are not among them."""
        return backlog_of(self.flusher)

    @property
    def draining(self) -> bool:
        """Whether this worker is on its way out: not ready for new clients."""
        return self.server.eio.draining

    def run(self, app, host: str | None = None, port: int | None = None, **options: object) -> None:
        """Serve the app from this process, as documented, for development; production has gunicorn and
        `engine.worker`. See `development`.
        """
        serve(self, app, host, port, options)

    # --- handlers ---

    def _handle_event(self, handler: Callable, message: str, namespace: str, sid: str, *args: object):
        """Call connect and disconnect handlers once, whatever they raise.

        Stock 5.7.0 takes a TypeError for a wrong signature and calls the handler again without its argument:
        a bug in `def connect(auth=None)` admits the client. An error hook that returns None admits it as
        well.
        """
        if message not in ("connect", "disconnect"):
            return super()._handle_event(without_traceback(handler), message, namespace, sid, *args)
        offered = args[1:2] if message == "connect" else args[:1]
        accepted = offered if takes_argument(handler) else ()
        failure: list[Exception] = []

        def once(*_: object) -> object:
            try:
                return handler(*accepted)
            except Exception as err:
                failure.append(err)
                return False

        answer = super()._handle_event(without_traceback(once), message, namespace, sid, *args)
        if failure and message == "connect" and isinstance(failure[0], Postponed):
            raise failure[0]
        if failure:
            self._report(failure[0], message, namespace, sid)
        return answer

    def _report(self, error: Exception, message: str, namespace: str, sid: str) -> None:
        member = self.server.manager.member(sid, namespace)
        if message == "connect" and member is not None:
            member.refusal = error.error_args if isinstance(error, Refusal) else INTERNAL_ERROR
        if isinstance(error, Refusal):
            return
        LOG.error("%s_handler_failed", message, exc_info=error)
        hook = self.exception_handlers.get(namespace, self.default_exception_handler)
        if hook is not None:
            hook(error)
