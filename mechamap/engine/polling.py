"""Engine.IO over HTTP long polling: a GET waits for packets, a POST brings them.

Where python-engineio 4.15.1 answers `OK` to a payload it threw away (more than 16 packets, or malformed),
lets two polls wait at once and keeps queueing for an aborted poll, here the session ends and the client is
told.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

import gevent
from engineio import packet as eio

from .packets import EnginePacket
from .reasons import Reason
from .receiver import PacketError

if TYPE_CHECKING:
    from .session import Session

NOOP = EnginePacket(eio.NOOP)
SEPARATOR = "\x1e"
MAX_PACKETS = 256  # in one POST; stock 16 loses events of any client that emits in a burst
_UPGRADE_PAUSE = 0.1  # a client that polls while it upgrades must not spin


class PollError(Exception):
    """The request cannot be answered and the session is over; `status` is the HTTP status line."""

    def __init__(self, message: str, status: str = "400 Bad Request") -> None:
        super().__init__(message)
        self.status = status


class Delivery:
    """A response body; a poll answer that could not be written is lost, so then the session ends."""

    def __init__(self, body: bytes, session: Session) -> None:
        self._body = body
        self._session = session
        self._written = False

    def __iter__(self) -> Iterator[bytes]:
        yield self._body
        self._written = True

    def close(self) -> None:
        """WSGI servers call this when they are done, written or not."""
        if not self._written:
            self._session.close(Reason.TRANSPORT_ERROR)


class Hangup:
    """Notices that the peer of a waiting poll has gone; gevent's pywsgi does not look until it writes."""

    def __init__(self, sock: socket.socket | None, session: Session) -> None:
        self.gone = False
        self._session = session
        self._raw = getattr(sock, "_sock", None)
        self._watcher = None

    def __enter__(self) -> Hangup:
        if self._raw is not None:
            self._watcher = gevent.get_hub().loop.io(self._raw.fileno(), 1)
            self._watcher.start(self._readable)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
            self._watcher = None

    def _readable(self) -> None:
        try:
            self.gone = self._raw.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return
        except OSError:
            self.gone = True
        self._watcher.stop()  # either gone, or the next request is there already and stays readable
        if self.gone:
            self._session.wake()


def poll(session: Session, sock: socket.socket | None) -> list[EnginePacket]:
    """Wait for packets; the answer is never empty."""
    if session.polling:
        session.close(Reason.TRANSPORT_ERROR)
        session.wake()
        raise PollError("two polls at once")
    session.polling, outbox = True, session.outbox
    try:
        if session.upgrading and not session.closing:
            gevent.sleep(_UPGRADE_PAUSE)
            return [NOOP]
        with Hangup(sock, session) as hangup:
            outbox.wait()
        if hangup.gone:
            session.close(Reason.TRANSPORT_ERROR)
            raise PollError("the client has gone")
        if session.upgraded or (
            session.upgrading and not session.closing
        ):  # the WebSocket gets what is queued
            return [NOOP]
        bundles = outbox.take()
        outbox.sent(bundles)
        return [p for bundle in bundles for p in bundle.packets] or [
            session.last_words() if session.closing else NOOP
        ]
    finally:
        session.polling = False


def post(session: Session, environ: dict, limit: int) -> None:
    """Read a payload and hand its packets to the session, all or none."""
    if session.posting:
        session.close(Reason.TRANSPORT_ERROR)
        raise PollError("two posts at once")
    session.posting = True
    try:
        for packet in _payload(session, _read(session, environ, limit)):
            session.receive(packet)
    except PacketError as err:
        session.close(Reason.PARSE_ERROR)
        raise PollError(str(err)) from err
    finally:
        session.posting = False
    if session.close_reason == Reason.PARSE_ERROR:
        raise PollError("a packet is malformed")


def _read(session: Session, environ: dict, limit: int) -> bytes:
    declared = environ.get("CONTENT_LENGTH") or "0"
    length = int(declared) if declared.isascii() and declared.isdigit() else limit + 1
    chunked = environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked"
    if length > limit:
        session.close(Reason.TRANSPORT_ERROR)
        raise PollError(f"a payload is limited to {limit} bytes", "413 Payload Too Large")
    try:
        body = environ["wsgi.input"].read(limit + 1 if chunked else length)
    except TimeoutError as err:
        session.close(Reason.TRANSPORT_ERROR)
        raise PollError("the body came too slowly", "408 Request Timeout") from err
    except OSError as err:
        session.close(Reason.TRANSPORT_ERROR)
        raise PollError("the body could not be read") from err
    if len(body) > limit:
        session.close(Reason.TRANSPORT_ERROR)
        raise PollError(f"a payload is limited to {limit} bytes", "413 Payload Too Large")
    if not chunked and len(body) < length:
        session.close(Reason.TRANSPORT_ERROR)
        raise PollError("the body ended early")
    return body


def _payload(session: Session, body: bytes) -> list[EnginePacket]:
    try:
        parts = body.decode().split(SEPARATOR)
    except UnicodeDecodeError:
        raise PacketError("the payload is not UTF-8") from None
    if len(parts) > MAX_PACKETS:
        raise PacketError(f"a payload is limited to {MAX_PACKETS} packets")
    return [EnginePacket(encoded_packet=part) for part in parts]
