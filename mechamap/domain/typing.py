"""Typing: that somebody writes in a channel just now, in the words of the application's pages.

Two vocabularies are in use. The server that this one replaces says ``user_typing`` and
``user_stopped_typing``, while the application's pages listen to ``typing_start`` and ``typing_stop``: both
are told. The page of groups has words of its own.
"""

from dataclasses import dataclass

from .channels import Channel
from .errors import Forbidden
from .grammar import ChannelKind
from .payloads import payload_of
from .publication import Publication

WRITTEN_IN = frozenset(
    {
        ChannelKind.THREAD,
        ChannelKind.CONVERSATION,
        ChannelKind.GROUP,
        ChannelKind.SHOWCASE,
        ChannelKind.MODERATOR,
        ChannelKind.ADMIN,
    }
)
"""Where people write to each other. Everybody hears public channels and forums: one page could talk to the
whole site in them."""


@dataclass(frozen=True, slots=True)
class Words:
    """The names of the events, each of which is told, that say that typing began and ended."""

    started: tuple[str, ...]
    stopped: tuple[str, ...]


OF_CHANNELS = Words(("user_typing", "typing_start"), ("user_stopped_typing", "typing_stop"))
OF_GROUPS = Words(("group_typing_start",), ("group_typing_stop",))

TYPING_EVENTS = frozenset(
    name for words in (OF_CHANNELS, OF_GROUPS) for name in (*words.started, *words.stopped)
)


def check_typed_in(channel: Channel, *, subscribed: bool, guest: bool) -> None:
    """A connection may say that its person types in this channel.

    Raises:
        Forbidden
    """
    if channel.kind not in WRITTEN_IN and not (channel.kind is ChannelKind.SITE and channel.guarded):
        raise Forbidden("Nobody writes in channels of this kind.", code="typing_channel")
    if guest:
        raise Forbidden("Only people who are signed in are told of.", code="sign_in_required")
    if not subscribed:
        raise Forbidden("Only subscribers of a channel write in it.", code="not_subscribed")


def typing_publications(
    words: Words,
    channel: Channel,
    user_id: int,
    name: str | None,
    *,
    typing: bool,
    but: str,
    at: str,
) -> tuple[Publication, ...]:
    """What the others in the channel are told, in order.

    Args:
        channel: as the page that types spells it.
        name: the person's; None where nobody knows it.
        but: the Socket.IO id of that page.
        at: ISO 8601.
    """
    about: dict[str, object]
    if words is OF_GROUPS:
        about = {"group_id": channel.target, "user_id": user_id, "user_name": name, "is_typing": typing}
    else:
        about = {
            "channel": channel.name,
            "userId": user_id,
            "user_id": user_id,
            "userName": name,
            "user_name": name,
        }
    payload = payload_of({**about, "timestamp": at})
    names = words.started if typing else words.stopped
    return tuple(Publication((channel,), event, payload, except_id=but, origin="client") for event in names)
