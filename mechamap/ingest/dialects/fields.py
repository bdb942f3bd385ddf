"""Fields that several dialects have: a user's id, a request's id, the sender's socket."""

from collections.abc import Mapping
from typing import cast

from ...domain.channels import Channel, user_channel
from ...domain.errors import InvalidField
from ...domain.idempotency import check_name

MAX_ID = 2**63 - 1
MAX_SOCKET_LENGTH = 100


def id_of(value: object, field: str) -> int:
    """The id in ``value``: a number from 1 on, or its digits.

    Raises:
        InvalidField: ``user_id_required``, ``user_id_invalid``; likewise for other fields.
    """
    if value is None:
        raise InvalidField(field, f"{field} is required.", code=f"{field}_required")
    number = 0
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 19:
        number = int(value) if value[0] != "0" else 0
    if not 0 < number <= MAX_ID:
        raise InvalidField(field, f"{field} must be a whole number from 1 on.", code=f"{field}_invalid")
    return number


def channel_of_user(body: Mapping[str, object]) -> Channel:
    """The private channel of the user whom ``user_id`` names.

    Raises:
        InvalidField
    """
    return user_channel(id_of(body.get("user_id"), "user_id"))


def request_in(body: Mapping[str, object]) -> str | None:
    """The application's id of the request that a publication belongs to, in ``request_id`` or in
    ``metadata``.

    Raises:
        InvalidField
    """
    metadata = body.get("metadata")
    for field, value in (
        ("request_id", body.get("request_id")),
        ("metadata.request_id", metadata.get("request_id") if isinstance(metadata, Mapping) else None),
    ):
        if value is not None:
            return check_name(value, field)
    return None


def without_socket(body: Mapping[str, object], data: object) -> tuple[object, str | None]:
    """``data`` as browsers are to get it, and the Socket.IO id of the connection that must not: ``socket`` in
    the body, or in ``data``, where Laravel's ``toOthers`` puts it.

    Raises:
        InvalidField
    """
    field, socket = "socket", body.get("socket")
    if isinstance(data, Mapping) and "socket" in data:
        if socket is None:
            field, socket = "data.socket", data["socket"]
        data = {name: value for name, value in data.items() if name != "socket"}
    if socket is not None and not (isinstance(socket, str) and len(socket) <= MAX_SOCKET_LENGTH):
        raise InvalidField(field, f"{field} must be a Socket.IO id or null.", code="socket_invalid")
    return data, cast("str | None", socket) or None
