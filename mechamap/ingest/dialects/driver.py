"""``NodejsBroadcaster``, the application's broadcast driver: every event that implements ``ShouldBroadcast``.

``{channels: [{name}, …] or [name, …], event, data, timestamp}``; the sender's Socket.IO id is in
``data.socket``.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ...domain.channels import Channel, Parse, parse_channel
from ...domain.errors import InvalidChannel
from ...domain.idempotency import one_name
from ...domain.payloads import Encode, payload_of
from ...domain.privacy import PRIVATE_EVENT
from ...domain.publication import Publication
from ...domain.wire import (
    MOST_CHANNELS,
    check_event,
    check_names,
    check_object,
    check_timestamp,
    name_of,
    publication_of,
    read_data,
)
from .fields import without_socket

SHOWN = 200
"""Characters of a name that is repeated to its publisher."""


@dataclass(frozen=True, slots=True)
class Driven:
    """What one request asks for.

    Attributes:
        named: for each entry of ``channels``, in its order, the channel or why it is none.
    """

    publication: Publication
    named: tuple[Channel | InvalidChannel, ...]
    names: tuple[str | None, ...]

    @property
    def left_out(self) -> Iterator[str]:
        """The codes of the entries that are no channel."""
        return (entry.code for entry in self.named if isinstance(entry, InvalidChannel))


def read_driver(
    body: object,
    origin: str,
    encode: Encode = payload_of,
    key: str | None = None,
    parse: Parse = parse_channel,
) -> Driven:
    """The publication to those of its channels that exist: one bad name does not keep the event from the
    others.

    Raises:
        InvalidRequest: the body is not an object.
        InvalidField: names the first field that breaks a rule; a channel only where none exists.
    """
    body = check_object(body)
    given = [name_of(entry) for entry in check_names(body.get("channels"), MOST_CHANNELS)]
    named = tuple(_channel(name, f"channels[{index}]", parse) for index, name in enumerate(given))
    channels = tuple({each.canonical: each for each in named if isinstance(each, Channel)}.values())
    if not channels:
        raise next(entry for entry in named if isinstance(entry, InvalidChannel))
    event = check_event(body.get("event"))
    data, sender = without_socket(body, read_data(body))
    check_timestamp(body.get("timestamp"))
    name = one_name(body.get("id"), key)
    publication = publication_of(
        origin, channels, event, data, encode, name=name, twin=event == PRIVATE_EVENT, except_id=sender
    )
    shown = tuple(name[:SHOWN] if isinstance(name, str) else None for name in given)
    return Driven(publication, named, shown)


def _channel(name: object, field: str, parse: Parse) -> Channel | InvalidChannel:
    try:
        return parse(name, field)
    except InvalidChannel as err:
        return err
