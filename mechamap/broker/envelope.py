"""The JSON that workers send each other: publications and commands, schema version 1.

Redis is a trust boundary: other programs may write to it. What arrives is decoded against a schema and raises
``Malformed`` when it breaks any rule; what leaves is held to the same rules, so nothing is accepted from a
publisher that every worker would then drop.
"""

from typing import Annotated, Literal

import msgspec

from ..domain.channels import MAX_NAME_LENGTH, parse_channel_of_site
from ..domain.commands import Command
from ..domain.errors import InvalidField, PayloadTooLarge
from ..domain.payloads import check_payload_depth
from ..domain.publication import Publication
from ..domain.wire import MAX_EVENT_LENGTH, MOST_CHANNELS

VERSION = 1
MAX_PUBLICATION_BYTES = 2_097_152
"""Twice the largest event an operator may allow (1,000,000 bytes): room for a hundred channel names and for
JSON written less tersely."""
MAX_COMMAND_BYTES = 8_192


class Malformed(ValueError):
    """A message from Redis that breaks the schema. The text says where, never what the message held."""


class _Publication(msgspec.Struct, forbid_unknown_fields=True):
    v: Literal[1]
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    channels: Annotated[
        list[Annotated[str, msgspec.Meta(max_length=MAX_NAME_LENGTH)]],
        msgspec.Meta(min_length=1, max_length=MOST_CHANNELS),
    ]
    event: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_EVENT_LENGTH)]
    data: msgspec.Raw
    except_id: str | None = msgspec.field(name="except")
    origin: str
    at: float


class _Command(msgspec.Struct, forbid_unknown_fields=True):
    v: Literal[1]
    command: Command


_publications = msgspec.json.Decoder(_Publication)
_commands = msgspec.json.Decoder(_Command)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def encode_publication(publication: Publication) -> bytes:
    """The publication as bytes; its payload is copied, not written again.

    Raises:
        PayloadTooLarge
    """
    text = _encode(
        _Publication(
            VERSION,
            publication.id,
            [channel.name for channel in publication.channels],
            publication.event,
            msgspec.Raw(publication.payload),
            publication.except_id,
            publication.origin,
            publication.accepted_at,
        )
    )
    if len(text) > MAX_PUBLICATION_BYTES:
        raise PayloadTooLarge("data", len(text), MAX_PUBLICATION_BYTES)
    return text


def check_publication(publication: Publication) -> None:
    """Refuse what ``encode_publication`` would refuse; a small payload is not copied for it.

    Raises:
        PayloadTooLarge
    """
    # The other half is far more than all names together can take.
    if len(publication.payload) > MAX_PUBLICATION_BYTES // 2:
        encode_publication(publication)


def decode_publication(text: bytes, epoch: str | None = None, offset: int = 0) -> Publication:
    """The publication in ``text``, at this place in the sequence.

    Raises:
        Malformed
    """
    _check_size(text, MAX_PUBLICATION_BYTES)
    try:
        message = _publications.decode(text)
        payload = bytes(message.data)
        _judge(payload)
        channels = tuple([parse_channel_of_site(name) for name in message.channels])
    # InvalidField: the depth or a channel's name; the rest is msgspec's way to say no.
    except (msgspec.MsgspecError, ValueError, RecursionError, InvalidField) as err:
        raise Malformed(f"a publication that breaks the schema ({_place(err)})") from err
    return Publication(
        channels,
        message.event,
        payload,
        message.except_id,
        message.origin,
        id=message.id,
        accepted_at=message.at,
        epoch=epoch,
        offset=offset,
    )


def encode_command(command: Command) -> bytes:
    """The command as bytes.

    Raises:
        PayloadTooLarge: its texts are absurdly long.
    """
    text = _encode(_Command(VERSION, command))
    if len(text) > MAX_COMMAND_BYTES:
        raise PayloadTooLarge("reason", len(text), MAX_COMMAND_BYTES)
    return text


def decode_command(text: bytes) -> Command:
    """The command in ``text``.

    Raises:
        Malformed
    """
    _check_size(text, MAX_COMMAND_BYTES)
    try:
        return _commands.decode(text).command
    except (msgspec.MsgspecError, ValueError, RecursionError) as err:
        raise Malformed(f"a command that breaks the schema ({_place(err)})") from err


def _check_size(text: bytes, limit: int) -> None:
    if len(text) > limit:
        raise Malformed(f"a message of {len(text)} bytes; the limit is {limit}")


def _judge(payload: bytes) -> None:
    # Raw passes over broken UTF-8 and numbers beyond a double (msgspec 0.22), so the values are read, and
    # dropped: 0.9 µs for 330 bytes, less than any search for such numbers.
    check_payload_depth(payload, _decode(payload))


def _place(err: Exception) -> str:
    """Where the rule broke: msgspec's own text may quote the message, the path in it does not."""
    if isinstance(err, InvalidField):
        return err.code
    _, found, path = str(err).rpartition(" - at ")
    return path if found and isinstance(err, msgspec.ValidationError) else type(err).__name__
