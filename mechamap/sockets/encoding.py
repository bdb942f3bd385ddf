"""Publications as packets: in the plan's dialect and in Laravel Echo's, each with its position behind it.

Every event ends with a position, because the stock client takes any text at the end of one for it. Of an
event that reaches a client as several copies only the last bears the event's own; the others bear the one
before. A client that is cut off in between gets the event again instead of losing the rest of it.
"""

from dataclasses import replace

from mechamap.domain.members import EVENTS
from mechamap.domain.publication import Publication
from mechamap.domain.recovery import offset_text
from mechamap.engine.packets import TextEvent, event_packet


def packet_of(publication: Publication) -> TextEvent:
    """The event in the plan's dialect: ``(event, data, position)``."""
    payload = publication.payload
    # those of presence have two arguments, the channel and the member, which travel as a list
    if publication.event in EVENTS and payload.startswith(b'["'):
        payload = payload[1:-1]
    offset = offset_text(publication.epoch, publication.offset) if publication.epoch else None
    return event_packet(publication.event, payload, offset=offset)


def copy_of(publication: Publication, spelled: str | None, *, last: bool = True) -> TextEvent:
    """The event as one of a client's copies of it, the ``last`` or an earlier one: in Echo's dialect under
    the name that the client uses for the channel, ``(event, name, data, position)``, or in the plan's."""
    if not last:
        publication = replace(publication)
        publication.place(publication.epoch, publication.offset - 1)
    if spelled is None:
        return packet_of(publication)
    payload = publication.payload
    if publication.event in EVENTS and payload.startswith(b'["'):
        payload = payload[payload.index(b'",') + 2 : -1]  # the member
    offset = offset_text(publication.epoch, publication.offset) if publication.epoch else None
    # names of channels have nothing to escape
    return event_packet(publication.event, b'"%b",%b' % (spelled.encode(), payload), offset=offset)
