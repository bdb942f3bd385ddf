"""What publishers may say: names of events, shapes of broadcast bodies, limits. Bodies arrive as decoded JSON
values.

Reserved event names: those the browser's Socket.IO library fires by itself (a published ``disconnect`` would
run every page's own disconnect handler) and those by which this server speaks to browsers.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from .channels import Channel, Parse, parse_channel
from .errors import InvalidField, InvalidRequest
from .idempotency import Once, one_name
from .payloads import Encode, check_payload_depth, payload_of
from .privacy import PRIVATE_EVENT, addressed
from .publication import Publication
from .twins import twin_of

MAX_EVENT_LENGTH = 200
MAX_CHANNELS = 100
"""Per publication; the number Laravel's pusher driver sends at most per request."""
MOST_CHANNELS = 1_000
"""Of one event, where its publisher cannot divide it: the application's driver names every follower of a
thread."""
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
    once. A name may also stand in an object ``{name}``, as Laravel's ``Channel`` is written as JSON."""
    if "channel" in body and "channels" in body:
        raise InvalidField(
            "channels", "Give either channel or channels, not both.", code="channels_ambiguous"
        )
    if "channels" not in body:
        return (parse(name_of(body.get("channel"))),)
    names = check_names(body["channels"], MAX_CHANNELS)
    parsed = [parse(name_of(name), f"channels[{index}]") for index, name in enumerate(names)]
    return tuple({channel.canonical: channel for channel in parsed}.values())


def check_names(names: object, most: int) -> list[object]:
    """``names`` if it is a list of one to ``most`` entries, whatever they are.

    Raises:
        InvalidField
    """
    if not isinstance(names, list) or not names:
        raise InvalidField(
            "channels", "channels must be a non-empty list of names.", code="channels_required"
        )
    if len(names) > most:
        raise InvalidField(
            "channels", f"channels has {len(names)} entries; the limit is {most}.", code="too_many_channels"
        )
    return names


def name_of(channel: object) -> object:
    """The name of a channel given as itself or as ``{name}``."""
    return channel.get("name") if isinstance(channel, dict) else channel


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
    ``key`` is the request's own name for it (``idempotency.read_key``). ``parse`` reads names of channels.

    Raises:
        InvalidRequest: the body is not an object.
        InvalidField: names the first field that breaks a rule.
    """
    body = check_object(body)
    channels = read_channels(body, parse)
    event = check_event(body.get("event"))
    data = read_data(body)
    payload = encode(data)
    check_payload_depth(payload, data)
    check_timestamp(body.get("timestamp"))
    name = one_name(body.get("id"), key)
    withheld: tuple[Channel, ...] = ()
    if event == PRIVATE_EVENT:
        channels, withheld = addressed(event, channels)
    once = Once.of(origin, name, channels, event, payload) if name is not None else None
    return Publication(channels, event, payload, origin=origin, once=once, withheld=withheld)


def publication_of(
    origin: str,
    channels: tuple[Channel, ...],
    event: str,
    data: object,
    encode: Encode,
    *,
    name: str | None = None,
    request: str | None = None,
    twin: bool = False,
    except_id: str | None = None,
) -> Publication:
    """The publication of an application's own dialect, whose channels and event were judged.

    Args:
        name: the publisher's own name for it.
        request: the application's id of the request it belongs to; counts where there is no name.
        twin: whether it may be one of the two announcements of a notification, which goes before ``request``.
        except_id: the Socket.IO id of its sender.

    Raises:
        InvalidField: ``data`` is nested too deep, or no channel may have the event.
    """
    payload = encode(data)
    check_payload_depth(payload, data)
    channels, withheld = addressed(event, channels)
    if name is not None:
        once = Once.of(origin, name, channels, event, payload)
    else:
        once = twin_of(event, channels, data) if twin else None
        if once is None and request is not None:
            once = Once.beside(origin, request, channels, event, payload)
    return Publication(channels, event, payload, except_id, origin, once=once, withheld=withheld)


def check_object(body: object) -> Mapping[str, object]:
    """``body`` if it is a JSON object.

    Raises:
        InvalidRequest
    """
    if isinstance(body, (dict, Mapping)):  # the first is much the cheaper
        return body
    raise InvalidRequest("The body must be a JSON object.")


def read_data(body: Mapping[str, object]) -> object:
    """The ``data`` of a body, which may be any value but must be given.

    Raises:
        InvalidField
    """
    if "data" not in body:
        raise InvalidField("data", "data is required (it may be null, {} or []).", code="data_required")
    return body["data"]


Read = Callable[[object, str, Encode, str | None, Parse], Publication]
"""Reads one publication: ``read_broadcast``, or what takes more shapes."""


def read_batch(
    body: object,
    origin: str,
    encode: Encode = payload_of,
    key: str | None = None,
    parse: Parse = parse_channel,
    read: Read = read_broadcast,
) -> tuple[Publication, ...]:
    """The publications of ``{broadcasts: [body, …]}``; all are checked before any is returned.

    ``key`` names the batch; an entry without an ``id`` of its own is then called ``key:index``.
    """
    items: object = check_object(body).get("broadcasts")
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
            publications.append(read(item, origin, encode, own, parse))
        except InvalidField as err:
            raise err.under(f"broadcasts[{index}]") from err
        except InvalidRequest as err:
            raise InvalidField(f"broadcasts[{index}]", "Each entry must be a JSON object.") from err
    return tuple(publications)
