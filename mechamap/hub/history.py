"""Pages of a channel's log, for publishers and operators."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from mechamap.broker.protocol import Broker
from mechamap.domain.channels import Channel
from mechamap.domain.history import Gap, Position
from mechamap.domain.moments import iso
from mechamap.domain.publication import Publication
from mechamap.domain.whispers import momentary

MOST_EVENTS = 500
"""Of one page."""
MOST_BYTES = 1_048_576
"""Data of one page; a larger event still has one to itself."""


@dataclass(frozen=True, slots=True)
class PastEvent:
    """One event as it was published. ``at`` is when it was accepted, in ISO 8601."""

    id: str
    event: str
    data: object
    offset: int
    at: str


@dataclass(frozen=True, slots=True)
class Page:
    """Events of one channel, in order.

    Attributes:
        epoch, position: up to where these are all, after what was asked for: the next page begins there.
        complete: whether it is proven that nothing is missing in between.
        reason: why not.
    """

    channel: str
    events: tuple[PastEvent, ...]
    epoch: str
    position: int
    complete: bool
    reason: str | None


def page(broker: Broker, channel: Channel, since: Position | None, limit: int) -> Page:
    """The first ``limit`` events after ``since``, or the last ``limit``; fewer where they are large, or where
    momentary ones are between them.

    Raises:
        BrokerUnavailable
    """
    history = broker.history(channel.canonical, since, limit)
    events = tuple(publication for publication in history.events if not momentary(publication.event))
    position, gap = history.position, history.gap
    fitting = _fitting(events if since is not None else events[::-1])
    if fitting < len(events) and since is not None:
        events = events[:fitting]
        position = Position(position.epoch, events[-1].offset)
    elif fitting < len(events):
        events, gap = events[-fitting:], gap or Gap.TRIMMED
    return Page(
        channel.name,
        tuple(map(_past, events)),
        position.epoch,
        position.offset,
        gap is None,
        gap.value if gap is not None else None,
    )


def opened(events: Sequence[PastEvent]) -> str:
    """Whose data was read, for the audit log; never the data."""
    if len(events) == 1:
        return f"{events[0].event}; publication {events[0].id}, offset {events[0].offset}"
    return f"{len(events)} events, offsets {events[0].offset} to {events[-1].offset}"


def _fitting(events: tuple[Publication, ...]) -> int:
    """How many of them, from the first on, make a page."""
    sizes = accumulate(len(publication.payload) for publication in events)
    return max(1, sum(size <= MOST_BYTES for size in sizes))


def _past(publication: Publication) -> PastEvent:
    data = json.loads(publication.payload)
    return PastEvent(
        publication.id, publication.event, data, publication.offset, iso(publication.accepted_at)
    )
