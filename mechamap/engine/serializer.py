"""Which class of packets an application's options ask for."""

import flask

from .msgpack import MsgPackPacket
from .strict_packet import Packet


def packet_class(serializer: object, json: object, app) -> type[Packet]:
    """The class that `serializer` and `json` ask for; ValueError for one that is not the engine's."""
    chosen = {"default": Packet, "msgpack": MsgPackPacket}.get(serializer, serializer)
    if not (isinstance(chosen, type) and issubclass(chosen, Packet)):
        raise ValueError("SocketIO option serializer must be a subclass of mechamap.engine.packets.Packet")
    if json is None:
        return chosen
    if json is flask.json and app is not None:
        json = app.json  # the provider itself: the module would need an application context for every packet
    # a subclass, not an assignment: stock changes the class for every server and client of the process
    return type("Packet", (chosen,), {"json": json})
