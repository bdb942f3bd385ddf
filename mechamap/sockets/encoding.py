"""Publications as packets: in the plan's dialect and in Laravel Echo's, each with its position behind it.

Every event ends with a position, because the stock client takes any text at the end of one for it. Of an
event that reaches a client as several copies only the last bears the event's own; the others bear the one
before. A client that is cut off in between gets the event again instead of losing the rest of it.
"""

from mechamap.domain.members import EVENTS
from mechamap.domain.publication import Publication
from mechamap.domain.recovery import offset_text
from mechamap.engine.packets import TextEvent, event_packet


def packet_of(publication: Publication, spelled: str | None = None, *, last: bool = True) -> TextEvent:
    """The event in the plan's dialect: ``(event, data, position)``; or in Echo's, under the name of the
    channel that the client uses: ``(event, name, data, position)``. ``last`` of its copies for a client."""
    payload = publication.payload
    # those of presence have two arguments, the channel and the member, which travel as a list
    if publication.event in EVENTS and payload.startswith(b'["'):
        payload = payload[1:-1] if spelled is None else payload[payload.index(b'",') + 2 : -1]
    if spelled is not None:
        payload = b'"%b",%b' % (spelled.encode(), payload)  # names have nothing to escape
    offset = None
    if publication.epoch:
        offset = offset_text(publication.epoch, publication.offset - (not last))
    return event_packet(publication.event, payload, offset=offset)
