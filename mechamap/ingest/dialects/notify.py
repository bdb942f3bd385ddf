"""``WebSocketNotificationService`` of the application: ``{action, user_id | channel, data: {type, …}}``.

There is no ``event``: ``data.type`` is its name. What is sent to a user goes out a second time as
``notification``, the one event the application's pages listen to on every page; each of the two comes once.
"""

from collections.abc import Mapping

from ...domain.channels import Parse, parse_channel
from ...domain.errors import InvalidField
from ...domain.idempotency import one_name
from ...domain.payloads import Encode, payload_of
from ...domain.publication import Publication
from ...domain.wire import check_event, check_object, check_timestamp, name_of, publication_of, read_data
from .fields import channel_of_user, request_in, without_socket

GENERIC = "notification"


def read_notify(
    body: object,
    origin: str,
    encode: Encode = payload_of,
    key: str | None = None,
    parse: Parse = parse_channel,
) -> tuple[Publication, ...]:
    """The one or two publications, in their order.

    Raises:
        InvalidRequest: the body is not an object.
        InvalidField: names the first field that breaks a rule.
    """
    body = check_object(body)
    to_user = False
    match body.get("action"):
        case "send_to_user":
            channel, to_user = channel_of_user(body), True
        case "broadcast_to_channel":
            channel = parse(name_of(body.get("channel")))
        case _:
            raise unknown_action("send_to_user", "broadcast_to_channel")
    data, sender = without_socket(body, read_data(body))
    type = data.get("type") if isinstance(data, Mapping) else None
    events = [] if to_user and type is None else [check_event(type, "data.type")]
    if to_user and GENERIC not in events:
        events.append(GENERIC)
    check_timestamp(body.get("timestamp"))
    name, request = one_name(body.get("id"), key), request_in(body)
    return tuple(
        publication_of(
            origin,
            (channel,),
            event,
            data,
            encode,
            name=f"{name}:{event}" if name is not None and len(events) > 1 else name,
            request=request,
            except_id=sender,
        )
        for event in events
    )


def unknown_action(*known: str) -> InvalidField:
    """The refusal of an ``action`` that is none of these."""
    return InvalidField("action", f"action must be one of {', '.join(known)}.", code="action_invalid")
