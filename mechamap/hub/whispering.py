"""Whispers: a browser says something to the others in a channel."""

from mechamap.broker.protocol import Broker
from mechamap.domain.channels import Channel, parse_channel
from mechamap.domain.publication import Publication
from mechamap.domain.whispers import Whisper, check_whispered_in

from .connections import Connections


class Whispering:
    """One worker's part in it."""

    def __init__(self, connections: Connections, broker: Broker) -> None:
        self._connections = connections
        self._broker = broker

    def whisper(self, sid: str, whisper: Whisper) -> Channel:
        """See ``Hub.whisper``."""
        connection = self._connections.signed_in(sid)
        channel = parse_channel(whisper.channel)
        check_whispered_in(channel, subscribed=connection.has(channel))
        self._broker.publish(
            Publication((channel,), whisper.event, whisper.payload, except_id=sid, origin="client")
        )
        return channel
