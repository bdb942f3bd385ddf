"""Webhooks: what Laravel is told of its channels, in Pusher's form.

Events and names are those of Pusher's documentation («Webhooks»): ids of users are text, and ``data`` of a
browser's own event is JSON text within the JSON, as Pusher's libraries expect it. A channel is named by the
first of its spellings, which is the one that Laravel uses.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from .channels import Channel, spell
from .members import Announcement, Change
from .publication import Publication

MAX_EVENTS = 50
MAX_BYTES = 100_000
"""Of one webhook: a second of a busy site, and what any web server takes."""


class WebhookEvent(StrEnum):
    """What a site may be told of."""

    CHANNEL_OCCUPIED = "channel_occupied"
    CHANNEL_VACATED = "channel_vacated"
    MEMBER_ADDED = "member_added"
    MEMBER_REMOVED = "member_removed"
    CLIENT_EVENT = "client_event"


USUAL = tuple(event for event in WebhookEvent if event is not WebhookEvent.CLIENT_EVENT)
"""Without settings. Whispers are many, and what people tell each other."""


class Mark(StrEnum):
    """What keeps a notice from being told twice.

    ID: its name is an id; an id that was seen is passed over. OCCUPIED, VACATED: its name is a channel, whose
    state is changed together with telling so; one that is in that state already is passed over.
    """

    NONE = ""
    ID = "i"
    OCCUPIED = "+"
    VACATED = "-"


@dataclass(frozen=True, slots=True)
class Notice:
    """One event on its way to Laravel: JSON text, empty where only the state is to change."""

    text: bytes
    mark: Mark = Mark.NONE
    name: str = ""


def occupied(canonical: str, *, told: bool = True) -> Notice:
    """The channel has a subscriber now; ``told``: Laravel wants to know."""
    text = _text(WebhookEvent.CHANNEL_OCCUPIED, spell(canonical)) if told else b""
    return Notice(text, Mark.OCCUPIED, canonical)


def vacated(canonical: str, *, told: bool = True) -> Notice:
    """The channel has no subscriber any more."""
    text = _text(WebhookEvent.CHANNEL_VACATED, spell(canonical)) if told else b""
    return Notice(text, Mark.VACATED, canonical)


def event_of(announcement: Announcement) -> WebhookEvent:
    """What it is called in a webhook."""
    joining = announcement.change is Change.JOINING
    return WebhookEvent.MEMBER_ADDED if joining else WebhookEvent.MEMBER_REMOVED


def member_changed(announcement: Announcement) -> Notice:
    """A user became a member of a presence channel, or is none any more."""
    user_id = str(announcement.member.user_id)
    text = _text(event_of(announcement), spell(announcement.channel), user_id=user_id)
    return Notice(text, Mark.ID, announcement.id)


def client_event(whisper: Publication, channel: Channel, user_id: int) -> Notice:
    """A browser said something to the others in a channel; who, only where its members know who they are."""
    more: dict[str, str] = {"event": whisper.event, "data": whisper.payload.decode()}
    if whisper.except_id is not None:
        more["socket_id"] = whisper.except_id
    if channel.presence:
        more["user_id"] = str(user_id)
    text = _text(WebhookEvent.CLIENT_EVENT, spell(channel.canonical), **more)
    return Notice(text, Mark.ID, whisper.id)


def body_of(events: Iterable[bytes], time_ms: int) -> bytes:
    """The body of a webhook. ``time_ms`` is when it is sent: Pusher's Python library refuses bodies that are
    older than five minutes."""
    return b'{"time_ms":%d,"events":[%s]}' % (time_ms, b",".join(events))


def _text(what: WebhookEvent, about: str, /, **more: str) -> bytes:
    told = {"name": what.value, "channel": about, **more}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
