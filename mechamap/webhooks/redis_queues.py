"""The queues in Redis, for several workers: they survive every worker, and every step is one script.

Of each receiver: ``queue`` (a list of ``<milliseconds> <event>``), ``sending`` (the batch that was taken from
it and is not done with), and ``about`` (a hash: bytes in the queue, and the batch's id and attempts). Times
are by the clock of Redis.
"""

import json
import logging
import secrets
from collections.abc import Iterable, Sequence

import redis

from mechamap.broker.connection import Script, translated
from mechamap.domain.webhooks import MAX_BYTES, MAX_EVENTS, Mark, Notice

from .protocol import Batch, Waiting

log = logging.getLogger(__name__)

MOST_EVENTS = 50_000
MOST_BYTES = 16_777_216
"""Of one queue. All the channels of a large site may become occupied at once, when it comes back."""
MOST_SEEN = 10_000
"""Ids that are remembered. The same change is announced twice only if a worker dies in the middle of it."""
SERIES = 500
"""Notices per script, about 2 ms."""
KEPT = 7 * 86_400_000
"""Milliseconds after which the queue of a receiver that is no longer configured goes."""

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local moment = string.format('%.0f', now)
"""

# KEYS: ids seen, occupied channels, then queue and about of each receiver. ARGV: most events, most bytes,
# most ids, ms to keep, then (mark, name, event) per notice. Answers how many events were dropped.
_ADD = Script(
    _NOW
    + f"""
local dropped = 0
for i = 5, #ARGV, 3 do
  local mark, name, event = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local new = 1
  if mark == '{Mark.ID}' then
    new = redis.call('ZADD', KEYS[1], 'NX', moment, name)
  elseif mark == '{Mark.OCCUPIED}' then
    new = redis.call('SADD', KEYS[2], name)
  elseif mark == '{Mark.VACATED}' then
    new = redis.call('SREM', KEYS[2], name)
  end
  if new == 1 and event ~= '' then
    local entry = moment .. ' ' .. event
    for n = 3, #KEYS, 2 do
      redis.call('RPUSH', KEYS[n], entry)
      redis.call('HINCRBY', KEYS[n + 1], 'bytes', #entry)
    end
  end
end
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - ARGV[3])
for n = 3, #KEYS, 2 do
  local length = redis.call('LLEN', KEYS[n])
  local bytes = tonumber(redis.call('HGET', KEYS[n + 1], 'bytes') or '0')
  while length > tonumber(ARGV[1]) or (bytes > tonumber(ARGV[2]) and length > 1) do
    bytes = bytes - #redis.call('LPOP', KEYS[n])
    length = length - 1
    dropped = dropped + 1
  end
  redis.call('HSET', KEYS[n + 1], 'bytes', bytes)
  redis.call('PEXPIRE', KEYS[n], ARGV[4])
  redis.call('PEXPIRE', KEYS[n + 1], ARGV[4])
end
return dropped
"""
)

# KEYS: queue, about, sending. ARGV: most events, most bytes, an id, ms to keep. Answers now, id, attempts, ms
# of the first vain attempt or "", and the entries.
_TAKE = Script(
    _NOW
    + """
if redis.call('LLEN', KEYS[3]) == 0 then
  local size, count, bytes = 0, 0, 0
  while count < tonumber(ARGV[1]) do
    local entry = redis.call('LINDEX', KEYS[1], 0)
    if not entry or (count > 0 and size + #entry > tonumber(ARGV[2])) then break end
    redis.call('RPUSH', KEYS[3], redis.call('LPOP', KEYS[1]))
    count, size = count + 1, size + #entry
  end
  if count == 0 then return {} end
  redis.call('PEXPIRE', KEYS[3], ARGV[4])
  redis.call('HINCRBY', KEYS[2], 'bytes', -size)
  redis.call('HSET', KEYS[2], 'batch', ARGV[3], 'attempts', 0)
end
local about = redis.call('HMGET', KEYS[2], 'batch', 'attempts', 'failing')
if not about[1] then
  about = {ARGV[3], '0', about[3]}
  redis.call('HSET', KEYS[2], 'batch', ARGV[3], 'attempts', 0)
end
return {moment, about[1], about[2] or '0', about[3] or '', redis.call('LRANGE', KEYS[3], 0, -1)}
"""
)

# KEYS: about. ARGV: batch, why.
_FAILED = Script(
    _NOW
    + """
if redis.call('HGET', KEYS[1], 'batch') ~= ARGV[1] then return 0 end
redis.call('HINCRBY', KEYS[1], 'attempts', 1)
redis.call('HSETNX', KEYS[1], 'failing', moment)
redis.call('HSET', KEYS[1], 'why', ARGV[2])
return 1
"""
)

# KEYS: about, sending. ARGV: batch, "1" if it was delivered.
_DONE = Script("""
if redis.call('HGET', KEYS[1], 'batch') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2])
redis.call('HDEL', KEYS[1], 'batch', 'attempts')
if ARGV[2] == '1' then redis.call('HDEL', KEYS[1], 'failing', 'why') end
return 1
""")

# KEYS: queue, about, sending. Answers now, events, the first of them, why.
_WAITING = Script(
    _NOW
    + """
local first = redis.call('LINDEX', KEYS[3], 0) or redis.call('LINDEX', KEYS[1], 0)
local count = redis.call('LLEN', KEYS[1]) + redis.call('LLEN', KEYS[3])
return {moment, count, first or '', redis.call('HGET', KEYS[2], 'why') or ''}
"""
)


class RedisQueues:
    """``Queues`` over all workers of a Redis; ``receivers`` are short names, the same on all of them."""

    def __init__(
        self,
        client: redis.Redis,
        prefix: str,
        receivers: Sequence[str],
        *,
        most_events: int = MOST_EVENTS,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._client = client
        self._prefix = f"{prefix}:webhooks"
        self._most = most_events, most_bytes
        self._seen, self._occupied = f"{self._prefix}:seen", f"{self._prefix}:occupied"
        of_all = [self._key(receiver, what) for receiver in receivers for what in ("queue", "about")]
        self._adding = [self._seen, self._occupied, *of_all]

    def add(self, notices: Sequence[Notice]) -> int:
        dropped = 0
        with translated("the webhooks were not queued"):
            for start in range(0, len(notices), SERIES):
                arguments: list[object] = [*self._most, MOST_SEEN, KEPT]
                for notice in notices[start : start + SERIES]:
                    arguments += (notice.mark.value, notice.name, notice.text)
                dropped += _ADD.run(self._client, self._adding, arguments)
        return dropped

    def take(self, receiver: str) -> Batch | None:
        keys = [self._key(receiver, what) for what in ("queue", "about", "sending")]
        with translated("the webhooks cannot be read"):
            found = _TAKE.run(self._client, keys, [MAX_EVENTS, MAX_BYTES, secrets.token_hex(16), KEPT])
        if not found:
            return None
        now, batch_id, attempts, failing, entries = found
        read = [entry for entry in map(_entry, entries) if entry is not None]
        if len(read) < len(entries):
            log.warning("webhooks_unreadable", extra={"count": len(entries) - len(read)})
        if not read:
            self.done(receiver, batch_id.decode(), delivered=False)
            return None
        return Batch(
            batch_id.decode(),
            tuple(event for _, event in read),
            int(attempts),
            (int(now) - max(moment for moment, _ in read)) / 1000,
            (int(now) - int(failing)) / 1000 if failing else 0.0,
        )

    def failed(self, receiver: str, batch_id: str, why: str) -> None:
        with translated("the attempt was not noted"):
            _FAILED.run(self._client, [self._key(receiver, "about")], [batch_id, why])

    def done(self, receiver: str, batch_id: str, *, delivered: bool) -> None:
        keys = [self._key(receiver, what) for what in ("about", "sending")]
        with translated("the webhook was not noted as done"):
            _DONE.run(self._client, keys, [batch_id, int(delivered)])

    def waiting(self, receiver: str) -> Waiting:
        keys = [self._key(receiver, what) for what in ("queue", "about", "sending")]
        with translated("the webhooks cannot be counted"):
            now, count, first, why = _WAITING.run(self._client, keys, [])
        entry = _entry(first)
        age = 0.0 if entry is None else (int(now) - entry[0]) / 1000
        return Waiting(count, age, why.decode() or None)

    def occupied(self) -> set[str]:
        with translated("the occupied channels cannot be read"):
            return {name.decode() for name in self._client.sscan_iter(self._occupied, count=1000)}

    def count_occupied(self) -> int:
        with translated("the occupied channels cannot be counted"):
            return self._client.scard(self._occupied)

    def restore_occupied(self, channels: Iterable[str]) -> None:
        names = list(channels)
        with translated("the occupied channels were not kept"):
            for start in range(0, len(names), SERIES):
                self._client.sadd(self._occupied, *names[start : start + SERIES])

    def _key(self, receiver: str, what: str) -> str:
        return f"{self._prefix}:{receiver}:{what}"


def _entry(text: bytes) -> tuple[int, bytes] | None:
    """(milliseconds, event); None for what others wrote there: Redis is a trust boundary."""
    moment, _, event = text.partition(b" ")
    try:
        if not isinstance(json.loads(event), dict):
            return None
        return int(moment), event
    except ValueError:
        return None
