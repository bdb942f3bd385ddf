"""What a subscription brings of the past to a client that keeps its own position."""

from collections.abc import Callable
from dataclasses import dataclass

from mechamap.broker.protocol import Broker
from mechamap.domain.channels import Channel
from mechamap.domain.history import Gap, History, Position, earliest, later
from mechamap.domain.publication import Publication
from mechamap.domain.recovery import ALREADY_SUBSCRIBED

from .catching_up import CatchingUp
from .connection import Connection
from .protocol import Transport


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A channel that the connection has.

    Attributes:
        position: all its events up to here were sent, or were before the subscription; later ones come.
        recovered: whether exactly the events since the client's own position were sent; None if it gave none.
        reason: why not.
        count: the events that were sent.
        resume: where the connection is in all its channels; a stock client is to return from there, whose
            own position is that of the last event it received. None where nothing old was sent.
    """

    channel: Channel
    position: Position
    recovered: bool | None = None
    reason: str | None = None
    count: int = 0
    resume: Position | None = None


class Past:
    """One worker's part in it, before and after the connection has the channel in its books."""

    def __init__(self, transport: Transport, broker: Broker, catching_up: CatchingUp) -> None:
        self._transport = transport
        self._broker = broker
        self._catching_up = catching_up

    def read(self, sid: str, canonical: str, since: Position | None) -> History | Gap | None:
        """What a followed channel had since the client's position, or why that cannot be given; None without
        a position. With a history what comes from now on is collected, for ``let_in``.

        Raises:
            BrokerUnavailable
        """
        if since is None:
            return None
        self._catching_up.collect(sid, frozenset({canonical}), since.epoch)
        try:
            missed = self._catching_up.missed({canonical: since.offset}, since.epoch)
        except BaseException:
            self._catching_up.stop(sid)
            raise
        if isinstance(missed, Gap):
            self._catching_up.stop(sid)
        return missed

    def none(self, channel: Channel, since: Position | None, gap: Gap | None = None) -> Subscribed:
        """Nothing old is sent: none was asked for, or it cannot be given, or the connection had the channel
        already."""
        position = self._broker.position(channel.canonical)
        if since is None:
            return Subscribed(channel, position)
        return Subscribed(channel, position, False, gap.value if gap is not None else ALREADY_SUBSCRIBED)

    def let_in(
        self,
        connection: Connection,
        channel: Channel,
        missed: History,
        told: Callable[[Publication], bool] = lambda publication: False,
    ) -> Subscribed:
        """Send what was missed and not ``told`` otherwise, then let the connection into the room, without
        yielding.

        Raises:
            Unavailable: something may be missing after all; nothing was sent.
        """
        sid, canonical = connection.sid, channel.canonical

        def gets(publication: Publication) -> bool:
            return told(publication) or connection.gets(publication, canonical, self._broker.position)

        owed = self._catching_up.owed(sid, missed, (sid,), gets)
        spelled = connection.spelled(canonical)
        for publication in owed:
            self._transport.replay(sid, publication, (spelled,))
        self._transport.join(sid, canonical, spelled)
        position = later(missed.position, self._broker.position(canonical))
        others = [self._broker.position(name) for name in connection.canonicals if name != canonical]
        resume = earliest((position, *others)) if owed else None
        return Subscribed(channel, position, True, None, len(owed), resume)
