"""What ``POST /api/broadcast`` takes: the plan's body and its two relatives, told apart by their shape.

A body with ``channel`` or ``channels`` is the plan's, whatever else it has; unless the channel is a user's,
and ``user_id`` and ``metadata`` say that it is a notification.
"""

from collections.abc import Mapping

from ...domain.channels import Parse, parse_channel
from ...domain.payloads import Encode, payload_of
from ...domain.publication import Publication
from ...domain.wire import read_broadcast
from .notification import read_notification
from .realtime import read_realtime


def read_any(
    body: object,
    origin: str,
    encode: Encode = payload_of,
    key: str | None = None,
    parse: Parse = parse_channel,
) -> Publication:
    """The publication that ``body`` asks for; arguments and errors are those of ``read_broadcast``."""
    if isinstance(body, dict) and ("user_id" in body or "to" in body):
        if "channel" in body or "channels" in body:
            user = body.get("user_id") is not None and "channels" not in body
            if user and isinstance(body.get("metadata"), Mapping):
                return read_notification(body, origin, encode, key, parse)
        elif "to" in body:
            return read_realtime(body, origin, encode, key, parse)
        else:
            return read_notification(body, origin, encode, key, parse)
    return read_broadcast(body, origin, encode, key, parse)
