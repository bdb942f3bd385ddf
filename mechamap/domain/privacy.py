"""Which channels an event must not go to, whoever published it and by whatever way.

The application publishes one user's notification (title, message, data) as ``notification.received`` to that
user's channel and, for some types, to a channel of everyone with a role and to a forum as well. Whoever may
join those would read other people's notifications, so they are left out.
"""

from .channels import Channel
from .errors import InvalidChannel
from .grammar import ChannelKind

PRIVATE_EVENT = "notification.received"
WITHHELD = "channel_withheld"
"""The code of a channel that is left out."""
OWN_KINDS = frozenset({ChannelKind.USER, ChannelKind.SELLER, ChannelKind.ORDERS, ChannelKind.SITE})
"""Kinds of channels that belong to one person; and those of other sites, whose own authoriser judges them."""


def addressed(event: str, channels: tuple[Channel, ...]) -> tuple[tuple[Channel, ...], tuple[Channel, ...]]:
    """The channels that get the event, at least one, and those that are left out.

    Raises:
        InvalidChannel: ``WITHHELD``: none is left.
    """
    if event != PRIVATE_EVENT:
        return channels, ()
    kept = tuple([channel for channel in channels if channel.kind in OWN_KINDS])
    if not kept:
        raise left_out()
    return kept, tuple([channel for channel in channels if channel.kind not in OWN_KINDS])


def left_out() -> InvalidChannel:
    """Why a channel does not get the event."""
    return InvalidChannel(
        f"{PRIVATE_EVENT} is one person's and goes to no channel that others may join.",
        code=WITHHELD,
    )
