"""Engine.IO packets, and what an event becomes: encoded once for all who receive it.

Corrects python-engineio 4.15.1, whose packet caches one encoding for both transports (a binary broadcast to a
room with polling and WebSocket members answers HTTP 500 to some and base64 text to others).
"""

import base64
from collections.abc import Iterable
from functools import lru_cache

from engineio import packet as eio
from socketio import packet as sio

from . import frames
from .receiver import PacketError
from .strict_json import StrictJSON


class EnginePacket(eio.Packet):
    """An Engine.IO packet with one cached encoding per transport; its WebSocket frame is shared by all
    recipients.
    """

    json = StrictJSON

    def __init__(
        self, packet_type: int = eio.NOOP, data: object = None, encoded_packet: str | bytes | None = None
    ):
        self._text: str | None = None
        self._frame: bytes | None = None
        super().__init__(packet_type, data, encoded_packet)

    @property
    def frame(self) -> bytes:
        """The complete WebSocket frame."""
        if self._frame is None:
            if self.binary:
                self._frame = frames.encode(frames.Opcode.BINARY, bytes(self.data))
            else:
                self._frame = frames.encode(frames.Opcode.TEXT, self.encode().encode())
        return self._frame

    @property
    def size(self) -> int:
        return len(self.frame)

    @property
    def packets(self) -> "tuple[EnginePacket, ...]":
        """As a bundle of one."""
        return (self,)

    def encode(self, b64: bool = False) -> str | bytes:
        if self.binary and not b64:
            return self.data
        if self._text is None:
            if self.binary:
                self._text = "b" + base64.b64encode(self.data).decode()
            elif isinstance(self.data, dict | list):
                self._text = f"{self.packet_type}{self.json.dumps(self.data)}"
            else:
                self._text = f"{self.packet_type}{'' if self.data is None else self.data}"
        return self._text

    def decode(self, encoded_packet: str | bytes) -> None:
        """Text stays text: the Socket.IO layer alone decides what is JSON."""
        if not isinstance(encoded_packet, str):
            self.binary, self.packet_type, self.data = True, eio.MESSAGE, bytes(encoded_packet)
        elif encoded_packet[:1] == "b":
            try:
                data = base64.b64decode(encoded_packet[1:], validate=True)
            except ValueError:  # binascii.Error, or characters that are not ASCII
                raise PacketError("a binary packet is not base64") from None
            self.binary, self.packet_type, self.data = True, eio.MESSAGE, data
        elif encoded_packet[:1] in ("0", "1", "2", "3", "4", "5", "6"):
            self.binary, self.packet_type, self.data = False, int(encoded_packet[0]), encoded_packet[1:]
        else:
            raise PacketError("the packet type is unknown")


def wire(packet: sio.Packet) -> list[EnginePacket]:
    """The Engine.IO packets of a Socket.IO packet: one, or one more per attachment."""
    encoded = packet.encode()
    parts = encoded if isinstance(encoded, list) else [encoded]
    return [EnginePacket(eio.MESSAGE, part) for part in parts]


class Bundle:
    """The packets of one event with attachments: nothing of another event may come between them."""

    __slots__ = ("frame", "packets", "size")

    def __init__(self, packets: Iterable[EnginePacket]) -> None:
        self.packets = tuple(packets)
        self.frame = b"".join([packet.frame for packet in self.packets])
        self.size = len(self.frame)


class TextEvent:
    """An event of the default namespace that is JSON text already: its WebSocket frame, made at once.

    Stands for an `EnginePacket` where an event is sent; making one of those costs three times as much.
    """

    __slots__ = ("frame", "size")

    def __init__(self, text: bytes) -> None:
        self.frame = frames.encode(frames.Opcode.TEXT, text)
        self.size = len(self.frame)

    @property
    def packets(self) -> tuple[EnginePacket]:
        """As a bundle of one, for polling clients."""
        return (EnginePacket(encoded_packet=frames.payload_of(self.frame).decode()),)


Sendable = EnginePacket | TextEvent | Bundle
"""What a session takes: it knows its frame, its size, and its packets for a polling client."""


def bundle(packet: sio.Packet) -> EnginePacket | Bundle:
    """A Socket.IO packet, encoded once for everybody who gets it, as one unit."""
    packets = wire(packet)
    return packets[0] if len(packets) == 1 else Bundle(packets)


def event_packet(event: str, payload: bytes, *, offset: str | None = None) -> TextEvent:
    """An event of the default namespace whose one argument is JSON text already; the caller vouches for
    `payload`. `offset`, which needs no escaping either, becomes a last argument.
    """
    last = b"" if offset is None else b',"%b"' % offset.encode()
    return TextEvent(b"%b,%b%b]" % (_beginning(event), payload, last))


@lru_cache(maxsize=1_024)  # a site has a few dozen names
def _beginning(event: str) -> bytes:
    return f"42[{StrictJSON.dumps(event)}".encode()
