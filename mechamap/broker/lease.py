"""A worker's tables in Redis and the lease that keeps them: what the dead leave is ignored, then gone.

All workers stand in one sorted set with the moment their lease ends, by the clock of Redis; each has its own
tables (hashes, sorted sets), which expire with the lease. Only the owner writes its tables.
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from itertools import islice

import redis

from .connection import Script

LEASE = 10.0
"""Seconds a worker counts as alive after its last sign."""
RENEW = 0.3
"""Part of the lease after which it is renewed: three renewals may fail before it ends."""
ROWS = 1000
"""Rows per script call, and read at once: about 1 ms during which Redis serves nobody else."""
BREATH = 0.00001
"""Seconds between pages of a large table: Redis answers so fast that a worker's other greenlets would wait
for all of them, 30 ms with 10,000 rows."""

Row = tuple[str, str, str | None]
"""(table, field, value); None removes the field. In a sorted set the value is the score."""


class Kind(StrEnum):
    """What a table is in Redis."""

    HASH = "h"
    SORTED = "z"


# KEYS: the leases, then the tables. ARGV: worker, lease in ms, "1" to begin from empty tables, kinds in the
# order of the tables, then (number of table, field, value or "") per row. Answers the size of each table.
_COMMIT = Script("""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
if ARGV[3] == '1' then
  for n = 2, #KEYS do redis.call('UNLINK', KEYS[n]) end
end
for i = 5, #ARGV, 3 do
  local n = tonumber(ARGV[i])
  local sorted = string.sub(ARGV[4], n, n) == 'z'
  if ARGV[i + 2] == '' then
    redis.call(sorted and 'ZREM' or 'HDEL', KEYS[n + 1], ARGV[i + 1])
  elseif sorted then
    redis.call('ZADD', KEYS[n + 1], ARGV[i + 2], ARGV[i + 1])
  else
    redis.call('HSET', KEYS[n + 1], ARGV[i + 1], ARGV[i + 2])
  end
end
local sizes = {}
for n = 2, #KEYS do
  redis.call('PEXPIRE', KEYS[n], ARGV[2])
  local sorted = string.sub(ARGV[4], n - 1, n - 1) == 'z'
  sizes[n - 1] = redis.call(sorted and 'ZCARD' or 'HLEN', KEYS[n])
end
return sizes
""")

_LIVE = Script("""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now), '+inf')
""")


class LeasedTables:
    """The tables of all workers, to read, and those of this worker, to write. Raises redis-py's errors."""

    def __init__(
        self,
        client: redis.Redis,
        prefix: str,
        worker_id: str,
        tables: Mapping[str, Kind],
        lease: float = LEASE,
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._worker = worker_id
        self._numbers = {name: number for number, name in enumerate(tables, 1)}
        self._kinds = "".join(tables.values())
        self._keys = [self.leases, *(self.key(name, worker_id) for name in tables)]
        self.lease = lease

    @property
    def leases(self) -> str:
        return f"{self._prefix}:workers"

    def key(self, table: str, worker: str) -> str:
        """Where a worker keeps that table."""
        return f"{self._prefix}:{table}:{worker}"

    def commit(self, rows: Iterable[Row], *, fresh: bool = False) -> tuple[int, ...]:
        """Write rows and renew the lease; the sizes of the tables afterwards, in their order.

        A size other than the owner's own count means that Redis lost something (restart, FLUSHALL, a lease
        that had ended) and everything must be written again with ``fresh``, which begins from empty tables.
        """
        rest = iter(rows)
        chunk = list(islice(rest, ROWS))
        while True:
            arguments = [self._worker, int(self.lease * 1000), int(fresh), self._kinds]
            for table, field, value in chunk:
                arguments += (self._numbers[table], field, "" if value is None else value)
            sizes = _COMMIT.run(self._client, self._keys, arguments)
            fresh = False
            if not (chunk := list(islice(rest, ROWS))):
                return tuple(sizes)

    def release(self) -> None:
        """Give up the lease and the tables at once."""
        with self._client.pipeline(transaction=True) as together:
            together.zrem(self.leases, self._worker)
            together.unlink(*self._keys[1:])
            together.execute()

    def live(self) -> list[str]:
        """Workers whose lease holds, by the clock of Redis."""
        return [worker.decode() for worker in _LIVE.run(self._client, [self.leases], [])]

    def totals(self, table: str) -> dict[str, int]:
        """The numbers in that table, a hash, summed over all live workers."""
        totals: Counter[str] = Counter()
        for worker in self.live():
            # A dictionary, because HSCAN may show a field twice while the table grows.
            counts: dict[str, int] = {}
            cursor = 0
            while True:
                cursor, page = self._client.hscan(self.key(table, worker), cursor, count=ROWS)
                counts.update((name.decode(), int(count)) for name, count in page.items() if count.isdigit())
                if cursor == 0:
                    break
                time.sleep(BREATH)
            totals.update(counts)
        return dict(totals)
