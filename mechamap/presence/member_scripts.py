"""Members in Redis, decided: one script says who is first, last or dead, and queues the announcement too.

* ``held:<worker>``, a hash: the members that a worker has connections of. Only its owner adds to it.
* ``workers``, a sorted set: the end of each worker's lease by the clock of Redis.
* ``of:<channel>``, a hash: member → name, and ``last``: the id of the channel's last announcement.
  ``ids:<channel>``, a sorted set of the members in order.
* ``due``, a sorted set: members without connections, by the end of their grace period.
* ``queue``, a list: announcements in the order of the decisions. ``drainer``: who takes from it now, so that
  they are published in this order; whoever dies meanwhile is replaced, and publishes under the same ids.
* ``head``, a hash: an epoch, which tells a data set that was lost, the number of the last announcement, and
  when any worker was last heard of.
"""

from mechamap.broker.connection import Script
from mechamap.domain.members import Change

SWEPT = 500
"""Members of dead workers, and ended grace periods, looked at in one call."""
SERIES = 100
"""Announcements published together."""
DRAIN = 5000
"""Milliseconds a drainer has for a series: three times what the broker lets it take."""
MOST_QUEUED = 100_000

# KEYS: head, workers, due, queue, drainer. ARGV: beginning of tables, worker, lease in ms, grace in ms, a new
# epoch's name, "1" to sweep, known epoch, known number, then per row channel, user, state, first connection,
# name. States: "held", "quiet" (held, without announcing it), "gone", "now" (gone without the grace period).
# Answers epoch, size of the worker's table, 1 if there is more to sweep, announcements to publish, per row 1
# if it made a member.
#
# An older data set would give numbers again that workers know already: it goes on behind what this one knows.
#
# If no worker was heard of for half a lease, Redis was away: nobody is taken for dead until all had a lease's
# time to be heard again.
COMMIT = Script(f"""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local moment = string.format('%.0f', now)
local tables, me, lease, grace = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local head = redis.call('HMGET', KEYS[1], 'epoch', 'seen', 'calm')
local epoch, seen, calm = head[1], tonumber(head[2] or now), tonumber(head[3] or 0)
if not epoch then
  epoch = ARGV[5]
  redis.call('HSET', KEYS[1], 'epoch', epoch)
end
if epoch == ARGV[7] and tonumber(redis.call('HGET', KEYS[1], 'seq') or 0) < tonumber(ARGV[8]) then
  redis.call('HSET', KEYS[1], 'seq', ARGV[8])
end
if now - seen > lease / 2 then calm = now + lease end
redis.call('HSET', KEYS[1], 'seen', moment, 'calm', string.format('%.0f', math.min(calm, now + lease)))
redis.call('ZADD', KEYS[2], string.format('%.0f', now + lease), me)
local live = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. moment, '+inf')

local function held(field)
  for _, worker in ipairs(live) do
    if redis.call('HEXISTS', tables .. 'held:' .. worker, field) == 1 then return true end
  end
  return false
end
local function announce(change, channel, user, by, name)
  local number = string.format('%.0f', redis.call('HINCRBY', KEYS[1], 'seq', 1))
  local id = 'members.' .. epoch .. '.' .. number
  redis.call('HSET', tables .. 'of:' .. channel, 'last', id)
  local fields = {{change, id, channel, user, by, name}}
  if redis.call('RPUSH', KEYS[4], table.concat(fields, '\\n')) > {MOST_QUEUED} then
    redis.call('LPOP', KEYS[4])
  end
end
local function leave(channel, user)
  redis.call('ZREM', KEYS[3], channel .. '\\n' .. user)
  local name = redis.call('HGET', tables .. 'of:' .. channel, user)
  if name then
    redis.call('HDEL', tables .. 'of:' .. channel, user)
    redis.call('ZREM', tables .. 'ids:' .. channel, user)
    announce('{Change.LEAVING}', channel, user, '', name)
    if redis.call('EXISTS', tables .. 'ids:' .. channel) == 0 then
      redis.call('DEL', tables .. 'of:' .. channel)
    end
  end
end
local function split(field)
  local at = string.find(field, '\\n', 1, true) or 0
  return string.sub(field, 1, at - 1), string.sub(field, at + 1)
end

local own, first = tables .. 'held:' .. me, {{}}
for i = 9, #ARGV, 5 do
  local channel, user, state, by, name = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local field, new = channel .. '\\n' .. user, 0
  if state == 'held' or state == 'quiet' then
    redis.call('HSET', own, field, '')
    redis.call('ZREM', KEYS[3], field)
    if redis.call('HSETNX', tables .. 'of:' .. channel, user, name) == 1 then
      redis.call('ZADD', tables .. 'ids:' .. channel, 0, user)
      if state == 'held' then
        new = 1
        announce('{Change.JOINING}', channel, user, by, name)
      end
    elseif name ~= '' then
      redis.call('HSET', tables .. 'of:' .. channel, user, name)
    end
  else
    redis.call('HDEL', own, field)
    if not held(field) then
      if state == 'now' or grace == 0 then
        leave(channel, user)
      elseif redis.call('HEXISTS', tables .. 'of:' .. channel, user) == 1 then
        redis.call('ZADD', KEYS[3], string.format('%.0f', now + grace), field)
      end
    end
  end
  first[#first + 1] = new
end

local more = 0
if ARGV[6] == '1' and now >= calm then
  local rest = {SWEPT}
  for _, worker in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', moment)) do
    local dead, cursor = tables .. 'held:' .. worker, '0'
    repeat
      local page = redis.call('HSCAN', dead, cursor, 'COUNT', {SWEPT})
      cursor = page[1]
      for n = 1, #page[2], 2 do
        redis.call('HDEL', dead, page[2][n])
        if not held(page[2][n]) then leave(split(page[2][n])) end
        rest = rest - 1
      end
    until cursor == '0' or rest <= 0
    if redis.call('HLEN', dead) == 0 then redis.call('ZREM', KEYS[2], worker) end
    if rest <= 0 then
      more = 1
      break
    end
  end
  local due = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', moment, 'LIMIT', 0, {SWEPT})
  for _, field in ipairs(due) do
    redis.call('ZREM', KEYS[3], field)
    if not held(field) then leave(split(field)) end
  end
  if #due == {SWEPT} then more = 1 end
end

local waiting = {{}}
if redis.call('LLEN', KEYS[4]) > 0 and (redis.call('GET', KEYS[5]) or me) == me then
  redis.call('SET', KEYS[5], me, 'PX', {DRAIN})
  waiting = redis.call('LRANGE', KEYS[4], 0, {SERIES - 1})
end
return {{epoch, redis.call('HLEN', own), more, waiting, first}}
""")

# KEYS: queue, drainer. ARGV: worker, how many of the first were published, "1" to let another worker go on.
# Answers the next ones, if any.
DONE = Script(f"""
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return {{}} end
redis.call('LTRIM', KEYS[1], ARGV[2], -1)
if ARGV[3] == '1' or redis.call('LLEN', KEYS[1]) == 0 then
  redis.call('DEL', KEYS[2])
  return {{}}
end
redis.call('PEXPIRE', KEYS[2], {DRAIN})
return redis.call('LRANGE', KEYS[1], 0, {SERIES - 1})
""")

# KEYS: workers, drainer. ARGV: worker.
RELEASE = Script("""
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
return redis.call('ZREM', KEYS[1], ARGV[1])
""")

# KEYS: queue, head and last of the broker's sequence. ARGV: beginning of tables, channel, user after whom,
# limit. Answers how many members there are, ids, names, the id of the last announcement of the channel, 1 if
# that may wait to be published, epoch and number of the channel's last publication.
PAGE = Script("""
local ids, of, names = ARGV[1] .. 'ids:' .. ARGV[2], ARGV[1] .. 'of:' .. ARGV[2], {}
local found = redis.call('ZRANGEBYLEX', ids, '(' .. ARGV[3], '+', 'LIMIT', 0, ARGV[4])
if #found > 0 then names = redis.call('HMGET', of, unpack(found)) end
local last, first, queued = redis.call('HGET', of, 'last') or '', redis.call('LINDEX', KEYS[1], 0), 0
if first then
  local epoch, number = string.match(first, '^[^\\n]*\\nmembers%.([%w_-]+)%.(%d+)\\n')
  local mine, until_here = string.match(last, '^members%.([%w_-]+)%.(%d+)$')
  if mine and (mine ~= epoch or tonumber(number) <= tonumber(until_here)) then queued = 1 end
end
local epoch, newest = redis.call('HGET', KEYS[2], 'epoch') or '', redis.call('ZSCORE', KEYS[3], ARGV[2]) or ''
return {redis.call('ZCARD', ids), found, names, last, queued, epoch, newest}
""")
