"""A channel's history out of its log in Redis."""

from ..domain.history import Gap, History, Position
from ..domain.publication import Publication
from .envelope import Malformed, decode_publication
from .sequence import Entry, Logs


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
    position, gap = head.position, reading.gap(head.floor)
    if since is not None and len(reading.entries) == limit:
        position = Position(epoch, reading.entries[-1].offset)
    events = []
    for entry in reading.entries:
        try:
            events.append(_publication(channel, epoch, entry))
        except Malformed:  # none was kept, or a stranger wrote it
            gap = Gap.TRIMMED
    return History(tuple(events), position, gap)


def _publication(channel: str, epoch: str, entry: Entry) -> Publication:
    publication = decode_publication(entry.body, epoch, entry.offset)
    if channel not in publication.rooms:
        raise Malformed("a publication in the log of a channel that it does not name")
    return publication
