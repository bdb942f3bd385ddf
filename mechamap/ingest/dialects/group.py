"""``GroupWebSocketService`` of the application: ``{action, channel, event, user_id, data}``.

Beside publishing it orders all connections of a user into a channel or out of it.
"""

from dataclasses import dataclass

from ...domain.channels import Channel, Parse, parse_channel
from ...domain.commands import Action, Command
from ...domain.idempotency import one_name
from ...domain.payloads import Encode, payload_of
from ...domain.publication import Publication
from ...domain.wire import check_event, check_object, check_timestamp, name_of, publication_of, read_data
from .fields import channel_of_user, id_of, request_in, without_socket
from .notify import GENERIC, unknown_action

ORDERS = {"join_channel": Action.JOIN, "leave_channel": Action.LEAVE}


@dataclass(frozen=True, slots=True)
class Membership:
    """All connections of a user are to join or leave a channel."""

    action: Action
    user_id: int
    channel: Channel

    @property
    def command(self) -> Command:
        return Command(self.action, user_id=self.user_id, subject=self.channel.name)


def read_group(
    body: object,
    origin: str,
    encode: Encode = payload_of,
    key: str | None = None,
    parse: Parse = parse_channel,
) -> Publication | Membership:
    """What is to be published, or ordered.

    Without an ``event``, as the service sends to a user, the event is ``notification``: ``data.type`` has the
    name that went to the group's channel already, in another form, and a page would show it twice.

    Raises:
        InvalidRequest: the body is not an object.
        InvalidField: names the first field that breaks a rule.
    """
    body = check_object(body)
    action = body.get("action")
    order = ORDERS.get(action) if isinstance(action, str) else None
    if order is not None:
        user_id = id_of(body.get("user_id"), "user_id")
        return Membership(order, user_id, parse(name_of(body.get("channel"))))
    match action:
        case "send_to_user":
            channel, event = channel_of_user(body), body.get("event", GENERIC)
        case "broadcast_to_channel":
            channel, event = parse(name_of(body.get("channel"))), body.get("event")
        case _:
            raise unknown_action("broadcast_to_channel", "send_to_user", *ORDERS)
    name = check_event(event)
    data, sender = without_socket(body, read_data(body))
    check_timestamp(body.get("timestamp"))
    return publication_of(
        origin,
        (channel,),
        name,
        data,
        encode,
        name=one_name(body.get("id"), key),
        request=request_in(body),
        except_id=sender,
    )
