"""Did this event reach that user? What the log, the workers and their journals know of it, put together.

The event is looked for in the channels' logs; each worker is then asked what became of it at the user's
connections (``tracing``). Workers that are silent, or that have forgotten, are named: what they would have
said is unknown, not nothing.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mechamap.broker.protocol import Broker
from mechamap.domain.channels import Channel, Parse, spell, user_channel
from mechamap.domain.errors import InvalidChannel, InvalidField
from mechamap.domain.history import Position
from mechamap.domain.publication import Publication
from mechamap.domain.recovery import parse_offset
from mechamap.domain.whispers import momentary
from mechamap.presence.protocol import Roster, WorkerRecord

from .inquiries import Inquiries
from .trace import Event, Outcome, Trace, Traced
from .tracing import Tracing

KIND = "trace"
"""Of the question to workers."""
MOST_CHANNELS = 20
"""Logs that are looked through for one event."""
READ = 600
"""Events of one log that are looked through, the newest; a log keeps fewer unless the operator set more."""
WINDOW = 10.0
"""Seconds around a moment in which an event may have been accepted."""
CANDIDATES = 20

_ID = re.compile(r"[0-9A-Za-z:._-]{1,200}", re.ASCII)
_OFFSET = re.compile(r"[0-9]{1,15}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which event.

    Attributes:
        event: its id, its offset, or its position (``epoch.offset``); empty: ``at`` tells.
        channel: where it was published; None: any channel of the user.
        at: Unix seconds about when it was accepted.
    """

    event: str = ""
    channel: Channel | None = None
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A publication as a log has it, without its payload. ``channels`` in their first spelling."""

    id: str
    event: str
    channels: tuple[str, ...]
    origin: str
    epoch: str
    offset: int
    accepted_at: float
    size: int
    except_id: str | None = None
    momentary: bool = False


@dataclass(frozen=True, slots=True)
class AtWorker:
    """What one worker said. ``traced`` None: it was silent."""

    worker: str
    slot: int
    started_at: float
    traced: Traced | None = None


@dataclass(frozen=True, slots=True)
class AtConnection:
    """What became of the event at one connection, and whose it was."""

    worker: str
    slot: int
    trace: Trace


@dataclass(frozen=True, slots=True)
class Delivery:
    """The answer.

    Attributes:
        event: None if none was found, or several were: those are the ``candidates``.
        searched: the channels whose logs were looked through.
        outcome: the best of all connections'; ``no_connection`` if there was none, ``unknown`` if that cannot
            be said, ``not_found`` and ``ambiguous`` without an event.
        sentence: the same for people.
        unknown: what could not be found out, one sentence each.
    """

    user_id: int
    outcome: str
    sentence: str
    event: Found | None = None
    candidates: tuple[Found, ...] = ()
    searched: tuple[str, ...] = ()
    workers: tuple[AtWorker, ...] = ()
    connections: tuple[AtConnection, ...] = ()
    unknown: tuple[str, ...] = field(default_factory=tuple)


class Explains(Protocol):
    """Whoever explains: this process, or the running server for a command line without Redis."""

    def delivery(self, user_id: int, wanted: Wanted) -> Delivery:
        """What became of the event at the user's connections.

        Raises:
            InvalidField: nothing says which event.
            BrokerUnavailable: the logs cannot be read, or nobody can be asked.
        """


class Explaining:
    """Asks broker and workers; works in any process that reaches them."""

    def __init__(self, broker: Broker, roster: Roster, inquiries: Inquiries, parse: Parse) -> None:
        self._broker = broker
        self._roster = roster
        self._inquiries = inquiries
        self._parse = parse

    def answer_with(self, tracing: Tracing) -> None:
        """This process is a worker, and answers too."""
        self._inquiries.answers(KIND, Event, tracing.trace)

    def delivery(self, user_id: int, wanted: Wanted) -> Delivery:
        """See ``Explains``."""
        channels = self._channels(user_id, wanted)
        found = self._find(wanted, channels)
        searched = tuple(spell(canonical) for canonical in channels)
        if len(found) != 1:
            return _without_event(user_id, found, searched)
        event = found[0]
        asked = Event(
            user_id, event.rooms, event.epoch or "", event.offset, event.accepted_at, event.except_id
        )
        answered = self._inquiries.ask(KIND, asked, Traced)
        workers = self._workers(answered.answers, answered.silent)
        slots = {worker.worker: worker.slot for worker in workers}
        connections = tuple(
            AtConnection(worker, slots.get(worker, -1), trace)
            for worker, traced in answered.answers.items()
            for trace in traced.connections
        )
        connections = tuple(sorted(connections, key=_order))
        unknown = tuple(_unknown(event, workers))
        outcome, sentence = _verdict(connections, unknown)
        return Delivery(
            user_id,
            outcome,
            sentence,
            event=_shown(event),
            searched=searched,
            workers=workers,
            connections=connections,
            unknown=unknown,
        )

    def _workers(self, answers: dict[str, Traced], silent: Sequence[WorkerRecord]) -> tuple[AtWorker, ...]:
        records = {worker.id: worker for worker in (*self._roster.workers(), *silent)}
        found = [
            AtWorker(each.id, each.slot, each.started_at, answers.get(each.id)) for each in records.values()
        ]
        return tuple(sorted(found, key=lambda each: each.slot))

    def _channels(self, user_id: int, wanted: Wanted) -> list[str]:
        """Canonical names of the channels whose logs may have it."""
        if wanted.channel is not None:
            return [wanted.channel.canonical]
        names = [user_channel(user_id).canonical]
        for record in self._roster.connections(user_id=user_id, limit=100):
            for name in record.channels:
                try:
                    names.append(self._parse(name).canonical)
                except InvalidChannel:  # of a site's own, on a worker with other settings
                    continue
        return list(dict.fromkeys(names))[:MOST_CHANNELS]

    def _find(self, wanted: Wanted, channels: Sequence[str]) -> list[Publication]:
        """Publications that may be meant, each once, in their order."""
        text = wanted.event.strip()
        if not text and wanted.at is None:
            raise InvalidField(
                "event", "Name the event: its id, its offset, or a time and a channel.", code="event_required"
            )
        if text and not _ID.fullmatch(text):
            raise InvalidField("event", "This is neither an id nor an offset.", code="event_invalid")
        position = parse_offset(text)
        offset = position.offset if position else int(text) if _OFFSET.fullmatch(text) else None
        found: dict[tuple[str | None, int], Publication] = {}
        for canonical in channels:
            for each in self._read(canonical, position, offset):
                if _meant(each, text, offset, wanted.at):
                    found[each.epoch, each.offset] = each
        return sorted(found.values(), key=lambda each: each.offset)

    def _read(self, canonical: str, position: Position | None, offset: int | None) -> tuple[Publication, ...]:
        if offset is None:
            return self._broker.history(canonical, None, READ).events
        epoch = position.epoch if position else self._broker.history(canonical, None, 1).position.epoch
        return self._broker.history(canonical, Position(epoch, max(0, offset - 1)), 1).events


def _meant(publication: Publication, text: str, offset: int | None, at: float | None) -> bool:
    if offset is not None:
        return publication.offset == offset
    if text:
        return publication.id == text
    return at is not None and abs(publication.accepted_at - at) <= WINDOW


def _shown(publication: Publication) -> Found:
    return Found(
        publication.id,
        publication.event,
        tuple(spell(room) for room in publication.rooms),
        publication.origin,
        publication.epoch or "",
        publication.offset,
        publication.accepted_at,
        len(publication.payload),
        publication.except_id,
        momentary(publication.event),
    )


def _without_event(user_id: int, found: Sequence[Publication], searched: tuple[str, ...]) -> Delivery:
    if found:
        return Delivery(
            user_id,
            "ambiguous",
            f"{len(found)} events may be meant.",
            candidates=tuple(map(_shown, found[-CANDIDATES:])),
            searched=searched,
        )
    return Delivery(
        user_id,
        "not_found",
        "No log has such an event: it was not accepted, it went to other channels, or it is older than what "
        "the logs keep.",
        searched=searched,
    )


def _order(at: AtConnection) -> tuple[int, float]:
    """The best outcome first."""
    return list(Outcome).index(at.trace.outcome), -(at.trace.connected_at or 0.0)


def _unknown(event: Publication, workers: Iterable[AtWorker]) -> Iterable[str]:
    """What workers could not tell of the time of the event."""
    for worker in workers:
        if worker.traced is None:
            yield f"Worker {worker.slot} did not answer: its connections are not in this."
        elif worker.started_at > event.accepted_at:
            yield (
                f"Worker {worker.slot} started after the event: what was there before is not known any more."
            )
        elif worker.traced.remembers_since > event.accepted_at:
            yield (
                f"Worker {worker.slot} has forgotten the time of the event: connections that ended since may "
                "be missing here."
            )


_SENTENCES = {
    Outcome.RECEIVED: "Yes: it reached the user, whose client answered a heartbeat behind it.",
    Outcome.WRITTEN: "It was written to the user's connection; nothing says yet that the client has it.",
    Outcome.QUEUED: "It was queued for the user's connection, where something still waits.",
    Outcome.UNPROVEN: "It was handed to a connection that ended before the client proved that it has it.",
    Outcome.DROPPED: "No: the connection was closed because the client did not keep up.",
    Outcome.NOT_HEARD: "Not yet: the worker of the user's connection has not had it from the broker.",
    Outcome.EXCLUDED: "No: the user's connection sent it, and its sender does not get it.",
    Outcome.NOT_SUBSCRIBED: "No: the user was connected, but not subscribed to the channel.",
    Outcome.CAME_LATER: "No: the user connected behind it, without a session that was owed it.",
    Outcome.HAD_ENDED: "No: the user's connection had ended before.",
    Outcome.UNKNOWN: "It cannot be told: what the connection had then is not remembered.",
}


def _verdict(connections: Sequence[AtConnection], unknown: Sequence[str]) -> tuple[str, str]:
    if connections:
        best = connections[0].trace.outcome
        return best.value, _SENTENCES[best]
    if unknown:
        return Outcome.UNKNOWN.value, "It cannot be told: nobody who remembers that time knows the user."
    return "no_connection", "No: the user had no connection then, nor since."
