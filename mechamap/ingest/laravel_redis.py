"""Laravel's stock ``redis`` broadcast driver: its messages, read as publications. Pure.

The driver PUBLISHes ``{"event": …, "data": …, "socket": …}`` to ``<prefix><name>``, once per channel of the
event, one directly after the other (Laravel 8 to 13: one script). ``socket`` is the sender's Socket.IO id
(``toOthers``): it is left out, and its copy inside ``data`` does not go to browsers, as with Laravel's other
drivers.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from ..domain.channels import Channel, Parse, parse_channel
from ..domain.errors import InvalidChannel, InvalidField, InvalidRequest, PayloadTooLarge, RealtimeError
from ..domain.payloads import check_payload_depth
from ..domain.privacy import PRIVATE_EVENT, addressed, left_out
from ..domain.publication import Publication
from ..domain.twins import twin_of
from ..domain.wire import MAX_CHANNELS, check_event

ORIGIN = "laravel-redis"
MAX_SOCKET_LENGTH = 100
ENVELOPE = 4096
"""Bytes a message may have beside its data: three names, an event's name and a socket id, all escaped."""

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Event:
    """What one message says, whatever channel it came by."""

    name: str
    payload: bytes
    socket: str | None
    row: object = None
    """The id in its data, where it is a notification that is announced twice."""


def read_event(message: bytes, max_bytes: int) -> Event:
    """The event in ``message``; ``max_bytes`` limits its data.

    Raises:
        InvalidRequest: not a JSON object.
        InvalidField: names the first field that breaks a rule.
        PayloadTooLarge
    """
    try:
        body = _decode(message)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as err:
        raise InvalidRequest("The message is not valid JSON.") from err
    if not isinstance(body, dict):
        raise InvalidRequest("The message is not a JSON object.")
    name = check_event(body.get("event"))
    if "data" not in body:
        raise InvalidField("data", "data is required.", code="data_required")
    data = body["data"]
    socket = body.get("socket")
    if socket is not None and not (isinstance(socket, str) and len(socket) <= MAX_SOCKET_LENGTH):
        raise InvalidField("socket", "socket must be a Socket.IO id or null.", code="socket_invalid")
    if isinstance(data, dict):
        data.pop("socket", None)
    payload = _encode(data)
    check_payload_depth(payload, data)
    if len(payload) > max_bytes:
        raise PayloadTooLarge("data", len(payload), max_bytes)
    row = data.get("id") if name == PRIVATE_EVENT and isinstance(data, dict) else None
    return Event(name, payload, socket or None, row)


def read_messages(
    messages: Iterable[tuple[bytes, bytes]],
    prefix: str,
    max_bytes: int,
    refused: Callable[[RealtimeError], None],
    parse: Parse = parse_channel,
) -> list[Publication]:
    """The publications of (pub/sub channel, message) pairs, in their order.

    Equal messages on different channels, one directly after the other, are one event to several channels, so
    that a browser in two of them receives it once. ``refused`` is told of each message that is not one.
    """
    found: list[Publication] = []
    before, event, channels = b"", None, {}

    def finish() -> None:
        if event is None or not channels:
            return
        try:
            kept, withheld = addressed(event.name, tuple(channels.values()))
        except InvalidChannel as err:
            refused(err)
            return
        for _ in withheld:
            refused(left_out())
        once = twin_of(event.name, kept, {"id": event.row}) if event.row is not None else None
        found.append(Publication(kept, event.name, event.payload, event.socket, ORIGIN, once=once))

    for name, message in messages:
        try:
            channel = read_channel(name, prefix, parse)
            if message == before and event is not None and len(channels) < MAX_CHANNELS:
                if channel.canonical not in channels:
                    channels[channel.canonical] = channel
                    continue
                finish()  # the same event once more
            else:
                finish()
                before, event, channels = message, None, {}
                event = read_event(message, max_bytes)
            channels = {channel.canonical: channel}
        except RealtimeError as err:
            refused(err)
    finish()
    return found


def read_channel(name: bytes, prefix: str, parse: Parse = parse_channel) -> Channel:
    """The channel meant by a pub/sub channel, whose name begins with ``prefix``.

    Raises:
        InvalidChannel
    """
    return parse(name.decode(errors="replace").removeprefix(prefix))
