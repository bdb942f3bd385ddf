"""A channel's history out of its log in Redis, and that of several channels as one."""

from collections.abc import Mapping, Sequence
from itertools import islice

from ..domain.history import Gap, History, Position
from ..domain.publication import Publication
from .envelope import Malformed, decode_publication
from .sequence import Entry, Logs, Reading

_READ = 50
"""Logs per round trip."""


def replay(logs: Logs, channel: str, since: Position | None, limit: int) -> History:
    """What ``Broker.history`` promises. Raises redis-py's errors."""
    limit = max(1, limit)
    if since is None:
        epoch = logs.head().position.epoch
        head, [reading] = logs.read(epoch, [(channel, None)], limit)
        if head.position.epoch != epoch:  # it began anew between the two questions
            return History((), head.position, Gap.EPOCH)
    else:
        epoch = since.epoch
        head, [reading] = logs.read(epoch, [(channel, since.offset)], limit)
        if head.position.epoch != epoch or since.offset > head.position.offset:
            return History((), head.position, Gap.EPOCH)
    position = head.position
    if since is not None and len(reading.entries) == limit:
        position = Position(epoch, reading.entries[-1].offset)
    return _history(channel, position, reading, head.floor)


def _history(channel: str, position: Position, reading: Reading, floor: int) -> History:
    events, epoch, gap = [], position.epoch, reading.gap(floor)
    for entry in reading.entries:
        try:
            events.append(_publication(channel, epoch, entry))
        except Malformed:  # none was kept, or a stranger wrote it
            gap = Gap.TRIMMED
    return History(tuple(events), position, gap)


def replay_many(logs: Logs, channels: Mapping[str, int], epoch: str, limit: int) -> History:
    """What ``Broker.replay`` promises. Raises redis-py's errors."""
    histories: list[History] = []
    rest, limit = iter(channels.items()), max(1, limit)
    while chunk := list(islice(rest, _READ)):
        head, readings = logs.read(epoch, chunk, limit)
        for (name, since), reading in zip(chunk, readings, strict=True):
            if head.position.epoch != epoch or since > head.position.offset:
                histories.append(History((), head.position, Gap.EPOCH))
            else:
                left_out = len(reading.entries) == limit
                end = reading.entries[-1].offset if left_out else head.position.offset
                histories.append(_history(name, Position(epoch, end), reading, head.floor))
    return merged(histories, histories[0].position if histories else logs.head().position)


def merged(histories: Sequence[History], position: Position) -> History:
    """Several channels' histories as one, up to where all of them are whole. ``position``: the end of the
    sequence when the first was read."""
    gap = next((history.gap for history in histories if history.gap is not None), None)
    if gap is Gap.EPOCH:
        return History((), position, gap)
    position = min((history.position for history in histories), key=lambda end: end.offset, default=position)
    found = {event.offset: event for history in histories for event in history.events}
    events = tuple(found[offset] for offset in sorted(found) if offset <= position.offset)
    return History(events, position, gap)


def _publication(channel: str, epoch: str, entry: Entry) -> Publication:
    publication = decode_publication(entry.body, epoch, entry.offset)
    if channel not in publication.rooms:
        raise Malformed("a publication in the log of a channel that it does not name")
    return publication
