"""Socket.IO packets as MessagePack: the documented `serializer='msgpack'`, for browsers that load
`socket.io-msgpack-parser`.

python-socketio 5.18.1 decodes whatever arrives, of any type, depth and size. Here a packet is judged by the
same rules as a text one.
"""

import msgspec
from socketio import packet as sio

from .receiver import PacketError
from .strict_packet import MAX_DEPTH, MAX_NAMESPACE, Packet, depth

_encode = msgspec.msgpack.Encoder().encode
_MAX_ID = 10**15


class _Wire(msgspec.Struct):
    """What socket.io-msgpack-parser writes. It sends no binary types: bytes are just values."""

    type: int
    nsp: str
    data: object = None
    id: int | None = None


_decode = msgspec.msgpack.Decoder(_Wire).decode


class MsgPackPacket(Packet):
    """A packet that is one binary message, attachments and all."""

    uses_binary_events = False

    def encode(self) -> bytes:
        fields = {"type": self.packet_type, "data": self.data, "nsp": self.namespace or "/"}
        if self.id is not None:
            fields["id"] = self.id
        try:
            return _encode(fields)
        except (TypeError, OverflowError, msgspec.MsgspecError) as err:
            raise ValueError(f"this cannot be written as MessagePack: {err}") from None

    def decode(self, encoded_packet: str | bytes) -> int:
        if not isinstance(encoded_packet, bytes):
            raise PacketError("not a MessagePack packet")
        try:
            wire = _decode(encoded_packet)
        except (msgspec.MsgspecError, RecursionError, ValueError):
            raise PacketError("not a MessagePack packet") from None
        if wire.type not in range(sio.CONNECT_ERROR + 1):
            raise PacketError("the packet type is unknown")
        if len(wire.nsp) > MAX_NAMESPACE:
            raise PacketError(f"a namespace is limited to {MAX_NAMESPACE} characters")
        if wire.id is not None and not 0 <= wire.id < _MAX_ID:
            raise PacketError("a packet id is limited to 15 digits")
        if depth(wire.data) > MAX_DEPTH:
            raise PacketError(f"packet data is limited to {MAX_DEPTH} levels")
        self.packet_type, self.namespace, self.data, self.id = wire.type, wire.nsp, wire.data, wire.id
        self._check()
        return 0
