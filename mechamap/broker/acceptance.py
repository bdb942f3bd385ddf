"""The scripts by which Redis accepts a message: all at once or not at all.

``PUBLISH`` is for the many, ``PUBLISH_ONCE`` for those that may have been accepted before: because their
publisher named them and is trying again, or because this process lost the connection before the answer.
"""

from enum import IntEnum

from .connection import Script
from .lua import BEGIN, FIND


class Status(IntEnum):
    """What became of a message."""

    LATE = 0
    """Its deadline had passed: refused."""
    ACCEPTED = 1
    """Now; or by the attempt whose answer was lost."""
    REPEATED = 2
    """Accepted earlier under the same name. Answered as then, with the id of then behind the counts."""
    CONTRADICTED = 3
    """Its name stands for something else."""
    UNKNOWN = 4
    """An earlier attempt may have been accepted, and Redis cannot tell any more: refused."""
    STOPPED = 5
    """Refused because one before it in its series was."""


MOST_SEARCHED = 1_000
"""Entries of a log among which an attempt without an answer is looked for."""

# KEYS: head, last, marks, leases. ARGV: deadline in ms, beginnings of the names of count tables, logs and
# pub/sub channels, a new epoch's name, known epoch, known number, envelope, most entries of a log, age in ms
# of an entry and of one for a user, then the names of the logs. Answers the time in ms, 1 if accepted, epoch,
# number, then the subscribers of each channel.
#
# A log that grew too long is cut at once; old entries go on one append in eight, for finding them takes up to
# ten steps. The milliseconds choose the append, because numbers of one channel may all be even.
#
# ``tend`` runs at most once a second: it notes the number reached, finds those reached before the two ages,
# takes channels quiet for longer than both out of ``last``, and looks at the memory of Redis. Above three
# quarters of maxmemory only numbers go into the logs: history must not be what fills Redis.
_TEXT = (
    BEGIN
    + FIND
    + """
local function tend(now, seq)
  local moment = string.format('%.0f', now)
  redis.call('ZADD', KEYS[3], moment, string.format('%.0f', seq - 1))
  local function reached(age)
    local most = string.format('%.0f', now - age)
    local mark = redis.call('ZREVRANGEBYSCORE', KEYS[3], most, '-inf', 'WITHSCORES', 'LIMIT', 0, 1)
    return mark[1] or '0', tonumber(mark[2] or 0)
  end
  local short, short_at = reached(ARGV[10])
  local long, long_at = reached(ARGV[11])
  local oldest = string.format('%.0f', math.min(short_at, long_at))
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', '(' .. oldest)
  local quiet = math.min(tonumber(short), tonumber(long))
  local names = math.min(redis.call('ZCOUNT', KEYS[2], '-inf', string.format('%.0f', quiet)), 20000)
  local floor = redis.call('HGET', KEYS[1], 'floor')
  if names > 0 then
    floor = redis.call('ZRANGE', KEYS[2], names - 1, names - 1, 'WITHSCORES')[2]
    redis.call('ZREMRANGEBYRANK', KEYS[2], 0, names - 1)
  end
  local info, full = redis.pcall('INFO', 'memory'), '0'
  if type(info) == 'string' then
    local used, most = string.match(info, 'used_memory:(%d+)'), string.match(info, 'maxmemory:(%d+)')
    if used and most and tonumber(most) > 0 and used / most > 0.75 then full = '1' end
  end
  redis.call('HSET', KEYS[1], 'due', string.format('%.0f', now + 1000), 'floor', floor,
    'short', short, 'long', long, 'full', full)
  return floor, short, long, full
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now > tonumber(ARGV[1]) then return {now, 0} end
local answer = {now, 1, '', 0}
LOOKUP
for i = FIRST, #ARGV do answer[i - FIRST + 5] = 0 end
for _, worker in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '(' .. string.format('%.0f', now), '+inf')) do
  local counts = redis.call('HMGET', ARGV[2] .. worker, unpack(ARGV, FIRST))
  for i, count in ipairs(counts) do
    answer[i + 4] = answer[i + 4] + (tonumber(count or 0) or 0)
  end
end
local head = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'floor', 'due', 'short', 'long', 'full')
local sound = head[1] and head[2] and head[3] and head[4] and head[5] and head[6] and head[7]
if not sound or (head[1] == ARGV[6] and tonumber(head[2]) < tonumber(ARGV[7])) then
  begin(ARGV[5])
  head = {ARGV[5], '0', '0', '0', '0', '0', '0'}
end
local epoch, floor, due, short, long, full = head[1], head[3], tonumber(head[4]), head[5], head[6], head[7]
SEARCH
local seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
if now >= due or due - now > 1000 then floor, short, long, full = tend(now, seq) end
local number = string.format('%.0f', seq)
local message = epoch .. ':' .. number .. ':' .. ARGV[8]
local body = full == '1' and '' or ARGV[8]
local by_age, most = now % 8 == 0, tonumber(ARGV[9])
answer[3], answer[4] = epoch, seq
for i = FIRST, #ARGV do
  local name = ARGV[i]
  local user = string.sub(name, 1, 5) == 'user:'
  local log = ARGV[3] .. epoch .. ':' .. name
  local before = redis.call('ZSCORE', KEYS[2], name) or floor
  redis.call('ZADD', KEYS[2], number, name)
  local size = redis.pcall('RPUSH', log, number .. ':' .. before .. ':' .. body)
  if type(size) == 'number' then
    if size > most then redis.call('LTRIM', log, -most, -1) end
    if by_age then
      local young = index_after(log, math.min(size, most), tonumber(user and long or short))
      if young > 0 then redis.call('LTRIM', log, young, -1) end
    end
  end
  redis.call('PEXPIRE', log, user and ARGV[11] or ARGV[10])
  redis.call('PUBLISH', ARGV[4] .. name, message)
end
REMEMBER
return answer
"""
)

_PLAIN = _TEXT.replace("LOOKUP", "").replace("SEARCH", "").replace("REMEMBER", "").replace("FIRST", "12")

# KEYS beside those: two generations of names, the stop of a series. ARGV from 12: token or '', digest, id,
# window in ms, most names of a generation, age in ms of the attempt that got no answer or 0, series or '',
# the epoch that was known before that attempt, window of this name in ms.
#
# A generation is a hash: token to digest, epoch, number, time, counts, id. Once the younger one covers the
# window or is full, the older one is dropped and begins again as the younger: each name is remembered for one
# window at least, two at most, and no name costs a timer. The time in the record makes the window exact.
_LOOKUP = """
local young, old, begun = KEYS[5], KEYS[6], tonumber(redis.call('HGET', KEYS[5], 'begun') or 0)
local other = tonumber(redis.call('HGET', KEYS[6], 'begun') or 0)
if other > begun then young, old, begun = KEYS[6], KEYS[5], other end
local function stop(status)
  if ARGV[18] ~= '' then redis.call('SET', KEYS[7], ARGV[18], 'PX', 5000) end
  return {now, status}
end
if ARGV[18] ~= '' and redis.call('GET', KEYS[7]) == ARGV[18] then return {now, 5} end
if ARGV[12] ~= '' then
  local kept = redis.call('HGET', young, ARGV[12]) or redis.call('HGET', old, ARGV[12])
  if kept then
    local record = string.sub(kept, 17)
    local epoch, number, at, counts, id = string.match(record, '^([^:]*):(%d+):(%d+):([%d,]*):(.*)$')
    if now - tonumber(at) < tonumber(ARGV[20]) then
      if string.sub(kept, 1, 16) ~= ARGV[13] then return stop(3) end
      local told = {now, 2, epoch, tonumber(number)}
      for count in string.gmatch(counts, '%d+') do told[#told + 1] = tonumber(count) end
      told[#told + 1] = id
      return told
    end
  end
end
"""

# The attempt without an answer is younger than the last mark before it. Not found, it was not accepted, if
# the log is whole since then, and if this Redis and this epoch are those that it met: the data of others
# (lost, older, of a replica that was promoted) need not have it although it was delivered. An entry that ends
# with a colon is only a number.
_SEARCH = """
if ARGV[17] ~= '0' then
  local whole = epoch == ARGV[19]
  if whole and promotion() ~= '' then whole = redis.call('HGET', KEYS[1], 'promoted') == promotion() end
  if ARGV[12] == '' then
    local moment = string.format('%.0f', now - ARGV[17])
    local since = tonumber(redis.call('ZREVRANGEBYSCORE', KEYS[3], moment, '-inf', 'LIMIT', 0, 1)[1] or 0)
    local log = ARGV[3] .. epoch .. ':' .. ARGV[FIRST]
    local size = redis.pcall('LLEN', log)
    if type(size) ~= 'number' then size = 0 end
    local first = index_after(log, size, since)
    whole = whole and size - first <= MOST_SEARCHED
    local entries = redis.call('LRANGE', log, math.max(first, size - MOST_SEARCHED), -1)
    local before = tonumber(redis.call('ZSCORE', KEYS[2], ARGV[FIRST]) or 0)
    for i = #entries, 1, -1 do
      local entry, earlier = string.match(entries[i], '^(%d+):(%d+):')
      if entry and string.find(entries[i], ARGV[14], 1, true) then
        answer[3], answer[4] = epoch, tonumber(entry)
        return answer
      end
      whole = whole and entry and tonumber(entry) == before and string.sub(entries[i], -1) ~= ':'
      before = tonumber(earlier or 0)
    end
    whole = whole and before <= since
  end
  if not whole then return stop(4) end
end
"""

_REMEMBER = """
if ARGV[12] ~= '' then
  if begun == 0 or now - begun > tonumber(ARGV[15]) or redis.call('HLEN', young) > tonumber(ARGV[16]) then
    young = old
    redis.call('UNLINK', young)
    redis.call('HSET', young, 'begun', string.format('%.0f', now))
  end
  local kept = {epoch, number, string.format('%.0f', now), table.concat(answer, ',', 5), ARGV[14]}
  redis.call('HSET', young, ARGV[12], ARGV[13] .. table.concat(kept, ':'))
  redis.call('PEXPIRE', young, string.format('%.0f', ARGV[15] * 2 + 1000))
end
"""

_ONCE = (
    _TEXT.replace("LOOKUP", _LOOKUP)
    .replace("SEARCH", _SEARCH.replace("MOST_SEARCHED", str(MOST_SEARCHED)))
    .replace("REMEMBER", _REMEMBER)
    .replace("FIRST", "21")
)

# Messages that share a round trip go each its own way. A Redis with one text only would put them in another
# order: those whose text it lacks come after the others.
PUBLISH = Script(_PLAIN, _ONCE)
PUBLISH_ONCE = Script(_ONCE, _PLAIN)
