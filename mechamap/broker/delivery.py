"""The last step of a broker: each publication once, in order, to ``BrokerEvents``; failures end here."""

import logging
from collections import OrderedDict
from collections.abc import Collection

from ..domain.commands import Command
from ..domain.history import Gap
from ..domain.publication import Publication
from .protocol import BrokerEvents

log = logging.getLogger(__name__)

WINDOW = 1024
"""Ids remembered. The copies of one publication (one per channel) follow each other directly, so a few would
do; the rest absorbs a publisher that repeats one after a lost answer."""


class Delivery:
    """Hands on to ``events`` and counts. Belongs to one greenlet."""

    def __init__(self, events: BrokerEvents) -> None:
        self._events = events
        self._recent: OrderedDict[str, None] = OrderedDict()
        self.received = 0
        self.duplicates = 0
        self.failures = 0

    def publication(self, publication: Publication) -> None:
        """Deliver unless it was delivered before."""
        if publication.id in self._recent:
            self.duplicates += 1
            return
        self._recent[publication.id] = None
        if len(self._recent) > WINDOW:
            self._recent.popitem(last=False)
        self.received += 1
        try:
            self._events.on_publication(publication)
        except Exception:
            self.failures += 1
            log.exception("delivery_failed", extra={"publication": publication.id})

    def gap(self, channels: Collection[str], reason: Gap) -> None:
        """Tell that events of these channels may be missing."""
        try:
            self._events.on_gap(channels, reason)
        except Exception:
            self.failures += 1
            log.exception("gap_not_told", extra={"reason": reason.value})

    def command(self, command: Command) -> None:
        """Deliver; commands have no copies."""
        try:
            self._events.on_command(command)
        except Exception:
            self.failures += 1
            log.exception("command_failed", extra={"command": command.id, "action": command.action.value})
