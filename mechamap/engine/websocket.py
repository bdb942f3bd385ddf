"""BoundedWebSocket: one open WebSocket over the HTTP handler's socket.

Subclasses gevent-websocket 0.10.1, whose class is the contract with its handler, and replaces what is unsafe
there: frames go through `frames.FrameParser` (limits before memory, masking, UTF-8); a write holds a lock, so
the reader's pong never lands inside a frame the writer is half-way through; every write has a deadline; the
close frame fits its 125 bytes; and the 101 is sent by `accept`, after the application has looked at origin
and session, not before. Can go when the connection becomes an event-driven object of our own.
"""

import base64
import hashlib
import socket
import struct

from gevent.lock import BoundedSemaphore
from geventwebsocket.websocket import Stream, WebSocket

from . import frames
from .frames import FrameParser, Opcode

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_READ_SIZE = 65_536
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, zero seconds


class BoundedWebSocket(WebSocket):
    """`receive` one message at a time from one greenlet; `write`, `send` and `close` from any."""

    __slots__ = ("_close_sent", "_lock", "_parser", "_socket", "accepted", "peer_code")

    def __init__(self, environ: dict, stream: Stream, handler) -> None:
        super().__init__(environ, stream, handler)
        self._socket = handler.socket
        self._parser: FrameParser | None = None
        self._lock = BoundedSemaphore(1)
        self._close_sent = False
        self.accepted = False
        self.peer_code = 1000

    def __del__(self) -> None:
        """The base class writes a close frame here; ours may never have been accepted, or is long closed."""

    def accept(self, max_message: int, timeout: float) -> None:
        """Answer 101. From here on the connection is this WebSocket's and no longer speaks HTTP."""
        key = self.environ["HTTP_SEC_WEBSOCKET_KEY"].strip().encode("latin-1")
        digest = base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()
        self._parser = FrameParser(max_message)
        self.accepted = True
        self.settimeout(timeout)
        self.handler.switch_protocols([
            ('Upgrade', 'websocket'), ('Connection', 'Upgrade'), ('Sec-WebSocket-Accept', digest),
        ])  # fmt: skip

    def settimeout(self, seconds: float) -> None:
        """The longest a single read may wait and a single write may take."""
        self._socket.settimeout(seconds)

    # --- reading ---

    def receive(self) -> str | bytes | None:
        """The next text or binary message; None when the peer has closed. FrameError when it breaks the
        protocol.
        """
        while True:
            while (message := self._parser.next()) is None:
                data = self._read()
                if not data:
                    return None
                self._parser.feed(data)
            if message.opcode in (Opcode.TEXT, Opcode.BINARY):
                return message.payload
            if message.opcode == Opcode.PING:
                self.send_frame(message.payload, Opcode.PONG)
            elif message.opcode == Opcode.CLOSE:
                code, _ = frames.decode_close(message.payload)
                self.peer_code = 1000 if code == 1005 else code
                return None

    def discard(self) -> bool:
        """Read and forget; False when there is nothing more to come."""
        return bool(self._read())

    def _read(self) -> bytes:
        # read1 gives first what the HTTP parser read beyond the request head, then one recv at a time
        try:
            return self.handler.rfile.read1(_READ_SIZE)
        except ValueError:  # the file was closed under us
            return b""

    # --- writing ---

    def write(self, data: bytes) -> None:
        """Write finished frames, whole and uninterrupted; OSError when the peer is gone or too slow."""
        with self._lock:
            if self._close_sent:
                raise BrokenPipeError("the WebSocket is closed")
            self._socket.sendall(data)

    def send_frame(self, message: str | bytes, opcode: int) -> None:
        payload = message.encode() if isinstance(message, str) else bytes(message)
        self.write(frames.encode(Opcode(opcode), payload))

    def send(self, message: str | bytes, binary: bool | None = None) -> None:
        text = isinstance(message, str) if binary is None else not binary
        self.send_frame(message, Opcode.TEXT if text else Opcode.BINARY)

    def close(self, code: int = 1000, message: str = "") -> None:
        """Say goodbye and stop writing; the peer may still finish its side. Never raises."""
        if self._close_sent:
            return
        try:
            with self._lock:
                self._close_sent = self.closed = True
                self._socket.sendall(frames.encode_close(code, message))
                self._raw().shutdown(socket.SHUT_WR)
        except OSError:
            self.abort()

    def abort(self) -> None:
        """Cut the connection now: both greenlets wake with an error and the kernel forgets its buffers.

        A reset, not a farewell: unsent data of a peer that stopped reading would stay in kernel memory for
        minutes. After a completed close there is nothing left to reset.
        """
        self.closed = True
        raw = self._raw()
        try:
            if not self._close_sent:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            raw.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # closed already

    def _raw(self) -> socket.socket:
        # below TLS: SSLSocket.shutdown would pull the TLS state from under a greenlet that is reading
        return self._socket._sock
