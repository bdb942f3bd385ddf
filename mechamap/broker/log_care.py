"""One channel's log in Redis as operators see it: how much it holds, and emptying it."""

import redis

from ..domain.history import LogState
from .connection import Script
from .lua import FIND
from .sequence import Keys

# KEYS: head, last. ARGV: beginning of all logs, name. Answers epoch, entries, bytes, numbers of the first and
# the last entry, number of the channel's last event. Reads the whole log, which is bounded to about 1 MB.
_STATE = Script(
    FIND
    + """
local epoch = redis.call('HGET', KEYS[1], 'epoch') or ''
local log = ARGV[1] .. epoch .. ':' .. ARGV[2]
local found = redis.pcall('LRANGE', log, 0, -1)
if found.err then found = {} end
local bytes = 0
for _, entry in ipairs(found) do bytes = bytes + #entry end
local first, last = 0, 0
if #found > 0 then first, last = number_of(found[1]), number_of(found[#found]) end
return {epoch, #found, bytes, first, last, tonumber(redis.call('ZSCORE', KEYS[2], ARGV[2]) or 0)}
"""
)

# KEYS, ARGV: as above. The number of the channel's last event stays in ``last``: so whoever reads from an
# earlier place is told that something is missing. Answers how many entries went.
_PURGE = Script("""
local epoch = redis.call('HGET', KEYS[1], 'epoch') or ''
local log = ARGV[1] .. epoch .. ':' .. ARGV[2]
local found = redis.pcall('LLEN', log)
redis.call('DEL', log)
return type(found) == 'number' and found or 0
""")


def state(client: redis.Redis, prefix: str, name: str) -> LogState:
    """What the log of that canonical channel holds. Raises redis-py's errors."""
    keys = Keys(prefix)
    epoch, events, size, first, last, newest = _STATE.run(client, keys.sequence[:2], [keys.logs, name])
    return LogState(epoch.decode(), events, size, first, last, newest)


def purge(client: redis.Redis, prefix: str, name: str) -> int:
    """Empty the log; how many events it held. Raises redis-py's errors."""
    keys = Keys(prefix)
    return _PURGE.run(client, keys.sequence[:2], [keys.logs, name])
