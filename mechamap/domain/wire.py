"""What publishers may say: names of events, shapes of broadcast bodies, limits. Bodies arrive as decoded JSON
values.

Reserved event names: those the browser's Socket.IO library fires by itself (a published ``disconnect`` would
run every page's own disconnect handler) and those by which this server speaks to browsers.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from .channels import Channel, Parse, parse_channel
from .errors import InvalidField, InvalidRequest
from .idempotency import Once, one_name
from .payloads import Encode, check_payload_depth, payload_of
from .publication import Publication

MAX_EVENT_LENGTH = 200
MAX_CHANNELS = 100
"""Per publication; the number Laravel's pusher driver sends at most per request."""
MAX_BATCH = 100

RESERVED_EVENTS = frozenset(
    {
        "connect",
        "connect_error",
        "disconnect",
        "disconnecting",
        "newListener",
        "removeListener",
        "connected",
        "subscribed",
        "unsubscribed",
        "subscription_error",
        "notification_read",
        "force_disconnect",
        "recovery",
        "ping",
        "pong",
        "error",
    }
)
RESERVED_PREFIXES = ("presence:", "pusher:", "pusher_internal:")


def check_event(name: object, field: str = "event") -> str:
    """``name`` if a publisher may use it.

    Raises:
        InvalidField: missing, not text, too long, unprintable, or reserved.
    """
    if name is None:
        raise InvalidField(field, f"{field} is required.", code="event_required")
    if not isinstance(name, str) or not name:
        raise InvalidField(field, f"{field} must be a non-empty string.", code="event_invalid")
    if len(name) > MAX_EVENT_LENGTH:
        raise InvalidField(
            field,
            f"{field} has {len(name)} characters; the limit is {MAX_EVENT_LENGTH}.",
            code="event_too_long",
        )
    if not name.isprintable():
        raise InvalidField(field, f"{field} holds characters that cannot be printed.", code="event_invalid")
    if name in RESERVED_EVENTS or name.startswith(RESERVED_PREFIXES):
        raise InvalidField(field, f"{field} {name!r} is reserved by the protocol.", code="event_reserved")
    return name


def read_channels(body: Mapping[str, object], parse: Parse = parse_channel) -> tuple[Channel, ...]:
    """The channels of a body: ``channel`` (a name) or ``channels`` (a list of names), not both, each kept
    once."""
    if "channel" in body and "channels" in body:
        raise InvalidField(
            "channels", "Give either channel or channels, not both.", code="channels_ambiguous"
        )
    if "channels" not in body:
        return (parse(body.get("channel")),)
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
    parsed = [parse(name, f"channels[{index}]") for index, name in enumerate(names)]
    return tuple({channel.canonical: channel for channel in parsed}.values())


def check_timestamp(value: object) -> None:
    """The publisher's own time is optional; given, it must be ISO 8601 as ``now()->toISOString()`` writes
    it."""
    if value is None:
        return
    if not isinstance(value, str) or len(value) > 64:
        raise InvalidField("timestamp", "timestamp must be an ISO 8601 string.", code="timestamp_invalid")
    try:
        datetime.fromisoformat(value)
    except ValueError as err:
        raise InvalidField(
            "timestamp", "timestamp must be an ISO 8601 string.", code="timestamp_invalid"
        ) from err


def read_broadcast(
    body: object,
    origin: str,
    encode: Encode = payload_of,
    key: str | None = None,
    parse: Parse = parse_channel,
) -> Publication:
    """The publication that a body ``{channel | channels, event, data, timestamp?, id?}`` asks for.

    ``encode`` writes ``data``; a caller that read the body strictly may give one that trusts its values.
    ``key`` is the request's own name for it (``read_idempotency_key``). ``parse`` reads names of channels.

    Raises:
        InvalidRequest: the body is not an object.
        InvalidField: names the first field that breaks a rule.
    """
    if not isinstance(body, Mapping):
        raise InvalidRequest("The body must be a JSON object.")
    channels = read_channels(body, parse)
    event = check_event(body.get("event"))
    if "data" not in body:
        raise InvalidField("data", "data is required (it may be null, {} or []).", code="data_required")
    payload = encode(body["data"])
    check_payload_depth(payload, body["data"])
    check_timestamp(body.get("timestamp"))
    name = one_name(body.get("id"), key)
    once = Once.of(origin, name, channels, event, payload) if name is not None else None
    return Publication(channels, event, payload, origin=origin, once=once)


def read_batch(
    body: object,
    origin: str,
    encode: Encode = payload_of,
    key: str | None = None,
    parse: Parse = parse_channel,
) -> tuple[Publication, ...]:
    """The publications of ``{broadcasts: [body, …]}``; all are checked before any is returned.

    ``key`` names the batch; an entry without an ``id`` of its own is then called ``key:index``.
    """
    if not isinstance(body, Mapping):
        raise InvalidRequest("The body must be a JSON object.")
    items: object = body.get("broadcasts")
    if not isinstance(items, Sequence) or isinstance(items, str) or not items:
        raise InvalidField("broadcasts", "broadcasts must be a non-empty list.", code="broadcasts_required")
    if len(items) > MAX_BATCH:
        raise InvalidField(
            "broadcasts",
            f"broadcasts has {len(items)} entries; the limit is {MAX_BATCH}.",
            code="batch_too_large",
        )
    publications = []
    for index, item in enumerate(items):
        try:
            named = key is not None and isinstance(item, Mapping) and item.get("id") is None
            own = f"{key}:{index}" if named else None
            publications.append(read_broadcast(item, origin, encode, own, parse))
        except InvalidField as err:
            raise err.under(f"broadcasts[{index}]") from err
        except InvalidRequest as err:
            raise InvalidField(f"broadcasts[{index}]", "Each entry must be a JSON object.") from err
    return tuple(publications)
