"""What ``POST /api/broadcast`` takes: the plan's body and its two relatives, told apart by their shape.

A body with ``channel`` or ``channels`` is the plan's, whatever else it has, unless ``user_id`` and
``metadata`` say that it is a notification.
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
        named = "channel" in body or "channels" in body
        if "user_id" in body and (isinstance(body.get("metadata"), Mapping) if named else "to" not in body):
            return read_notification(body, origin, encode, key, parse)
        if "to" in body and not named:
            return read_realtime(body, origin, encode, key, parse)
    return read_broadcast(body, origin, encode, key, parse)
