"""Did this event reach that user? What the log, the workers and their journals know of it, put together.

The event is looked for in the channels' logs; each worker is then asked what became of it at the user's
connections (``tracing``). Workers that are silent, or that have forgotten, are named: what they would have
said is unknown, not nothing.
"""

from collections.abc import Sequence
from typing import Protocol

from mechamap.broker.protocol import Broker
from mechamap.domain.channels import Parse, spell, user_channel
from mechamap.domain.errors import InvalidChannel
from mechamap.presence.protocol import Roster, WorkerRecord

from .event_search import EventSearch, Wanted
from .explanation import (
    AtConnection,
    AtWorker,
    Delivery,
    by_outcome,
    shown,
    verdict,
    what_is_unknown,
    without_event,
)
from .inquiries import Inquiries
from .trace import Event, Traced
from .tracing import Tracing

KIND = "trace"
"""Of the question to workers."""
MOST_CHANNELS = 20
"""Logs that are looked through for one event."""


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
        self._search = EventSearch(broker)
        self._roster = roster
        self._inquiries = inquiries
        self._parse = parse

    def answer_with(self, tracing: Tracing) -> None:
        """This process is a worker, and answers too."""
        self._inquiries.answers(KIND, Event, tracing.trace)

    def delivery(self, user_id: int, wanted: Wanted) -> Delivery:
        """See ``Explains``."""
        channels = self._channels(user_id, wanted)
        found = self._search.find(wanted, channels)
        searched = tuple(spell(canonical) for canonical in channels)
        if len(found) != 1:
            return without_event(user_id, found, searched)
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
        connections = tuple(sorted(connections, key=by_outcome))
        unknown = tuple(what_is_unknown(event, workers))
        outcome, sentence = verdict(connections, unknown)
        return Delivery(
            user_id,
            outcome,
            sentence,
            event=shown(event),
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
