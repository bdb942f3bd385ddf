"""Recovery: a client that returns gets its channels and exactly the events it missed, or is told why not.

A session is kept with every change of its channels, so nothing depends on how its connection ended. At a
return the person proves who they are as always and every channel is judged again; ``catching_up`` gives the
events.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from mechamap.broker.protocol import Broker
from mechamap.domain.access import Decision
from mechamap.domain.channels import Channel, parse_channel_of_site
from mechamap.domain.credentials import Credentials
from mechamap.domain.dialects import Dialect, mark, unmark
from mechamap.domain.errors import InvalidChannel
from mechamap.domain.identity import Identity, UserFacts
from mechamap.domain.recovery import STALLED, Kept, Lost, Reason, Returning, new_pid
from mechamap.recovery.protocol import Sessions

from .access import Judge
from .connection import Connection

FINAL = frozenset({"client_disconnect", "server_disconnect", "parse_error"})
"""Ends of a connection that end its session; a client that was cut off may return."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A session that its client may have back.

    Attributes:
        epoch: of the offsets in ``owed``.
        owed: the channels still allowed, each with the offset after which its events are owed.
        refused: the channels that are not allowed any more.
        echo: of both, the canonical names of those that it hears in Laravel Echo's dialect.
    """

    kept: Kept
    epoch: str
    owed: Mapping[Channel, int]
    refused: tuple[tuple[Channel, Decision], ...]
    echo: frozenset[str] = frozenset()

    def dialect_of(self, channel: Channel) -> Dialect:
        """In which one it hears the channel."""
        return Dialect.ECHO if channel.canonical in self.echo else Dialect.PLAN

    @property
    def since(self) -> dict[str, int]:
        """What is owed, by canonical names."""
        return {channel.canonical: since for channel, since in self.owed.items()}


class Recovery:
    """One worker's part in it."""

    def __init__(
        self,
        sessions: Sessions,
        broker: Broker,
        judge: Judge,
        *,
        answers_within: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``answers_within``: seconds after which a connection that still lives has received what it was
        given before."""
        self._sessions = sessions
        self._broker = broker
        self._judge = judge
        self._answers_within = answers_within
        self._clock = clock
        self._confirmed = self._ticked = clock()

    def begin(self, connection: Connection) -> None:
        """Keep the session of a connection that came without one.

        Raises:
            BrokerUnavailable: that cannot be promised.
        """
        connection.pid = new_pid()
        self._sessions.keep(connection)

    def resume(self, connection: Connection, pid: str, claim: Claim) -> None:
        """Give a session to the connection that returned to it, and take from it what it may not have.

        Raises:
            BrokerUnavailable: that cannot be promised.
        """
        connection.pid = pid
        has = set(connection.marks)
        self._sessions.keep(connection, [name for name in claim.kept.channels if name not in has])

    def joined(self, connection: Connection, channel: Channel) -> None:
        """Keep that the connection has the channel, as it spells and hears it.

        Raises:
            BrokerUnavailable: that cannot be promised.
        """
        self._sessions.joined(connection, mark(channel.name, connection.dialect_of(channel.canonical)))

    def left(self, connection: Connection, mark: str) -> None:
        """Keep that it has no channel with this mark (``Connection.mark_of``) any more.

        Raises:
            BrokerUnavailable: a return may bring it back, if its rule allows.
        """
        self._sessions.left(connection, mark)

    def ended(self, connection: Connection, reason: str, *, sent_away: bool) -> None:
        """The connection is over; its client may return unless it or the server meant it."""
        if connection.pid is not None:
            self._sessions.ended(connection, final=sent_away or reason in FINAL)

    def give_up(self, connection: Connection, returning: Returning | None) -> None:
        """The connection was not admitted after all: the session it came for goes on waiting, one that was
        made for it never was."""
        if connection.pid is not None:
            came_for = returning.pid if returning is not None else None
            self._sessions.ended(connection, final=connection.pid != came_for)

    def claim(
        self,
        returning: Returning,
        identity: Identity,
        facts: UserFacts | None,
        credentials: Credentials | None = None,
    ) -> Claim | Reason:
        """What a returning client may have back, or why it gets nothing.

        Raises:
            Unavailable: it cannot be told now.
        """
        epoch = returning.position.epoch if returning.position is not None else None
        kept = self._sessions.find(returning.pid, epoch)
        if kept is None or kept.user_id != identity.user_id:
            return Lost.UNKNOWN
        had = _channels_of(kept)
        if had is None:
            return Lost.UNKNOWN
        position = returning.position or kept.position
        decided = self._judge.decide_again(identity, [channel for channel, _, _ in had], facts, credentials)
        owed: dict[Channel, int] = {}
        refused, spelled, echo = [], {}, set()
        for channel, dialect, since in had:
            if dialect is Dialect.ECHO and channel.canonical not in spelled:
                echo.add(channel.canonical)
            decision = decided[channel]
            if decision.allowed:
                comparable = kept.position.epoch == position.epoch
                received = returning.position.offset if returning.position is not None else 0
                since = max(since if comparable else 0, received)
                # two connections of the session may have spelled it in two ways
                channel = spelled.setdefault(channel.canonical, channel)
                owed[channel] = min(owed.get(channel, since), since)
            else:
                refused.append((channel, decision))
        return Claim(kept, position.epoch, owed, tuple(refused), frozenset(echo))

    def confirm(self, connections: Iterable[Connection]) -> None:
        """Once a second: move the sessions of live connections on to what their clients have for certain.

        Without it a client that received nothing for as long as quiet channels are remembered could not
        prove, when it returns, that it missed nothing. A worker that was stopped may hold connections for
        alive that are not, so it begins to wait anew.
        """
        now = self._clock()
        stalled, self._ticked = now - self._ticked > STALLED, now
        if stalled or now - self._confirmed >= self._answers_within:
            self._confirmed = now
            given = None if stalled else self._broker.position("")
            for connection in connections:
                connection.confirm(given)


def _channels_of(kept: Kept) -> list[tuple[Channel, Dialect, int]] | None:
    """Its channels as they were spelled and heard, with the offsets behind which their events are owed; None
    if a name is one of an older version."""
    found = []
    for marked, since in kept.channels.items():
        name, dialect = unmark(marked)
        try:
            found.append((parse_channel_of_site(name), dialect, since))
        except InvalidChannel:
            return None
    return found
