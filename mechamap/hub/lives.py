"""The life of each connection of a user, put together from a worker's journal and its books.

An event has a place in the one sequence, and so has every moment of the journal: what happened to a
connection before the event came by, and what after, is a comparison of two numbers. Only across epochs, where
numbers cannot be compared, clocks are.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from .connection import Connection
from .journal import Entry, Moment
from .trace import Event


@dataclass(slots=True)
class Stay:
    """A connection was in a channel. ``begin`` None: before what is remembered."""

    channel: str
    begin: Entry | None
    since: int
    epoch: str
    left: Entry | None = None


@dataclass(slots=True)
class Life:
    """What is known of one connection."""

    sid: str
    live: Connection | None = None
    began: Entry | None = None
    ended: Entry | None = None
    stays: list[Stay] = field(default_factory=list)
    refused: list[Entry] = field(default_factory=list)


def lives_of(entries: Iterable[Entry], live: Iterable[Connection]) -> list[Life]:
    """The connections of which something is known, the earliest first."""
    lives: dict[str, Life] = {}
    for entry in entries:
        life = lives.setdefault(entry.sid, Life(entry.sid))
        match entry.moment:
            case Moment.CONNECTED:
                life.began = entry
            case Moment.ENDED:
                life.ended = entry
            case Moment.REFUSED:
                life.refused.append(entry)
            case Moment.JOINED:
                life.stays.append(Stay(entry.channel, entry, entry.since, entry.epoch))
            case Moment.LEFT:
                _leave(life, entry)
    for connection in live:
        life = lives.setdefault(connection.sid, Life(connection.sid))
        life.live = connection
        known = {stay.channel for stay in life.stays if stay.left is None}
        for canonical, since in connection.owed():
            if canonical not in known:  # joined before what is remembered
                life.stays.append(Stay(canonical, None, since, connection.position.epoch))
    # one that neither lives nor has an end is just being accepted: nothing can be said of it
    return [life for life in lives.values() if life.live is not None or life.ended is not None]


def _leave(life: Life, entry: Entry) -> None:
    for stay in life.stays:
        if stay.channel == entry.channel and stay.left is None:
            stay.left = entry
            return
    life.stays.append(Stay(entry.channel, None, 0, entry.epoch, entry))


def stay_for(life: Life, event: Event) -> tuple[Stay | None, bool]:
    """The stay through which the event came to the connection, and whether as one that it had missed."""
    if life.ended is not None and precedes(life.ended, event):
        return None, False
    for stay in life.stays:
        if stay.channel not in event.rooms:
            continue
        if stay.begin is None:
            owed = stay.epoch != event.epoch or stay.since < event.offset
            if owed and not (stay.left is not None and precedes(stay.left, event)):
                return stay, False
            continue
        if stay.begin.epoch == event.epoch and stay.since < event.offset <= stay.begin.offset:
            return stay, True
        if precedes(stay.begin, event) and not (stay.left is not None and precedes(stay.left, event)):
            return stay, False
    return None, False


def precedes(entry: Entry, event: Event) -> bool:
    """Whether the moment was before the event came by."""
    if entry.epoch == event.epoch:
        return entry.offset < event.offset
    return entry.at < event.accepted_at
