"""Who is in a channel, for publishers: how many subscriptions, how many people, which connections."""

from dataclasses import dataclass

from mechamap.broker.protocol import Broker
from mechamap.domain.channels import Channel, parse_channel_of_site
from mechamap.domain.errors import InvalidChannel
from mechamap.presence.protocol import Roster

MOST_CONNECTIONS = 5_000
"""Read for one answer. In a larger cluster people are not counted: no number is better than a wrong one."""


@dataclass(frozen=True, slots=True)
class Audience:
    """At this moment, over all workers.

    Attributes:
        subscribers: subscriptions, exact.
        users, sids: distinct people and Socket.IO ids, up to half a second old; None in a cluster of more
            than ``MOST_CONNECTIONS`` connections.
    """

    subscribers: int
    users: int | None
    sids: tuple[str, ...] | None


def audience(broker: Broker, roster: Roster, channel: Channel) -> Audience:
    """The channel's audience, whatever spelling each subscriber uses.

    Raises:
        BrokerUnavailable
    """
    subscribers = broker.channels().get(channel.canonical, 0)
    if roster.totals()[0] > MOST_CONNECTIONS:
        return Audience(subscribers, None, None)
    known: dict[str, bool] = {}
    found = []
    for record in roster.connections(limit=MOST_CONNECTIONS):
        for name in record.channels:
            if name not in known:
                known[name] = _canonical(name) == channel.canonical
            if known[name]:
                found.append(record)
                break
    return Audience(subscribers, len({record.user_id for record in found}), tuple(r.sid for r in found))


def _canonical(name: str) -> str | None:
    try:
        return parse_channel_of_site(name).canonical
    except InvalidChannel:  # of a newer version
        return None
