"""One Engine.IO client per transport, alike in what they can be told to do."""

import base64
import http.client
import json
from collections import deque
from contextlib import closing

from .wire import BINARY, TEXT, Client, frame

SEPARATOR = "\x1e"


class PollingPeer:
    """Long polling over one kept connection: one request at a time, every answer looked at."""

    transport = "polling"

    def __init__(self, port: int, path: str = "/socket.io/") -> None:
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        self.path = f"{path}?EIO=4&transport=polling"
        self.waiting: deque[str] = deque()
        status, body = self.get()
        assert status == 200, body
        self.waiting.extend(body.split(SEPARATOR))
        self.opening = json.loads(self.waiting.popleft()[1:])
        self.path += f"&sid={self.opening['sid']}"

    def __enter__(self) -> "PollingPeer":
        return self

    def __exit__(self, *exception: object) -> None:
        self.http.close()

    def request(self, method: str, path: str, body: bytes | None = None) -> tuple[int, str]:
        self.http.request(method, path, body)
        answer = self.http.getresponse()
        return answer.status, answer.read().decode()

    def get(self) -> tuple[int, str]:
        return self.request("GET", self.path)

    def post(self, body: str | bytes) -> tuple[int, str]:
        return self.request("POST", self.path, body.encode() if isinstance(body, str) else body)

    def send(self, *packets: str | bytes) -> None:
        """All of them in one payload; bytes as base64."""
        parts = [p if isinstance(p, str) else "b" + base64.b64encode(p).decode() for p in packets]
        self.post(SEPARATOR.join(parts))

    def raw(self) -> str:
        """The next packet, pings included; EOFError when the session has ended."""
        while not self.waiting:
            status, body = self.get()
            if status != 200:
                raise EOFError(body)
            self.waiting.extend(body.split(SEPARATOR))
        return self.waiting.popleft()

    def packet(self) -> str | bytes:
        """The next packet that is no ping (those are answered); EOFError when the session has ended."""
        while (packet := self.raw()) == "2":
            self.post("3")
        if packet in ("1", "6"):
            return self.packet()
        return base64.b64decode(packet[1:]) if packet[:1] == "b" else packet

    def poll_beside(self) -> tuple[int, str]:
        """A poll on a connection of its own."""
        other = http.client.HTTPConnection(self.http.host, self.http.port, timeout=5)
        with closing(other):
            other.request("GET", self.path)
            answer = other.getresponse()
            return answer.status, answer.read().decode()


class WebSocketPeer(Client):
    """A WebSocket with the same methods."""

    transport = "websocket"

    def __init__(self, port: int, path: str = "/socket.io/") -> None:
        super().__init__(port, f"{path}?EIO=4&transport=websocket")

    def send(self, *packets: str | bytes) -> None:
        for packet in packets:
            text = isinstance(packet, str)
            self.send_raw(frame(TEXT if text else BINARY, packet.encode() if text else packet))

    def raw(self) -> str | bytes:
        return self.text()


PEERS = {peer.transport: peer for peer in (PollingPeer, WebSocketPeer)}
