"""What the broker brings to one worker: events for its browsers, gaps in what it heard, commands."""

from collections.abc import Callable, Collection

from mechamap.domain.commands import Command
from mechamap.domain.history import Gap
from mechamap.domain.moments import now_iso
from mechamap.domain.publication import Publication

from .catching_up import CatchingUp
from .connections import Connections
from .presence import Presence
from .protocol import Meter, Transport
from .tap import Kind, Tap


class Hearing:
    """Implements ``BrokerEvents``. ``carry_out`` does what a command says, and must not yield."""

    def __init__(
        self,
        *,
        connections: Connections,
        transport: Transport,
        catching_up: CatchingUp,
        presence: Presence,
        meter: Meter,
        tap: Tap,
        carry_out: Callable[[Command], None],
        clock: Callable[[], float],
    ) -> None:
        self._connections = connections
        self._transport = transport
        self._catching_up = catching_up
        self._presence = presence
        self._meter = meter
        self._tap = tap
        self._clock = clock
        self._carry_out = carry_out

    def on_publication(self, publication: Publication) -> None:
        """Deliver to this worker's subscribers. Called in the channel's order; must not yield."""
        if self._presence.heard(publication):
            return
        owed = self._presence.on_publication(publication)
        having = self._catching_up.on_publication(publication)
        count = self._transport.deliver(publication, having)
        self._presence.tell_owed(owed)
        seconds = max(0.0, self._clock() - publication.accepted_at)
        self._meter.delivery(count, seconds)
        if self._tap.on:
            self._tap.published(Kind.DELIVERY, publication, connections=count, seconds=round(seconds, 6))

    def on_gap(self, channels: Collection[str], reason: Gap) -> None:
        """Events of channels with subscribers here may be missing; the broker has logged which. Their
        subscribers are told, because their own position will soon be past the gap."""
        self._meter.gap(reason.value, len(channels))
        if self._tap.on:
            self._tap.note(Kind.GAP, channels=tuple(channels), code=reason.value)
        missing = set(channels)
        self._catching_up.on_gap(missing)
        for connection in self._connections:
            names = [c.name for canonical, c in connection.channels.items() if canonical in missing]
            if names:
                told = {"recovered": False, "reason": reason.value, "channels": names, "timestamp": now_iso()}
                self._transport.send(connection.sid, "recovery", told)

    def on_command(self, command: Command) -> None:
        """Do it on this worker's connections."""
        self._carry_out(command)
