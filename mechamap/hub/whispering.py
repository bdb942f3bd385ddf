"""Whispers: a browser says something to the others in a channel."""

from mechamap.broker.protocol import Broker
from mechamap.domain.channels import Channel, Parse
from mechamap.domain.publication import Publication
from mechamap.domain.whispers import Whisper, check_whispered_in

from .connections import Connections
from .protocol import Observer
from .tap import Kind, Tap


class Whispering:
    """One worker's part in it."""

    def __init__(
        self,
        connections: Connections,
        broker: Broker,
        parse: Parse,
        tap: Tap,
        observer: Observer | None = None,
    ) -> None:
        self._connections = connections
        self._observer = observer
        self._broker = broker
        self._parse = parse
        self._tap = tap

    def whisper(self, sid: str, whisper: Whisper) -> Channel:
        """See ``Hub.whisper``."""
        connection = self._connections.signed_in(sid)
        channel = self._parse(whisper.channel)
        check_whispered_in(channel, subscribed=connection.has(channel))
        publication = Publication((channel,), whisper.event, whisper.payload, except_id=sid, origin="client")
        receipt = self._broker.publish(publication)
        if self._observer is not None:
            self._observer.whispered(publication, channel, connection.user_id)
        if self._tap.on:
            about = {"user_id": connection.user_id, "sid": sid, "code": "accepted"}
            self._tap.published(Kind.EVENT, publication, receipt, **about)
        return channel
