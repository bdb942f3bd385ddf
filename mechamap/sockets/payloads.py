"""What browsers may send: any payload of any type becomes either typed values or a refusal that names the
field."""

import re

from mechamap.domain.errors import InvalidField
from mechamap.domain.history import Position
from mechamap.domain.recovery import parse_offset

MAX_IDS = 50
"""Notifications marked by one event; a longer list is sent in parts."""
MAX_BIGINT = 2**63 - 1
_EPOCH = re.compile(r"[A-Za-z0-9_-]{0,64}", re.ASCII)


def channel_of(args: tuple[object, ...]) -> object:
    """The channel a ``subscribe``/``unsubscribe`` names: ``{channel}`` or the bare name."""
    payload = args[0] if args else None
    return payload.get("channel") if isinstance(payload, dict) else payload


def since_of(args: tuple[object, ...]) -> Position | None:
    """The position from which a ``subscribe`` wants a channel's events: ``since: {epoch, offset}``, or the
    text that stands behind every event."""
    payload = args[0] if args else None
    since = payload.get("since") if isinstance(payload, dict) else None
    if since is None:
        return None
    if isinstance(since, dict):
        epoch, offset = since.get("epoch"), since.get("offset")
        if (
            isinstance(epoch, str)
            and _EPOCH.fullmatch(epoch)
            and type(offset) is int
            and 0 <= offset < 10**15
        ):
            return Position(epoch, offset)
    elif (position := parse_offset(since)) is not None:
        return position
    raise InvalidField(
        "since", "since must be {epoch, offset} as the server gave them.", code="since_invalid"
    )


def after_of(args: tuple[object, ...]) -> int:
    """The id after which ``presence:members`` asks for members: ``{after}``, or from the first on.

    Raises:
        InvalidField
    """
    payload = args[0] if args else None
    after = payload.get("after") if isinstance(payload, dict) else None
    if after is None:
        return 0
    if isinstance(after, int) and not isinstance(after, bool) and 0 <= after <= MAX_BIGINT:
        return after
    raise InvalidField("after", "after is not the id of a user.", code="after_invalid")


def shown(name: object) -> str | None:
    """The channel as repeated to the client: its own text, bounded; other types are not repeated."""
    return name[:200] if isinstance(name, str) else None


def notification_ids(args: tuple[object, ...]) -> tuple[int | str, ...]:
    """The ids of ``notification_read``: ``{notificationId}`` or ``{notification_id}``, one or a list, or the
    bare value.

    Numbers stay numbers, digit strings become numbers (bigint tables), other strings are uuids of Laravel's
    own table.
    """
    payload = args[0] if args else None
    if isinstance(payload, dict):
        payload = next(
            (payload[key] for key in ("notificationId", "notification_id") if key in payload), None
        )
    values = payload if isinstance(payload, list) else [payload]
    if not values or len(values) > MAX_IDS:
        raise InvalidField(
            "notificationId", f"Give from 1 to {MAX_IDS} notification ids.", code="notification_ids_count"
        )
    return tuple(dict.fromkeys(_notification_id(value) for value in values))


def _notification_id(value: object) -> int | str:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 19:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_BIGINT:
        return value
    if isinstance(value, str) and len(value) == 36 and value.replace("-", "").isalnum():
        return value.lower()
    if value is None:
        raise InvalidField("notificationId", "notificationId is required.", code="notification_id_required")
    raise InvalidField(
        "notificationId", "notificationId is not the id of a notification.", code="notification_id_invalid"
    )
