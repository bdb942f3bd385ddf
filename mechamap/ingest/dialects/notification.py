"""``NotificationService`` of the application: one user's notification, posted as soon as its row is stored.

``{event: "notification", user_id, channel: "user.7", priority, data, metadata: {request_id, unread_count}}``;
``user_id`` alone is enough.
"""

from collections.abc import Mapping

from ...domain.channels import Parse, parse_channel, user_channel
from ...domain.errors import InvalidField
from ...domain.grammar import ChannelKind
from ...domain.idempotency import one_name
from ...domain.payloads import Encode, payload_of
from ...domain.publication import Publication
from ...domain.wire import check_event, check_timestamp, name_of, publication_of, read_broadcast, read_data
from .fields import id_of, request_in


def read_notification(
    body: Mapping[str, object],
    origin: str,
    encode: Encode = payload_of,
    key: str | None = None,
    parse: Parse = parse_channel,
) -> Publication:
    """The publication to the user's own channel, or that of the plan's body where ``channel`` is no user's.

    ``metadata.unread_count`` goes into ``data`` unless that has
    one.

    Raises:
        InvalidField: names the first field that breaks a rule.
    """
    named = parse(name_of(body["channel"])) if body.get("channel") is not None else None
    if named is not None and named.kind is not ChannelKind.USER:
        # the plan's body, with fields of its publisher's own
        return read_broadcast(body, origin, encode, key, parse)
    user_id = id_of(body.get("user_id"), "user_id")
    if named is not None and named.target != user_id:
        raise InvalidField(
            "channel", "channel and user_id name different users; give one.", code="user_id_mismatch"
        )
    own = named if named is not None else user_channel(user_id)
    event = check_event(body.get("event"))
    data = _with_unread(read_data(body), body.get("metadata"))
    check_timestamp(body.get("timestamp"))
    return publication_of(
        origin,
        (own,),
        event,
        data,
        encode,
        name=one_name(body.get("id"), key),
        request=request_in(body),
        twin=True,
    )


def _with_unread(data: object, metadata: object) -> object:
    if not isinstance(metadata, Mapping) or not isinstance(data, Mapping) or "unread_count" in data:
        return data
    count = metadata.get("unread_count")
    return data if isinstance(count, bool) or not isinstance(count, int) else {**data, "unread_count": count}
