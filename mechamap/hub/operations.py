"""What operators see and do, cluster-wide: the console and the command line share it."""

import logging
import time
from dataclasses import dataclass
from typing import Protocol

from mechamap.auth.protocol import BroadcastKey
from mechamap.broker.protocol import Broker
from mechamap.domain.channels import Channel, Parse, parse_channel, spell
from mechamap.domain.commands import CLOSING, Action, Command
from mechamap.domain.errors import InvalidChannel
from mechamap.domain.history import Position
from mechamap.domain.members import MemberPage
from mechamap.domain.publication import Receipt
from mechamap.domain.searching import Search
from mechamap.domain.wire import read_broadcast
from mechamap.presence.protocol import ConnectionRecord, Members, Roster, WorkerRecord

from .audience import Audience, audience
from .history import Page, page
from .inspections import ChannelSeen, ConnectionSeen, ConnectionsFound, Inspections, Reach
from .publishing import Publisher
from .statistics import ClusterStatistics, Overview

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """One channel that has subscribers. ``name`` is in the plan's spelling."""

    name: str
    canonical: str
    kind: str
    subscribers: int


@dataclass(frozen=True, slots=True)
class Totals:
    """Cluster-wide counts of this moment."""

    connections: int
    users: int
    channels: int
    subscriptions: int
    workers: int


class Operations(Protocol):
    """Everything here raises BrokerUnavailable when the cluster cannot be asked."""

    def clients(
        self, *, user_id: int | None = None, sid: str | None = None, limit: int = 1000
    ) -> list[ConnectionRecord]: ...

    def channels(self) -> list[ChannelRow]:
        """Busiest first."""

    def history(self, channel: str, since: Position | None, limit: int) -> Page:
        """What a channel had: see ``hub.history.page``.

        Raises:
            InvalidField: there is no such channel.
        """

    def members(self, channel: Channel, after: int, limit: int) -> MemberPage:
        """The first ``limit`` members whose id is above ``after``.

        Raises:
            InvalidChannel: the channel is of a kind that has no members.
        """

    def workers(self) -> list[WorkerRecord]: ...

    def totals(self) -> Totals: ...

    def statistics(self) -> Overview:
        """This moment and the last hour, as the workers measured them."""

    def kick(self, command: Command) -> int:
        """Order the connections a command names to be closed, or a user to be let in again; how many they
        were."""

    def find(self, search: Search) -> ConnectionsFound:
        """One page of the connections that match, as their workers know them."""

    def connection(self, sid: str) -> ConnectionSeen:
        """One connection in full.

        Raises:
            NotFound: there is none of this id.
        """

    def reach(self, channel: Channel) -> Reach:
        """Who is in the channel, as the workers know it."""

    def channel(self, channel: Channel) -> ChannelSeen:
        """The channel's log, and how busy it is."""

    def purge(self, channel: Channel) -> int:
        """Empty the channel's log; how many events it held."""

    def publish(self, body: object, origin: str) -> Receipt:
        """Publish ``{channel | channels, event, data}`` as an operator.

        Raises:
            InvalidField, InvalidRequest: as for any publisher.
        """


class PublisherOperations(Operations, Protocol):
    """What publishers ask for beside that; only inside a server."""

    def order(self, command: Command) -> int:
        """Order a user's connections to join or leave a channel; how many they were."""

    def audience(self, channel: Channel) -> Audience:
        """Who is in the channel."""


class ClusterOperations:
    """Operations through broker, roster and members; works in any process that reaches them."""

    def __init__(
        self,
        broker: Broker,
        roster: Roster,
        members: Members,
        publisher: Publisher,
        inspections: Inspections,
        statistics: ClusterStatistics,
        parse: Parse = parse_channel,
    ) -> None:
        self._broker = broker
        self._roster = roster
        self._members = members
        self._publisher = publisher
        self._inspections = inspections
        self._statistics = statistics
        self._parse = parse

    def clients(
        self, *, user_id: int | None = None, sid: str | None = None, limit: int = 1000
    ) -> list[ConnectionRecord]:
        return self._roster.connections(user_id=user_id, sid=sid, limit=limit)

    def channels(self) -> list[ChannelRow]:
        rows = [
            ChannelRow(spell(canonical), canonical, canonical.partition(":")[0], subscribers)
            for canonical, subscribers in self._broker.channels().items()
        ]
        return sorted(rows, key=lambda row: (-row.subscribers, row.name))

    def history(self, channel: str, since: Position | None, limit: int) -> Page:
        return page(self._broker, self._parse(channel), since, limit)

    def members(self, channel: Channel, after: int, limit: int) -> MemberPage:
        if not channel.presence:
            raise InvalidChannel(
                "Only channels whose names begin with presence- have members.", code="channel_without_members"
            )
        return self._members.page(channel.canonical, after, limit)

    def workers(self) -> list[WorkerRecord]:
        return self._roster.workers()

    def totals(self) -> Totals:
        channels = self._broker.channels()
        connections, users = self._roster.totals()
        return Totals(connections, users, len(channels), sum(channels.values()), len(self._roster.workers()))

    def statistics(self) -> Overview:
        return self._statistics.overview(self._roster.workers())

    def kick(self, command: Command) -> int:
        if command.action not in CLOSING | {Action.UNBLOCK}:
            raise ValueError(f"{command.action} closes nothing")
        named = self._count(command)
        self._broker.command(command)
        log.info("kick_ordered", extra={"command": command.id, "connections": named, "code": command.code})
        return named

    def find(self, search: Search) -> ConnectionsFound:
        return self._inspections.find(search)

    def connection(self, sid: str) -> ConnectionSeen:
        return self._inspections.connection(sid)

    def reach(self, channel: Channel) -> Reach:
        return self._inspections.reach(channel)

    def channel(self, channel: Channel) -> ChannelSeen:
        return self._inspections.channel(channel, time.time())

    def purge(self, channel: Channel) -> int:
        held = self._inspections.purge(channel)
        log.info("log_purged", extra={"channel": channel.canonical, "events": held})
        return held

    def order(self, command: Command) -> int:
        named = self._count(command)
        self._broker.command(command)
        about = {"command": command.id, "user": command.user_id, "channel": command.subject}
        log.info("order_given", extra={**about, "action": command.action.value, "connections": named})
        return named

    def audience(self, channel: Channel) -> Audience:
        return audience(self._broker, self._roster, channel)

    def publish(self, body: object, origin: str) -> Receipt:
        publication = read_broadcast(body, origin, parse=self._parse)
        return self._publisher.publish(BroadcastKey(origin), publication)

    def _count(self, command: Command) -> int:
        if command.everyone:
            return self._roster.totals()[0]
        if command.token is not None:
            return self._inspections.find(Search(token=command.token, limit=1)).matches
        if command.channel is not None:
            return self._broker.channels().get(command.channel, 0)
        return len(self._roster.connections(user_id=command.user_id, sid=command.sid, limit=10_000))
