"""``RealtimeNotificationService`` of the present server's own documents: ``{event, to, user_id | thread_id,
data}``."""

from collections.abc import Mapping

from ...domain.channels import Channel, Parse, parse_channel
from ...domain.errors import InvalidField
from ...domain.idempotency import one_name
from ...domain.payloads import Encode, payload_of
from ...domain.publication import Publication
from ...domain.wire import check_event, check_timestamp, publication_of, read_data
from .fields import channel_of_user, id_of, request_in


def read_realtime(
    body: Mapping[str, object],
    origin: str,
    encode: Encode = payload_of,
    key: str | None = None,
    parse: Parse = parse_channel,
) -> Publication:
    """The publication to the user or the thread that ``to`` is about.

    Raises:
        InvalidField: names the first field that breaks a rule.
    """
    channel = _to(body, parse)
    event = check_event(body.get("event"))
    data = read_data(body)
    check_timestamp(body.get("timestamp"))
    name = one_name(body.get("id"), key)
    return publication_of(origin, (channel,), event, data, encode, name=name, request=request_in(body))


def _to(body: Mapping[str, object], parse: Parse) -> Channel:
    match body.get("to"):
        case "user":
            return channel_of_user(body)
        case "thread":
            return parse(f"presence-thread.{id_of(body.get('thread_id'), 'thread_id')}")
    raise InvalidField("to", "to must be user or thread; or give a channel.", code="to_invalid")
