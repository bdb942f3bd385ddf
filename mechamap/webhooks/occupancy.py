"""Which channels became occupied or vacated: found by looking, by one worker for all.

The subscribers of all live workers are compared with what Laravel was told last, which is kept beside the
queues and changed in the same step in which the telling is queued. So no worker's death loses or repeats
anything, and nothing is done when a browser subscribes.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from mechamap.domain.webhooks import Notice, WebhookEvent, occupied, vacated

from .protocol import Queues

log = logging.getLogger(__name__)

SERIES = 100
"""Channels told at once: some milliseconds in which the worker does nothing else."""
BREATH = 0.00001
"""Seconds between series, for everybody else."""

VACATED_AFTER = 4.0
"""Seconds for which nobody may be in a channel before it counts as vacated: pages that are loaded again come
back within a second or two, and a worker whose tables Redis lost writes them again within three
(``broker.lease``)."""


class Occupancy:
    """The leader's. ``channels`` counts subscribers by canonical name over all workers; ``add`` queues."""

    def __init__(
        self,
        channels: Callable[[], Mapping[str, int]],
        queues: Queues,
        add: Callable[[Sequence[Notice]], None],
        events: Collection[WebhookEvent],
        *,
        vacated_after: float = VACATED_AFTER,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._channels = channels
        self._queues = queues
        self._add = add
        self._tells_occupied = WebhookEvent.CHANNEL_OCCUPIED in events
        self._tells_vacated = WebhookEvent.CHANNEL_VACATED in events
        self._vacated_after = vacated_after
        self._clock = clock
        self._known: set[str] | None = None
        self._empty_since: dict[str, float] = {}

    def begin(self) -> None:
        """Another may have looked since: what is known is read anew, and nothing counts as empty yet."""
        self._known = None
        self._empty_since.clear()

    def look(self) -> None:
        """Compare once.

        Raises:
            BrokerUnavailable: nothing is lost; channels that seemed empty are waited for anew, for nobody is
                in any while Redis is away.
        """
        try:
            self._look()
        except BaseException:
            self.begin()
            raise

    def _look(self) -> None:
        there = {channel for channel, count in self._channels().items() if count > 0}
        known = self._reconciled()
        now = self._clock()
        for channel in self._empty_since.keys() & there:
            del self._empty_since[channel]
        gone = [
            channel
            for channel in known - there
            if now - self._empty_since.setdefault(channel, now) >= self._vacated_after
        ]
        new = there - known
        for channels in _series(new):
            self._add([occupied(channel, told=self._tells_occupied) for channel in channels])
            known.update(channels)
        for channels in _series(gone):
            self._add([vacated(channel, told=self._tells_vacated) for channel in channels])
            known.difference_update(channels)
            for channel in channels:
                del self._empty_since[channel]

    def _reconciled(self) -> set[str]:
        """What Laravel was told last, the same here and there."""
        if self._known is None:
            self._known = self._queues.occupied()
        elif (count := self._queues.count_occupied()) != len(self._known):
            log.info("webhooks_occupied_differ", extra={"here": len(self._known), "there": count})
            if count == 0:  # Redis lost its data
                self._queues.restore_occupied(self._known)
            else:
                self._known = self._queues.occupied()
        return self._known


def _series(channels: Iterable[str]) -> Iterator[list[str]]:
    ordered = sorted(channels)
    for start in range(0, len(ordered), SERIES):
        if start:
            time.sleep(BREATH)
        yield ordered[start : start + SERIES]
