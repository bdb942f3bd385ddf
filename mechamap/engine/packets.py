"""Engine.IO and Socket.IO packets: strict about what comes in, encoded once for all who receive it.

Corrects python-engineio 4.15.1, whose packet caches one encoding for both transports (a binary broadcast to a
room with polling and WebSocket members answers HTTP 500 to some and base64 text to others), and
python-socketio 5.18.1, which accepts 999,999,999 attachments, any nesting depth, zero attachments, and lets a
client call the `connect` and `disconnect` handlers by sending events of those names.
"""

import base64
import re
from collections.abc import Iterable
from functools import lru_cache

from engineio import packet as eio
from socketio import packet as sio

from . import frames
from .receiver import PacketError
from .strict_json import StrictJSON

MAX_ATTACHMENTS = 10  # what the Node server allows since CVE-2026-33151
MAX_DEPTH = 32  # a browser never needs more; deeper input is meant to exhaust the stack of whoever walks it
MAX_EVENT_NAME = 128
MAX_NAMESPACE = 128
# The names socket.io-parser reserves: as client events they would reach the lifecycle handlers.
RESERVED_EVENTS = frozenset(
    ("connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener")
)

_HEAD = re.compile(r"([0-6])(?:([0-9]{1,3})-)?(?:(/[^,?]*)(?:\?[^,]*)?(?:,|\Z))?([0-9]{0,16})")
_BINARY = (sio.BINARY_EVENT, sio.BINARY_ACK)


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


class Packet(sio.Packet):
    """A Socket.IO packet that is either well formed or a PacketError."""

    json = StrictJSON

    def decode(self, encoded_packet: str | bytes) -> int:
        match = _HEAD.match(encoded_packet) if isinstance(encoded_packet, str) else None
        if match is None:
            raise PacketError("not a Socket.IO packet")
        self.packet_type = int(match[1])
        attachments = int(match[2]) if match[2] else 0
        if attachments > MAX_ATTACHMENTS:
            raise PacketError(f"a packet is limited to {MAX_ATTACHMENTS} attachments")
        if (attachments > 0) != (self.packet_type in _BINARY):
            raise PacketError("the attachment count does not fit the packet type")
        self.namespace = match[3]
        if self.namespace and len(self.namespace) > MAX_NAMESPACE:
            raise PacketError(f"a namespace is limited to {MAX_NAMESPACE} characters")
        if match[4]:
            if len(match[4]) > 15:  # the largest integer JavaScript counts exactly has 16 digits
                raise PacketError("a packet id is limited to 15 digits")
            self.id = int(match[4])
        text = encoded_packet[match.end() :]
        self.data = self._decode_data(text) if text else None
        self._check()
        return attachments

    def _decode_data(self, text: str) -> object:
        try:
            data = self.json.loads(text)
        except ValueError as err:
            raise PacketError("the packet data is not JSON") from err
        if text.count("[") + text.count("{") > MAX_DEPTH and depth(data) > MAX_DEPTH:
            raise PacketError(f"packet data is limited to {MAX_DEPTH} levels")
        return data

    def _check(self) -> None:
        kind, data = self.packet_type, self.data
        if kind in (sio.EVENT, sio.BINARY_EVENT):
            if not isinstance(data, list) or not data or not isinstance(data[0], str):
                raise PacketError("an event is a list that begins with its name")
            if len(data[0]) > MAX_EVENT_NAME:
                raise PacketError(f"an event name is limited to {MAX_EVENT_NAME} characters")
            if data[0] in RESERVED_EVENTS:
                raise PacketError("the event name is reserved")
        elif kind in (sio.ACK, sio.BINARY_ACK):
            if not isinstance(data, list) or self.id is None:
                raise PacketError("an acknowledgement has an id and a list")
        elif kind == sio.CONNECT and data is not None and not isinstance(data, dict):
            raise PacketError("the connect payload is an object")
        elif kind == sio.DISCONNECT and data is not None:
            raise PacketError("a disconnect packet has no data")

    def add_attachment(self, attachment: str | bytes) -> bool:
        if not isinstance(attachment, bytes):
            raise PacketError("a binary attachment was expected")
        return super().add_attachment(attachment)

    @classmethod
    def data_is_binary(cls, data: object) -> bool:
        waiting = [data]
        while waiting:
            item = waiting.pop()
            if isinstance(item, bytes | bytearray):
                return True
            if isinstance(item, list | tuple):
                waiting.extend(item)
            elif isinstance(item, dict):
                waiting.extend(item.values())
        return False

    @classmethod
    def _deconstruct_binary_internal(cls, data: object, attachments: list[bytes]) -> object:
        return super()._deconstruct_binary_internal(
            list(data) if isinstance(data, tuple) else data, attachments
        )

    @classmethod
    def _reconstruct_binary_internal(cls, data: object, attachments: list[bytes]) -> object:
        if isinstance(data, dict) and data.get("_placeholder") is True:
            number = data.get("num")
            if type(number) is not int or not 0 <= number < len(attachments):
                raise PacketError("a placeholder refers to no attachment")
            return attachments[number]
        if isinstance(data, dict):  # `_placeholder` with any other value is ordinary data
            return {key: cls._reconstruct_binary_internal(value, attachments) for key, value in data.items()}
        if isinstance(data, list):
            return [cls._reconstruct_binary_internal(item, attachments) for item in data]
        return data


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


def depth(data: object) -> int:
    """Levels of lists and mappings."""
    level, depth = [data], 0
    while level:
        nested = [item for item in level if isinstance(item, dict | list)]
        depth += bool(nested)
        level = [child for item in nested for child in (item.values() if isinstance(item, dict) else item)]
    return depth
