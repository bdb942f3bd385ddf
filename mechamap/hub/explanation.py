"""The answer to whether an event reached a user: its shape, and its sentences for people."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mechamap.domain.channels import spell
from mechamap.domain.publication import Publication
from mechamap.domain.whispers import momentary

from .trace import Outcome, Trace, Traced

CANDIDATES = 20
"""Events of an ambiguous question that are told of, the latest."""


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


def shown(publication: Publication) -> Found:
    """The publication for people."""
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


def without_event(user_id: int, found: Sequence[Publication], searched: tuple[str, ...]) -> Delivery:
    """The answer where no event was found, or several were."""
    if found:
        return Delivery(
            user_id,
            "ambiguous",
            f"{len(found)} events may be meant.",
            candidates=tuple(map(shown, found[-CANDIDATES:])),
            searched=searched,
        )
    return Delivery(
        user_id,
        "not_found",
        "No log has such an event: it was not accepted, it went to other channels, or it is older than what "
        "the logs keep.",
        searched=searched,
    )


def by_outcome(at: AtConnection) -> tuple[int, float]:
    """The best outcome first."""
    return list(Outcome).index(at.trace.outcome), -(at.trace.connected_at or 0.0)


def what_is_unknown(event: Publication, workers: Iterable[AtWorker]) -> Iterable[str]:
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


def verdict(connections: Sequence[AtConnection], unknown: Sequence[str]) -> tuple[str, str]:
    """The outcome of all and its sentence; ``connections`` are in the order ``by_outcome``."""
    if connections:
        best = connections[0].trace.outcome
        return best.value, _SENTENCES[best]
    if unknown:
        return Outcome.UNKNOWN.value, "It cannot be told: nobody who remembers that time knows the user."
    return "no_connection", "No: the user had no connection then, nor since."
