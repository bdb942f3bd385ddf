"""Which event is meant: found in the logs of channels by its id, its offset, or about when it came."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mechamap.broker.protocol import Broker
from mechamap.domain.channels import Channel
from mechamap.domain.errors import InvalidField
from mechamap.domain.history import Position
from mechamap.domain.publication import Publication
from mechamap.domain.recovery import parse_offset

READ = 600
"""Events of one log that are looked through, the newest; a log keeps fewer unless the operator set more."""
WINDOW = 10.0
"""Seconds around a moment in which an event may have been accepted."""

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


class EventSearch:
    """Reads the broker's logs."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def find(self, wanted: Wanted, channels: Sequence[str]) -> list[Publication]:
        """Publications that may be meant, each once, in their order. ``channels`` are canonical.

        Raises:
            InvalidField: nothing says which event.
            BrokerUnavailable: the logs cannot be read.
        """
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
