"""Whispers: what one browser says to the others in a channel, as Laravel Echo's ``whisper`` does.

The rules are Pusher's for client events: names begin with ``client-``, so browsers cannot speak in the name
of the site or of the server; only private and presence channels carry them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from .channels import Channel
from .errors import Forbidden, InvalidField, PayloadTooLarge
from .grammar import ChannelKind
from .payloads import payload_of
from .typing import TYPING_EVENTS
from .wire import check_event

PREFIX = "client-"
MAX_WHISPER_BYTES = 10_240
"""Pusher's limit for the data of a client event."""


def momentary(event: str) -> bool:
    """Whether an event is for those who are there: nobody is given it later. Its place in the sequence is as
    any other's."""
    return event.startswith(PREFIX) or event in TYPING_EVENTS


@dataclass(frozen=True, slots=True)
class Whisper:
    """What a browser wants to say: the channel as it came, and the event's data as JSON text."""

    channel: object
    event: str
    payload: bytes


def read_whisper(body: object) -> Whisper:
    """The whisper that ``{channel, event, data}`` asks for.

    Raises:
        InvalidField: ``event`` is no name for one, or ``data`` is nested too deep.
        PayloadTooLarge
    """
    fields = body if isinstance(body, Mapping) else {}
    event = check_event(fields.get("event"))
    if not event.startswith(PREFIX):
        raise InvalidField(
            "event", f"The names of browsers' own events begin with {PREFIX!r}.", code="whisper_event"
        )
    payload = payload_of(fields.get("data"))
    if len(payload) > MAX_WHISPER_BYTES:
        raise PayloadTooLarge("data", len(payload), MAX_WHISPER_BYTES)
    return Whisper(fields.get("channel"), event, payload)


def check_whispered_in(channel: Channel, *, subscribed: bool) -> None:
    """A connection may whisper in this channel, as it spells it. Not in a forum's under any name, whose
    audience is everybody.

    Raises:
        Forbidden
    """
    if not channel.guarded or channel.kind is ChannelKind.FORUM:
        raise Forbidden("Only private and presence channels carry whispers.", code="whisper_channel")
    if not subscribed:
        raise Forbidden("Only subscribers of a channel whisper in it.", code="not_subscribed")
