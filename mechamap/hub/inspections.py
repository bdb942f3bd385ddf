"""What operators look at closely, over all workers: connections that match, one in full, a channel's log."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mechamap.broker.protocol import Broker
from mechamap.domain.channels import Channel
from mechamap.domain.errors import NotFound
from mechamap.domain.history import LogState
from mechamap.domain.moments import iso
from mechamap.domain.publication import Publication
from mechamap.domain.searching import Place, Search
from mechamap.domain.whispers import momentary
from mechamap.presence.protocol import ConnectionRecord, Roster, WorkerRecord

from .inquiries import Inquiries
from .seeing import (
    CONNECTION,
    FIND,
    REACH,
    ChannelAsked,
    ConnectionAsked,
    ConnectionInFull,
    ConnectionRow,
    Found,
    ReachHere,
    place_of,
)

LAST_EVENTS = 20
MOST_CHANNELS = 12
"""Channels of a connection whose logs are read for its last events."""
RATED = 500
"""Newest events of a log by which its rate is measured: all that a log holds by default."""


@dataclass(frozen=True, slots=True)
class ConnectionsFound:
    """A page of a search over all workers.

    Attributes:
        matches: of the workers that answered.
        after: where the next page begins; None behind the last.
        silent: workers that did not answer: their connections are missing here.
    """

    matches: int
    rows: tuple[ConnectionRow, ...]
    after: Place | None
    silent: tuple[WorkerRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class PastOf:
    """One event of a channel's log, without its data.

    Attributes:
        channel: canonical.
        size: bytes of its data.
        at: Unix seconds of its acceptance.
    """

    id: str
    channel: str
    event: str
    offset: int
    at: float
    origin: str
    size: int
    except_id: str | None

    @property
    def moment(self) -> str:
        return iso(self.at)


@dataclass(frozen=True, slots=True)
class ConnectionSeen:
    """One connection.

    Attributes:
        record: as every worker knows it.
        full: as its worker has it; None if that did not answer.
        events: the last of its channels since it joined each, newest first: from the logs, so they are what
            it was to be sent.
    """

    record: ConnectionRecord
    full: ConnectionInFull | None
    events: tuple[PastOf, ...] = ()


@dataclass(frozen=True, slots=True)
class Reach:
    """Whom an event of a channel would reach now.

    Attributes:
        workers: that have subscribers.
        users: distinct on each worker, summed: who is on two counts twice.
    """

    workers: int
    connections: int
    users: int
    dialects: dict[str, int]
    transports: dict[str, int]
    silent: tuple[WorkerRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class ChannelSeen:
    """One channel's log.

    Attributes:
        per_minute: events accepted within the last minute; ``at_least`` if the log holds no more.
        events: the last, newest first.
    """

    log: LogState
    per_minute: int
    at_least: bool
    events: tuple[PastOf, ...]


class Inspections:
    """Everything here raises BrokerUnavailable when the cluster cannot be asked."""

    def __init__(self, broker: Broker, roster: Roster, inquiries: Inquiries) -> None:
        self._broker = broker
        self._roster = roster
        self._inquiries = inquiries

    def find(self, search: Search) -> ConnectionsFound:
        """One page of the connections that match."""
        answered = self._inquiries.ask(FIND, search, Found, worker=search.worker or None)
        parts = answered.answers.values()
        rows = sorted(
            (row for part in parts for row in part.rows),
            key=lambda row: (place_of(row, search).key, row.sid),
            reverse=True,
        )
        page = tuple(rows[: search.limit])
        more = len(rows) > len(page) or any(len(part.rows) >= search.limit for part in parts)
        after = place_of(page[-1], search) if page and more else None
        return ConnectionsFound(sum(part.matches for part in parts), page, after, answered.silent)

    def connection(self, sid: str) -> ConnectionSeen:
        """
        Raises:
            NotFound: there is none of this id.
        """
        answered = self._inquiries.ask(CONNECTION, ConnectionAsked(sid), ConnectionInFull | None)
        full = next((each for each in answered.answers.values() if each is not None), None)
        if full is not None:
            return ConnectionSeen(full.record, full, self._events_of(full))
        # a worker that is silent may have it; the roster then knows, half a second behind at most
        silent = {worker.id for worker in answered.silent}
        for record in self._roster.connections(sid=sid, limit=1):
            if record.worker in silent:
                return ConnectionSeen(record, None)
        raise NotFound("The connection has ended, or never was.", code="not_connected")

    def reach(self, channel: Channel) -> Reach:
        """Who is in the channel now."""
        answered = self._inquiries.ask(REACH, ChannelAsked(channel.canonical), ReachHere)
        dialects: Counter[str] = Counter()
        transports: Counter[str] = Counter()
        for here in answered.answers.values():
            dialects.update(here.dialects)
            transports.update(here.transports)
        return Reach(
            workers=sum(bool(here.transports) for here in answered.answers.values()),
            connections=transports.total(),
            users=sum(here.users for here in answered.answers.values()),
            dialects=dict(dialects),
            transports=dict(transports),
            silent=answered.silent,
        )

    def channel(self, channel: Channel, now: float) -> ChannelSeen:
        """The channel's log, and how busy it is at ``now`` (Unix seconds)."""
        state = self._broker.log_state(channel.canonical)
        history = self._broker.history(channel.canonical, None, RATED)
        recent = [each for each in history.events if each.accepted_at > now - 60]
        whole = len(recent) < len(history.events) or not recent or state.events < RATED
        past = [_past(each, channel.canonical) for each in history.events if not momentary(each.event)]
        return ChannelSeen(state, len(recent), not whole, tuple(past[-LAST_EVENTS:][::-1]))

    def purge(self, channel: Channel) -> int:
        """Empty the channel's log; how many events it held."""
        return self._broker.purge(channel.canonical)

    def _events_of(self, full: ConnectionInFull) -> tuple[PastOf, ...]:
        past: dict[int, PastOf] = {}
        for channel in full.channels[:MOST_CHANNELS]:
            history = self._broker.history(channel.canonical, None, LAST_EVENTS)
            for each in _owed(history.events, full, channel.since):
                past.setdefault(each.offset, _past(each, channel.canonical))
        return tuple(sorted(past.values(), key=lambda each: -each.offset)[:LAST_EVENTS])


def _owed(events: Sequence[Publication], full: ConnectionInFull, since: int) -> list[Publication]:
    return [
        each
        for each in events
        if each.epoch == full.epoch
        and each.offset > since
        and each.except_id != full.row.sid
        and not momentary(each.event)
    ]


def _past(publication: Publication, channel: str) -> PastOf:
    return PastOf(
        publication.id,
        channel,
        publication.event,
        publication.offset,
        publication.accepted_at,
        publication.origin,
        len(publication.payload),
        publication.except_id,
    )
