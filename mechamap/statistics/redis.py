"""The hour of all workers in Redis: one hash per worker, whose fields are the places of its ring.

The hash of a dead worker stays until its newest sample is an hour old, so a restart leaves no hole. Workers
that die and begin again and again leave many hashes with few samples; the newest ``MOST_WORKERS`` are read.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence

import msgspec

from mechamap.domain.statistics import BUCKET, HOUR, Pulse, Sample

from ..broker.connection import command_client, translated
from ..broker.stored import readable
from ..broker.topology import PREFIX
from .protocol import Reading

log = logging.getLogger(__name__)

MOST_WORKERS = 256
MAX_BYTES = 16_384
"""Of one field: 160 codes with their counts are some 6,000. Others may write there too."""
PLACES = HOUR // BUCKET
NOW = "now"

_samples = msgspec.json.Decoder(Sample)
_pulses = msgspec.json.Decoder(Pulse)


class RedisRing:
    """``Ring`` of a cluster."""

    def __init__(
        self, url: str, worker_id: str, *, prefix: str = PREFIX, clock: Callable[[], float] = time.time
    ) -> None:
        self._client = command_client(url)
        self._index = f"{prefix}:statistics"
        self._worker = worker_id
        self._clock = clock

    def write(self, pulse: Pulse, samples: Sequence[Sample]) -> int:
        key, now = self._key(self._worker), self._clock()
        fields = {str(_place(sample.at)): msgspec.json.encode(sample) for sample in samples}
        fields[NOW] = msgspec.json.encode(pulse)
        with translated("statistics cannot be written"), self._client.pipeline(transaction=False) as together:
            together.hset(key, mapping=fields)
            together.expire(key, HOUR)
            together.hlen(key)
            together.zadd(self._index, {self._worker: now})
            together.zremrangebyscore(self._index, "-inf", now - HOUR)
            together.expire(self._index, HOUR)
            return together.execute()[2] - 1

    def read(self, since: int) -> Reading:
        now = int(self._clock())
        oldest = max(since, now - HOUR)
        # one place more than fits: the clocks of machines differ a little
        times = range(oldest - oldest % BUCKET, now + 2 * BUCKET, BUCKET)[-PLACES:]
        fields = [NOW, *(str(_place(at)) for at in times)]
        with translated("statistics cannot be read"):
            workers = self._client.zrevrange(self._index, 0, MOST_WORKERS - 1)
            with self._client.pipeline(transaction=False) as together:
                for worker in workers:
                    together.hmget(self._key(worker.decode(errors="replace")), fields)
                rows = together.execute()
        samples = _readable((row for each in rows for row in each[1:]), _samples)
        return Reading(
            tuple(_readable((each[0] for each in rows), _pulses)),
            # a place also holds what is an hour old and was not written over: its worker is dead
            tuple(sample for sample in samples if oldest <= sample.at < now + 2 * BUCKET),
        )

    def _key(self, worker: str) -> str:
        return f"{self._index}:{worker}"


def _place(at: int) -> int:
    return at // BUCKET % PLACES


def _readable(rows: Iterable[bytes | None], decoder: msgspec.json.Decoder) -> list:
    found, unreadable = readable(rows, decoder, MAX_BYTES)
    if unreadable:
        log.warning("statistics_unreadable", extra={"entries": unreadable})
    return found
