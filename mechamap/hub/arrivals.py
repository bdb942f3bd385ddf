"""Arrivals: a verified person's connection is admitted, as a new one or as one that returns."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mechamap.broker.protocol import Broker
from mechamap.domain.channels import Channel, user_channel
from mechamap.domain.credentials import Credentials
from mechamap.domain.dialects import Dialect
from mechamap.domain.errors import Unavailable
from mechamap.domain.history import History, Position, later
from mechamap.domain.identity import Identity, UserFacts
from mechamap.domain.recovery import Reason, Returning
from mechamap.presence.protocol import Roster

from .bars import Bars
from .catching_up import CatchingUp
from .connection import Connection
from .connections import Connections
from .journal import Journal
from .presence import Presence
from .protocol import Meter, Transport
from .recovery import Claim, Recovery
from .tap import Kind

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Admission:
    """An admitted connection, which has not joined its channels yet: see ``Arrivals.join``.

    Attributes:
        claim, missed: what a recovered session is owed; None for a new session.
        lost: why a session that was asked for could not be recovered.
    """

    connection: Connection
    claim: Claim | None = None
    missed: History | None = None
    lost: Reason | None = None

    @property
    def recovered(self) -> bool:
        return self.missed is not None


class Arrivals:
    """One worker's door."""

    def __init__(
        self,
        *,
        worker_id: str,
        connections: Connections,
        transport: Transport,
        broker: Broker,
        roster: Roster,
        recovery: Recovery,
        catching_up: CatchingUp,
        presence: Presence,
        meter: Meter,
        journal: Journal,
        most: int,
        clock: Callable[[], float],
        bars: Bars,
    ) -> None:
        self._worker_id = worker_id
        self._connections = connections
        self._transport = transport
        self._broker = broker
        self._roster = roster
        self._recovery = recovery
        self._catching_up = catching_up
        self._presence = presence
        self._meter = meter
        self._journal = journal
        self._most = most
        self._clock = clock
        self._bars = bars

    def admit(
        self,
        sid: str,
        identity: Identity,
        facts: UserFacts | None,
        returning: Returning | None,
        credentials: Credentials | None = None,
        *,
        transport: str,
        address: str | None,
        user_agent: str | None,
        opened_at: float | None = None,
        dialect: Dialect = Dialect.PLAN,
    ) -> Admission:
        """Put the connection into the books and follow its channels: the person's own, or those of the
        session it returns to. A guest has none of its own. ``opened_at``: see ``Connection``.

        Raises:
            Unavailable: this worker is full, or the broker cannot promise delivery, or it cannot be told now
                what a session may have back.
            AuthenticationFailed: an operator barred the user or the token a moment ago.
        """
        if len(self._connections) >= self._most:
            raise Unavailable("The server is full; try again shortly.", code="server_full", retry_after=5)
        claim = None
        if returning is not None:
            claim = self._recovery.claim(returning, identity, facts, credentials)
        own = user_channel(identity.user_id) if not identity.guest else None
        kept = claim.kept if isinstance(claim, Claim) else None
        connection = Connection(
            sid,
            identity,
            facts,
            self._worker_id,
            kept.position if kept is not None else self._position(own),
            transport=transport,
            address=address,
            user_agent=user_agent,
            connected_at=self._clock(),
            opened_at=opened_at,
            dialect=dialect,
        )
        followed: list[str] = []
        try:
            admission = self._follow(connection, own, claim, followed)
            self._enter(admission, own, returning, identity)
        except BaseException:
            self._catching_up.drop(sid)
            self._recovery.give_up(connection, returning)
            self._presence.ended(connection)
            self._leave(followed)
            raise
        return admission

    def _follow(
        self, connection: Connection, own: Channel | None, claim: Claim | Reason | None, followed: list[str]
    ) -> Admission:
        """Follow the channels; ``followed`` tells which, whatever happens."""
        if own is not None:
            self._subscribe(own.canonical, followed)
        first = tuple(followed)
        if not isinstance(claim, Claim):
            return Admission(connection, lost=claim)
        for canonical in claim.since.keys() - set(first):
            self._subscribe(canonical, followed)
        self._catching_up.collect(connection.sid, frozenset(claim.since), claim.epoch)
        missed = self._catching_up.missed(claim.since, claim.epoch)
        if isinstance(missed, History):
            for canonical in set(first) - claim.since.keys():  # it had left it
                followed.remove(canonical)
                self._leave([canonical])
            return Admission(connection, claim, missed)
        self._catching_up.drop(connection.sid)
        self._leave(followed[len(first) :])
        del followed[len(first) :]
        return Admission(connection, lost=missed)

    def _enter(
        self, admission: Admission, own: Channel | None, returning: Returning | None, identity: Identity
    ) -> None:
        connection, claim = admission.connection, admission.claim
        if claim is not None:
            for channel, since in claim.owed.items():
                connection.join(channel, Position(claim.epoch, since), claim.dialect_of(channel))
        if not admission.recovered and own is not None:
            connection.join(own, self._position(own), connection.dialect)
        if not admission.recovered:
            self._recovery.begin(connection)
        else:
            self._recovery.resume(connection, returning.pid, claim)
            self._presence.reenter(connection)
            self._catching_up.check(connection.sid)
        self._bars.check(identity)  # the last moment: once it is in the books, orders find it
        self._connections.add(connection)
        self._roster.record(connection)
        self._meter.connection("accepted")
        log.info(
            "connected",
            extra={
                "user": connection.user_id,
                "sid": connection.sid,
                "kind": connection.kind.value,
                "transport": connection.transport,
                "recovery": admission.lost.value if admission.lost else admission.recovered or None,
            },
        )

    def join(self, admission: Admission) -> int:
        """Give a returning client what it missed and let the connection join its rooms, without yielding; how
        many events it was given.

        Raises:
            Unavailable: something may be missing after all. Nothing was given; the caller is to end the
                connection, whose client may return once more.
        """
        connection, given = admission.connection, 0
        if admission.lost is not None:
            self._meter.recovery(admission.lost.value)
        if admission.recovered:
            senders = admission.claim.kept.sids
            for publication in self._catching_up.owed(connection.sid, admission.missed, senders):
                self._transport.replay(connection.sid, publication, connection.copies(publication))
                given += 1
            self._meter.recovery("recovered")
        for canonical, spelled in connection.rooms:
            self._transport.join(connection.sid, canonical, spelled)
        self._note(admission, given)
        return given

    def _note(self, admission: Admission, given: int) -> None:
        """Keep how it came, and from where on it has each channel."""
        connection, journal = admission.connection, self._journal
        sids = admission.claim.kept.sids if admission.recovered and admission.claim else ()
        came = "recovered" if admission.recovered else admission.lost.value if admission.lost else "new"
        journal.connected(connection, self._broker.position(""), came, sids)
        for canonical, since in connection.owed():
            position = self._broker.position(canonical)
            if admission.missed is not None:  # the logs were ahead of this worker
                position = later(position, admission.missed.position)
            journal.joined(connection, canonical, position, since)
        if journal.tap.on and came != "new":
            about = {"user_id": connection.user_id, "sid": connection.sid}
            journal.tap.note(Kind.RECOVERY, code=came, replayed=given, **about)

    def _position(self, own: Channel | None) -> Position:
        return self._broker.position(own.canonical if own is not None else "")

    def _subscribe(self, canonical: str, followed: list[str]) -> None:
        self._broker.subscribe(canonical)
        followed.append(canonical)

    def _leave(self, canonicals: Iterable[str]) -> None:
        for canonical in canonicals:
            self._broker.unsubscribe(canonical)
