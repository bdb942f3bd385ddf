"""Who is let into a namespace: the connect handler judges, once.

Corrects python-socketio 5.18.1:
* what a connect handler emits goes out after the CONNECT answer, and not at all when the client is refused;
* a refusal is one CONNECT_ERROR; whatever exception the connect handler raises, the client is refused and
  learns nothing about it (stock leaves it connected to nothing, or admits it after calling the handler a
  second time).
"""

import logging
from typing import TYPE_CHECKING

from socketio import packet as sio
from socketio.exceptions import ConnectionRefusedError as Refusal

from .members import Member
from .packets import bundle
from .reasons import Postponed, Reason

if TYPE_CHECKING:
    from .server import Server

LOG = logging.getLogger(__name__)

MAX_NAMESPACES = 16  # per transport; only matters where every namespace is served
INTERNAL_ERROR = {"message": "Internal error"}
INVALID_NAMESPACE = {"message": "Invalid namespace"}


def admit(server: "Server", eio_sid: str, namespace: str, data: dict | None) -> None:
    """Answer a CONNECT: let the client into the namespace, or tell it why not."""
    if not server._serves(namespace) or len(server.manager.of_transport(eio_sid)) >= MAX_NAMESPACES:
        _answer(server, eio_sid, namespace, sio.CONNECT_ERROR, INVALID_NAMESPACE)
        return
    if eio_sid not in server.environ:  # the session ended before its turn came
        return
    sid = server.manager.pre_connect(eio_sid, namespace)
    if sid is None:
        server.end(eio_sid, Reason.PARSE_ERROR)  # a second CONNECT, as the Node server treats it
        return
    member = server.manager.member(sid, namespace)
    member.session = server.eio.sockets.get(eio_sid)
    try:
        refusal = _judge(server, eio_sid, namespace, member, data)
    except Postponed:
        server.manager.disconnect(sid, namespace, ignore_queue=True)
        server.end(eio_sid, Reason.TRY_LATER, 1013)
        server._forget(eio_sid)
        return
    if refusal is None and member.session is not None:
        member.session.accepted()
    if refusal is not None:
        server.manager.disconnect(sid, namespace, ignore_queue=True)
        if member.gone is None:
            _refuse(server, eio_sid, namespace, refusal)
        else:
            server._forget(eio_sid)
        return
    fields, member.answer = {"sid": sid, **(member.answer or {})}, None
    answer = bundle(server.packet_class(sio.CONNECT, data=fields, namespace=namespace))
    server.manager.connect(sid, namespace, answer if member.gone is None else None)
    if member.gone is not None:  # it left while its handler ran; the application has to hear of that too
        server._handle_disconnect(eio_sid, namespace, member.gone)
        server._forget(eio_sid)


def _judge(server: "Server", eio_sid: str, namespace: str, member: Member, data: dict | None) -> dict | None:
    """Run the connect handler once; None admits the client, anything else is what it is told."""
    try:
        answer = server._trigger_event(
            "connect", namespace, member.sid, server.get_environ(member.sid, namespace), data
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


def _refuse(server: "Server", eio_sid: str, namespace: str, refusal: dict) -> None:
    try:
        _answer(server, eio_sid, namespace, sio.CONNECT_ERROR, refusal)
    except (TypeError, ValueError):  # the application's data has no JSON; the client is owed an answer
        LOG.exception("connect_error_unsendable")
        _answer(server, eio_sid, namespace, sio.CONNECT_ERROR, INTERNAL_ERROR)


def _answer(server: "Server", eio_sid: str, namespace: str, kind: int, data: dict) -> None:
    server._send_packet(eio_sid, server.packet_class(kind, data=data, namespace=namespace))
