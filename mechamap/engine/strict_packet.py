"""Socket.IO packets, strict about what comes in.

Corrects python-socketio 5.18.1, which accepts 999,999,999 attachments, any nesting depth, zero attachments,
and lets a client call the `connect` and `disconnect` handlers by sending events of those names.
"""

import re

from socketio import packet as sio

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


def depth(data: object) -> int:
    """Levels of lists and mappings."""
    level, depth = [data], 0
    while level:
        nested = [item for item in level if isinstance(item, dict | list)]
        depth += bool(nested)
        level = [child for item in nested for child in (item.values() if isinstance(item, dict) else item)]
    return depth
