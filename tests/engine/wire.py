"""Clients that speak byte by byte, so that they can also speak wrongly."""

import base64
import json
import os
import socket
import ssl
import struct
import time
from collections.abc import Iterator, Mapping
from typing import Any

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
PATH = "/socket.io/?EIO=4&transport=websocket"


class Refused(Exception):
    """The server answered the upgrade with something else than 101."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body


def handshake(path: str = PATH, headers: Mapping[str, str | None] | None = None) -> bytes:
    """An upgrade request; a header given as None is left out."""
    fields = {
        "Host": "127.0.0.1",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        **(headers or {}),
    }
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode()


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, masked: bool = True, reserved: int = 0
) -> bytes:
    """One client frame."""
    return head(opcode, len(payload), fin=fin, masked=masked, reserved=reserved) + _mask(payload, masked)


def head(opcode: int, length: int, *, fin: bool = True, masked: bool = True, reserved: int = 0) -> bytes:
    """Only the head of a client frame, declaring `length` bytes."""
    first = (0x80 if fin else 0) | reserved | opcode
    flag = 0x80 if masked else 0
    if length < 126:
        return struct.pack("!BB", first, flag | length)
    if length < 65_536:
        return struct.pack("!BBH", first, flag | 126, length)
    return struct.pack("!BBQ", first, flag | 127, length)


def _mask(payload: bytes, masked: bool) -> bytes:
    if not masked:
        return payload
    key = b"\x11\x22\x33\x44"
    return key + bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


def connect(engine) -> socket.socket:
    """A connection that says nothing of its own."""
    return socket.create_connection(("127.0.0.1", engine.port), timeout=5)


def answer(sock: socket.socket) -> str:
    """Everything until the server closes."""
    data = b""
    while True:
        try:
            more = sock.recv(4096)
        except ConnectionResetError:
            more = b""
        if not more:
            return data.decode()
        data += more


def anyone() -> ssl.SSLContext:
    """For a certificate that the test made itself."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class WebSocket:
    """A raw WebSocket to the server on `port`; raises Refused unless it says 101."""

    def __init__(
        self, port: int, path: str = PATH, headers: Mapping[str, str | None] | None = None, **options: Any
    ):
        self.sock = socket.socket()
        if buffer := options.get("receive_buffer"):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.sock.settimeout(options.get("timeout", 5.0))
        self.buffer = b""
        try:
            self.sock.connect(("127.0.0.1", port))
            if context := options.get("tls"):
                self.sock = context.wrap_socket(self.sock)
            self.sock.sendall(handshake(path, headers) + options.get("first", b""))
            self._read_head()
        except BaseException:
            self.sock.close()
            raise

    def __enter__(self) -> "WebSocket":
        return self

    def __exit__(self, *exception: object) -> None:
        self.sock.close()

    def _read_head(self) -> None:
        while b"\r\n\r\n" not in self.buffer:
            data = self.sock.recv(4096)
            if not data:
                break
            self.buffer += data
        top, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        self.head = top.decode("latin-1")
        status = int(self.head.split()[1])
        if status != 101:
            length = int(self.head.lower().partition("content-length: ")[2].split()[0])
            body = self._exactly(length) or b""
            self.sock.close()
            raise Refused(status, body.decode())

    def send(self, text: str) -> None:
        self.sock.sendall(frame(TEXT, text.encode()))

    def send_raw(self, data: bytes) -> None:
        self.sock.sendall(data)

    def _exactly(self, count: int) -> bytes | None:
        while len(self.buffer) < count:
            try:
                data = self.sock.recv(65_536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self.buffer += data
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def frame(self) -> tuple[int, bytes] | None:
        """The next frame as (opcode, payload); None at the end of the connection."""
        start = self._exactly(2)
        if start is None:
            return None
        assert start[0] & 0x80, "the server never fragments"
        assert not start[1] & 0x80, "the server never masks"
        length = start[1] & 0x7F
        if length >= 126:
            extended = self._exactly(2 if length == 126 else 8)
            if extended is None:
                return None
            length = int.from_bytes(extended, "big")
        payload = self._exactly(length)
        return None if payload is None else (start[0] & 0x0F, payload)

    def close_code(self) -> int | None:
        """Read to the end; the code of the server's close frame, None when it sent none."""
        code = None
        while (received := self.frame()) is not None:
            if received[0] == CLOSE:
                code = int.from_bytes(received[1][:2], "big")
        return code

    def messages(self) -> Iterator[str | bytes]:
        while (received := self.frame()) is not None:
            opcode, payload = received
            if opcode == TEXT:
                yield payload.decode()
            elif opcode == BINARY:
                yield payload
            elif opcode == CLOSE:
                return

    def text(self) -> str | bytes:
        """The next message; EOFError at the end."""
        for message in self.messages():
            return message
        raise EOFError("the server closed the connection")


class Client(WebSocket):
    """A raw Engine.IO client on a WebSocket: reads OPEN by itself, answers pings unless told not to."""

    def __init__(self, port: int, path: str = PATH, *, answers: bool = True, **options: Any) -> None:
        super().__init__(port, path, **options)
        self.answers = answers
        opening = self.text()
        assert opening[0] == "0"
        self.opening = json.loads(opening[1:])

    def packet(self) -> str | bytes:
        """The next message that is no ping."""
        while (message := self.text()) == "2":
            if self.answers:
                self.send("3")
        return message

    def join(self, auth: object = None) -> str:
        """CONNECT to the default namespace; the socket id."""
        self.send("40" + ("" if auth is None else json.dumps(auth)))
        answer = self.packet()
        assert answer.startswith("40{"), answer
        return json.loads(answer[2:])["sid"]

    def event(self) -> list[Any]:
        packet = self.packet()
        assert packet[:2] == "42", packet
        return json.loads(packet[2:])

    def call(self, *event: object, id: int = 1) -> list[Any]:
        """Emit and wait for the acknowledgement, passing over events."""
        self.send(f"42{id}" + json.dumps(event))
        prefix = f"43{id}"
        while not (packet := self.packet()).startswith(prefix):
            pass
        return json.loads(packet[len(prefix) :])

    def stay(self, seconds: float) -> list[str | bytes]:
        """Keep answering pings for a while; what else came."""
        seen, end, usual = [], time.monotonic() + seconds, self.sock.gettimeout()
        while (left := end - time.monotonic()) > 0:
            self.sock.settimeout(left)
            try:
                message = self.text()
            except TimeoutError:
                break
            if message == "2":
                self.send("3")
            else:
                seen.append(message)
        self.sock.settimeout(usual)
        return seen
