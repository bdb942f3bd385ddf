"""The Socket.IO server: what a packet from a client leads to.

Corrects python-socketio 5.18.1:
* what a connect handler emits goes out after the CONNECT answer, and not at all when the client is refused;
* a refusal is one CONNECT_ERROR; whatever exception the connect handler raises, the client is refused and
  learns nothing about it (stock leaves it connected to nothing, or admits it after calling the handler a
  second time);
* the events of one client are handled in order, one at a time;
* `disconnect` also ends a transport that carries nothing any more;
* a malformed packet ends its session;
* an event that a client calls `*` is one that nobody handles (stock calls the catch-all handler with the
  client's own arguments in place of event and id).
"""

import logging
import time
from collections.abc import Callable
from functools import partial

import socketio
from socketio import packet as sio
from socketio.exceptions import ConnectionRefusedError as Refusal

from .environ import OPENED, Environ, Keeper, KeptEnviron
from .members import Member
from .packets import bundle
from .reasons import Limits, Postponed, Reason
from .receiver import PacketError
from .rooms import RoomManager
from .session import Session
from .transport import TransportServer

LOG = logging.getLogger(__name__)

MAX_NAMESPACES = 16  # per transport; only matters where every namespace is served
INTERNAL_ERROR = {"message": "Internal error"}
_STAR = object()  # a name that no handler has
INVALID_NAMESPACE = {"message": "Invalid namespace"}


class Server(socketio.Server):
    """`on_drop(sid, reason)` is called, in a greenlet of its own, for a client that could not keep up."""

    manager: RoomManager
    eio: TransportServer

    def __init__(
        self, *, limits: Limits, on_drop: Callable[[str, str], None] | None = None, **options: object
    ) -> None:
        super().__init__(limits=limits, **options)
        self._on_drop = on_drop
        self._keeper = Keeper()
        self.manager.max_event_bytes = limits.max_queue_bytes
        self.eio.joined = self._joined
        self.eio.dropped = self._dropped
        self.eio.carried = lambda session: self.manager.carried(session.sid)

    def _engineio_server_class(self) -> type[TransportServer]:
        return TransportServer

    # --- sending ---

    def emit(
        self, event, data=None, to=None, room=None, skip_sid=None, namespace=None, callback=None, **kwargs
    ):
        """As documented, except that an empty `to` reaches nobody (stock 5.18.1: everybody)."""
        target = room if to is None else to
        self.manager.emit(event, data, namespace or "/", room=target, skip_sid=skip_sid, callback=callback)

    def _send_packet(self, eio_sid: str, pkt) -> None:
        self._send_eio_packet(eio_sid, bundle(pkt))

    def _send_eio_packet(self, eio_sid: str, eio_pkt) -> bool:
        return self.eio.send_packet(eio_sid, eio_pkt)

    def get_environ(self, sid: str, namespace: str | None = None) -> Environ | dict | None:
        """As documented: the environ of the handshake. Made for the caller; see `environ`."""
        kept = super().get_environ(sid, namespace)
        return kept.environ() if isinstance(kept, KeptEnviron) else kept

    # --- ending ---

    def disconnect(self, sid: str, namespace: str | None = None, ignore_queue: bool = False) -> None:
        """Disconnect a client from a namespace, and for good when that was its last one."""
        namespace = namespace or "/"
        # with a message queue, `can_disconnect` asks the other workers when the client is not here
        here = self.manager.is_connected if ignore_queue else self.manager.can_disconnect
        if not here(sid, namespace):
            return
        eio_sid = self.manager.eio_sid_from_sid(sid, namespace)
        self._send_packet(eio_sid, self.packet_class(sio.DISCONNECT, namespace=namespace))
        self._handle_disconnect(eio_sid, namespace, self.reason.SERVER_DISCONNECT)
        if not self.manager.of_transport(eio_sid):
            self.end(eio_sid, Reason.SERVER_DISCONNECT)

    def end(self, eio_sid: str, reason: str, code: int = 1000) -> None:
        """End a transport and all its namespaces; returns at once. `code` is for a WebSocket."""
        session = self.eio.sockets.get(eio_sid)
        if session is not None:
            session.close(reason, code)
        else:  # Flask-SocketIO's test client has no transport
            self._handle_eio_disconnect(eio_sid, reason)

    def _dropped(self, session: Session, reason: str) -> None:
        if self._on_drop is not None:
            for _, member in self.manager.of_transport(session.sid):
                self.start_background_task(self._on_drop, member.sid, str(reason))

    def _joined(self, eio_sid: str) -> bool:
        return any(self.manager.is_connected(m.sid, ns) for ns, m in self.manager.of_transport(eio_sid))

    # --- from the transport ---

    def _handle_eio_connect(self, eio_sid: str, environ: dict) -> None:
        super()._handle_eio_connect(eio_sid, self._keeper.keep({**environ, OPENED: time.time()}))

    def _handle_eio_message(self, eio_sid: str, data: str | bytes) -> None:
        """Decode here, where a malformed packet can be blamed; handle in the client's lane, in order."""
        partial_packet = self._binary_packet.get(eio_sid)
        if partial_packet is not None:
            self._add_attachment(eio_sid, partial_packet, data)
            return
        if not data:
            raise PacketError("an empty message")
        packet = self.packet_class(encoded_packet=data)
        if packet.attachment_count:
            if not self.manager.sid_from_eio_sid(eio_sid, packet.namespace or "/"):
                raise PacketError("attachments before CONNECT")
            self._binary_packet[eio_sid] = packet
            return
        self._dispatch(eio_sid, packet)

    def _add_attachment(self, eio_sid: str, packet, data: str | bytes) -> None:
        limit = self.eio.max_http_buffer_size
        if sum(map(len, packet.attachments)) + len(data) > limit:
            raise PacketError(f"attachments are limited to {limit} bytes together")
        if packet.add_attachment(data):
            del self._binary_packet[eio_sid]
            self._dispatch(eio_sid, packet)

    def _dispatch(self, eio_sid: str, packet) -> None:
        kind, namespace = packet.packet_type, packet.namespace or "/"
        if kind == sio.CONNECT:
            self._in_order(eio_sid, self._handle_connect, namespace, packet.data)
        elif kind == sio.DISCONNECT:
            self._in_order(eio_sid, self._handle_disconnect, namespace, self.reason.CLIENT_DISCONNECT)
        elif kind in (sio.EVENT, sio.BINARY_EVENT):
            self._in_order(eio_sid, self._handle_event, namespace, packet.id, packet.data)
        elif kind in (sio.ACK, sio.BINARY_ACK):  # beside the lane: a handler there may be waiting for it
            self._handle_ack(eio_sid, namespace, packet.id, packet.data)
        else:
            raise PacketError("the packet type is not for clients")

    def _in_order(self, eio_sid: str, function: Callable, *arguments: object) -> None:
        session = self.eio.sockets.get(eio_sid)
        if session is not None:  # whatever `async_handlers` says: this may be the event loop's callback
            session.lane.add(partial(function, eio_sid, *arguments))
        else:  # Flask-SocketIO's test client
            function(eio_sid, *arguments)

    def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        self._binary_packet.pop(eio_sid, None)
        for namespace, member in self.manager.of_transport(eio_sid):
            if self.manager.is_pre_connected(member.sid, namespace):
                member.gone = reason  # its connect handler is still running and finishes the work
            else:
                self._handle_disconnect(eio_sid, namespace, reason)
        self._forget(eio_sid)

    def _forget(self, eio_sid: str) -> None:
        if not self.manager.of_transport(eio_sid):
            self.environ.pop(eio_sid, None)

    # --- connect and disconnect ---

    def _serves(self, namespace: str) -> bool:
        return (
            namespace in self.handlers or namespace in self.namespace_handlers
            or self.namespaces == '*' or namespace in self.namespaces
        )  # fmt: skip

    def _handle_connect(self, eio_sid: str, namespace: str, data: dict | None) -> None:
        namespace = namespace or "/"
        if not self._serves(namespace) or len(self.manager.of_transport(eio_sid)) >= MAX_NAMESPACES:
            self._answer(eio_sid, namespace, sio.CONNECT_ERROR, INVALID_NAMESPACE)
            return
        if eio_sid not in self.environ:  # the session ended before its turn came
            return
        sid = self.manager.pre_connect(eio_sid, namespace)
        if sid is None:
            self.end(eio_sid, Reason.PARSE_ERROR)  # a second CONNECT, as the Node server treats it
            return
        member = self.manager.member(sid, namespace)
        member.session = self.eio.sockets.get(eio_sid)
        try:
            refusal = self._judge(eio_sid, namespace, member, data)
        except Postponed:
            self.manager.disconnect(sid, namespace, ignore_queue=True)
            self.end(eio_sid, Reason.TRY_LATER, 1013)
            self._forget(eio_sid)
            return
        if refusal is None and member.session is not None:
            member.session.accepted()
        if refusal is not None:
            self.manager.disconnect(sid, namespace, ignore_queue=True)
            if member.gone is None:
                self._refuse(eio_sid, namespace, refusal)
            else:
                self._forget(eio_sid)
            return
        fields, member.answer = {"sid": sid, **(member.answer or {})}, None
        answer = bundle(self.packet_class(sio.CONNECT, data=fields, namespace=namespace))
        self.manager.connect(sid, namespace, answer if member.gone is None else None)
        if member.gone is not None:  # it left while its handler ran; the application has to hear of that too
            self._handle_disconnect(eio_sid, namespace, member.gone)
            self._forget(eio_sid)

    def _judge(self, eio_sid: str, namespace: str, member: Member, data: dict | None) -> dict | None:
        """Run the connect handler once; None admits the client, anything else is what it is told."""
        try:
            answer = self._trigger_event(
                "connect", namespace, member.sid, self.get_environ(member.sid, namespace), data
            )
        except Postponed:
            raise
        except Refusal as err:
            return member.refusal or err.error_args
        except Exception:
            LOG.exception("connect_handler_failed")
            return member.refusal or INTERNAL_ERROR
        if member.refusal is None and answer is False:
            return Refusal().error_args
        return member.refusal  # set by SocketIO even where a namespace's error hook swallowed the exception

    def _refuse(self, eio_sid: str, namespace: str, refusal: dict) -> None:
        try:
            self._answer(eio_sid, namespace, sio.CONNECT_ERROR, refusal)
        except (TypeError, ValueError):  # the application's data has no JSON; the client is owed an answer
            LOG.exception("connect_error_unsendable")
            self._answer(eio_sid, namespace, sio.CONNECT_ERROR, INTERNAL_ERROR)

    def _answer(self, eio_sid: str, namespace: str, kind: int, data: dict) -> None:
        self._send_packet(eio_sid, self.packet_class(kind, data=data, namespace=namespace))

    def _handle_disconnect(self, eio_sid: str, namespace: str, reason: str | None = None) -> None:
        namespace = namespace or "/"
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
        if not self.manager.is_connected(sid, namespace):
            return
        self.manager.pre_disconnect(sid, namespace)
        self._binary_packet.pop(eio_sid, None)
        try:
            self._trigger_event("disconnect", namespace, sid, reason or self.reason.CLIENT_DISCONNECT)
        except Exception:
            LOG.exception("disconnect_handler_failed")
        finally:
            self.manager.disconnect(sid, namespace, ignore_queue=True)
        session = self.eio.sockets.get(eio_sid)
        if session is not None and not session.closing:
            session.expect_namespace()

    # --- events and acknowledgements ---

    def _get_event_handler(self, event: object, namespace: str, args: tuple) -> tuple:
        if event != "*":
            return super()._get_event_handler(event, namespace, args)
        handler, args = super()._get_event_handler(_STAR, namespace, args)
        return handler, tuple("*" if arg is _STAR else arg for arg in args)

    def _handle_event(self, eio_sid: str, namespace: str, id: int | None, data: list) -> None:
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace or "/")
        if self.manager.is_connected(sid, namespace or "/"):
            self._handle_event_internal(self, sid, eio_sid, data, namespace or "/", id)

    def _handle_ack(self, eio_sid: str, namespace: str, id: int, data: list) -> None:
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace or "/")
        callback = self.manager.take_callback(sid, id, namespace or "/")
        if callback is None:
            return
        if eio_sid in self.eio.sockets:
            self.start_background_task(callback, *data)
        else:
            callback(*data)
