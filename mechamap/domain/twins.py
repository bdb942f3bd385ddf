"""Twins: the application announces one row of its notifications twice, and a browser is told once.

``NotificationService`` posts ``notification`` at once, and the same row comes as ``notification.received``
through the broadcast driver when a queue worker gets to it. Whichever comes first is delivered; the other is
answered as its duplicate.
"""

from collections.abc import Iterable, Mapping

from .channels import Channel
from .grammar import ChannelKind
from .idempotency import Once
from .privacy import PRIVATE_EVENT

TWIN_EVENTS = frozenset({"notification", PRIVATE_EVENT})
TWIN_SECONDS = 10.0
"""How long the first stands for both."""
MAX_ID_LENGTH = 64
MAX_ID = 2**63 - 1


def twin_of(event: str, channels: Iterable[Channel], data: object) -> Once | None:
    """What both announcements of one row are remembered by: the user and the row's id. Their contents differ
    and do not count. None for what is no announcement of one row to one user."""
    if event not in TWIN_EVENTS or not isinstance(data, Mapping):
        return None
    row, users = data.get("id"), {each.target for each in channels if each.kind is ChannelKind.USER}
    number = isinstance(row, int) and not isinstance(row, bool) and 0 < row <= MAX_ID
    text = isinstance(row, str) and 0 < len(row) <= MAX_ID_LENGTH
    if len(users) != 1 or not (number or text):
        return None
    return Once.of_name("notification", str(users.pop()), str(row), seconds=TWIN_SECONDS)
