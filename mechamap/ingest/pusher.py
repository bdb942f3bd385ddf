"""The bodies of Pusher's HTTP API, as Laravel's ``pusher`` and ``reverb`` drivers send them, read as
publications. Pure.

``data`` is text and normally JSON: what is JSON reaches browsers as the value it is, any other text as text.
Field names in errors are those of the API, so an event's name is ``name``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from ..domain.channels import Channel, Parse, parse_channel, user_channel
from ..domain.errors import InvalidField, InvalidRequest, PayloadTooLarge
from ..domain.idempotency import Once
from ..domain.payloads import check_payload_depth
from ..domain.privacy import PRIVATE_EVENT, addressed
from ..domain.publication import Publication
from ..domain.pusher_signature import SOCKET_ID
from ..domain.twins import twin_of
from ..domain.wire import MAX_CHANNELS, check_event

MAX_BATCH = 10
"""Events of one batch, as at Pusher."""
USER = "#server-to-user-"
"""Begins the name by which Pusher's libraries address one user (``sendToUser``)."""
ATTRIBUTES = ("subscription_count", "user_count", "cache")
"""What may be asked of a channel."""

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Triggered:
    """One event, and what its publisher wants to know of its channels."""

    publication: Publication
    info: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PusherReader:
    """Reads bodies for one kind of site.

    Attributes:
        max_bytes: of an event's data.
        parse: which channels there are.
        any_data: take any JSON as ``data``, as laravel-echo-server did, not only text.
    """

    max_bytes: int
    parse: Parse = parse_channel
    any_data: bool = False

    def event(self, body: object, origin: str, name: str | None = None) -> Triggered:
        """The event of ``{name, data, channel | channels, socket_id?, info?}``; ``name`` is the request's own
        for it (Idempotency-Key).

        Raises:
            InvalidRequest: the body is not an object.
            InvalidField: names the first field that breaks a rule.
            PayloadTooLarge
        """
        return self._event(_object(body), origin, name, self._channels)

    def batch(self, body: object, origin: str, name: str | None = None) -> list[Triggered]:
        """The events of ``{batch: [{name, data, channel, socket_id?, info?}, …]}``; all are checked before
        any is returned. ``name`` names the batch: the event at index 3 is then called ``name:3``.

        Raises:
            InvalidRequest, InvalidField, PayloadTooLarge: as ``event``, with the entry in the field.
        """
        entries = _object(body).get("batch")
        if not isinstance(entries, list) or not entries:
            raise InvalidField("batch", "batch must be a non-empty list.", code="batch_required")
        if len(entries) > MAX_BATCH:
            raise InvalidField(
                "batch",
                f"Batch too large: {len(entries)} events; the limit is {MAX_BATCH}.",
                code="batch_too_large",
            )
        found = []
        for index, entry in enumerate(entries):
            where = f"batch[{index}]"
            if not isinstance(entry, Mapping):
                raise InvalidField(where, "Each entry must be a JSON object.")
            try:
                own = None if name is None else f"{name}:{index}"
                found.append(self._event(entry, origin, own, self._channel))
            except InvalidField as err:
                raise err.under(where) from err
            except PayloadTooLarge as err:
                raise PayloadTooLarge(f"{where}.{err.field}", err.size, err.limit) from err
        return found

    def _event(
        self,
        body: Mapping[str, object],
        origin: str,
        name: str | None,
        channels_of: Callable[[Mapping[str, object]], tuple[Channel, ...]],
    ) -> Triggered:
        event = check_event(body.get("name"), "name")
        channels = channels_of(body)
        data = self._data(body)
        payload = _encode(data)
        check_payload_depth(payload, data)
        if len(payload) > self.max_bytes:
            raise PayloadTooLarge("data", len(payload), self.max_bytes)
        channels, withheld = addressed(event, channels)
        if name is not None:
            once = Once.of(origin, name, channels, event, payload)
        else:
            once = twin_of(event, channels, data) if event == PRIVATE_EVENT else None
        publication = Publication(
            channels, event, payload, read_socket(body), origin, once=once, withheld=withheld
        )
        return Triggered(publication, read_info(body.get("info")))

    def _channels(self, body: Mapping[str, object]) -> tuple[Channel, ...]:
        if "channels" not in body:
            return self._channel(body)
        if "channel" in body:
            raise InvalidField(
                "channels", "Give either channel or channels, not both.", code="channels_ambiguous"
            )
        names = body["channels"]
        if not isinstance(names, list) or not names:
            raise InvalidField(
                "channels", "channels must be a non-empty list of names.", code="channels_required"
            )
        if len(names) > MAX_CHANNELS:
            raise InvalidField(
                "channels",
                f"channels has {len(names)} entries; the limit is {MAX_CHANNELS}.",
                code="too_many_channels",
            )
        found = [self.channel(name, f"channels[{index}]") for index, name in enumerate(names)]
        return tuple({channel.canonical: channel for channel in found}.values())

    def _channel(self, body: Mapping[str, object]) -> tuple[Channel, ...]:
        return (self.channel(body.get("channel")),)

    def channel(self, name: object, field: str = "channel") -> Channel:
        """The channel called ``name``; a user's address is that user's own channel.

        Raises:
            InvalidChannel
        """
        if isinstance(name, str) and name.startswith(USER):
            channel = self.parse(f"private-user.{name.removeprefix(USER)}", field)
            return channel if channel.target is None else user_channel(channel.target)
        return self.parse(name, field)

    def _data(self, body: Mapping[str, object]) -> object:
        if "data" not in body:
            raise InvalidField("data", "data is required.", code="data_required")
        data = body["data"]
        if isinstance(data, str):
            return _read_text(data)
        if not self.any_data:
            raise InvalidField("data", "data must be a string, such as JSON text.", code="data_invalid")
        return data


def read_socket(body: Mapping[str, object]) -> str | None:
    """``socket_id``: the connection that does not receive the event.

    Raises:
        InvalidField
    """
    socket = body.get("socket_id")
    if socket is None or socket == "":
        return None
    if not isinstance(socket, str) or SOCKET_ID.fullmatch(socket) is None:
        raise InvalidField(
            "socket_id", "Invalid socket id: digits.digits are expected.", code="socket_invalid"
        )
    return socket


def read_info(info: object) -> frozenset[str]:
    """The attributes in ``info``, which are separated by commas.

    Raises:
        InvalidField
    """
    if info is None or info == "":
        return frozenset()
    wanted = frozenset(word.strip() for word in info.split(",")) if isinstance(info, str) else frozenset()
    if not wanted or not wanted <= set(ATTRIBUTES):
        raise InvalidField("info", f"info may list {', '.join(ATTRIBUTES)}.", code="info_invalid")
    return wanted


def _read_text(text: str) -> object:
    """The value that ``text`` is the JSON of, or ``text``."""
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return text


def _object(body: object) -> Mapping[str, object]:
    if not isinstance(body, Mapping):
        raise InvalidRequest("The body must be a JSON object.")
    return body
