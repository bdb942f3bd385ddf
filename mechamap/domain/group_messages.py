"""Messages that a page of groups asks to be stored, by Laravel, whose they are."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .errors import InvalidField, NotStored
from .moments import iso
from .payloads import payload_of
from .publication import new_id
from .wire import check_timestamp

MAX_LENGTH = 10_000
"""Characters of a message: some pages of text."""
MOST_MILLISECONDS = 10**13
"""After the year 2286 somebody will have to look at this."""
_ID = re.compile(r"[!-~]{1,100}", re.ASCII)


@dataclass(frozen=True, slots=True)
class GroupMessage:
    """One message.

    Attributes:
        id: names the message to Laravel, so that it can tell the same one sent again.
        sent_at: ISO 8601, as the page has it; None where it did not say.
    """

    id: str
    text: str
    sent_at: str | None


def read_group_message(body: object) -> GroupMessage:
    """The message of ``{message, timestamp?, id?}``.

    Raises:
        InvalidField
    """
    fields = body if isinstance(body, Mapping) else {}
    text = fields.get("message")
    if not isinstance(text, str) or not text.strip():
        raise InvalidField("message", "message must be a text that is not empty.", code="message_required")
    if len(text) > MAX_LENGTH:
        raise InvalidField(
            "message",
            f"message has {len(text)} characters; the limit is {MAX_LENGTH}.",
            code="message_too_long",
        )
    payload_of(text, "message")  # or it cannot be carried
    sent_at = _sent_at(fields.get("timestamp"))
    name = fields.get("id")
    if name is not None and (not isinstance(name, str) or not _ID.fullmatch(name)):
        raise InvalidField("id", "id must be 1 to 100 printable ASCII characters.", code="message_id_invalid")
    return GroupMessage(name or new_id(), text, sent_at)


def _sent_at(value: object) -> str | None:
    """A page's time as ISO 8601: pages write that, or milliseconds."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST_MILLISECONDS:
        return iso(value / 1000)
    check_timestamp(value)
    return value if isinstance(value, str) else None


def unsupported() -> NotStored:
    """What is said where no Laravel takes messages from here."""
    return NotStored(
        "This server stores no messages: post them to Laravel.", code="group_message_unsupported"
    )
