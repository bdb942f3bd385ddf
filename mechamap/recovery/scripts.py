"""The steps in which a session in Redis changes: what ``Kept`` says, each at once, under one lease.

A session is a hash. Its fields are ``user``, ``epoch``, ``offset`` (the position), ``sids`` (words
``opened:sid``, the newest last; ``opened`` in ms), ``last`` (``sid:turn``, see below), ``whole`` (the epoch
of which it has all), and for each channel ``c:`` and its name. A channel's value is a number, the offset
after which it is owed; what follows the number behind a blank is kept as it is. A session that was ended
while other connections may still have it has the one field ``end``, so that these do not bring it back.

A command whose answer did not come in time may still be carried out, long after those that followed it on
another connection to Redis. So the newest connection numbers its changes (``turn``), and what is older than
its last one changes nothing.
"""

from mechamap.broker.connection import Script
from mechamap.domain.recovery import MOST_SIDS

_BEGIN = """
local function offset(value) return tonumber(string.match(value or '', '^%d+')) or 0 end

local function moved(value, number) return number .. string.gsub(value, '^%d+', '', 1) end

-- Offsets of different epochs cannot be compared: what comes in the other one is owed whole.
local function into(key, epoch)
  if redis.call('HGET', key, 'epoch') == epoch then return end
  redis.call('HSET', key, 'epoch', epoch, 'offset', '0')
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 2) == 'c:' then redis.call('HSET', key, all[i], moved(all[i + 1], '0')) end
  end
end

local function newest(sids) return string.match(sids or '', ':(%S+)$') end

-- Whether the connection has changed it since.
local function late(last, sid, turn)
  local who, was = string.match(last or '', '^(%S+):(%d+)$')
  return who == sid and tonumber(was) > tonumber(turn)
end
"""

KEEP = Script(
    _BEGIN
    + f"local MOST = {MOST_SIDS}"
    + """
local key, lease, takes, turn, user, sid, opened, epoch, begin = KEYS[1], unpack(ARGV, 1, 8)
if redis.call('TYPE', key).ok ~= 'hash' then redis.call('UNLINK', key) end
local kept = redis.call('HMGET', key, 'end', 'last', 'sids', 'offset')
if kept[1] then return 0 end
into(key, epoch)
local sids, place = {}, 1
for one in string.gmatch(kept[3] or '', '%S+') do
  local at, who = string.match(one, '^(%d+):(%S+)$')
  if who ~= sid then
    table.insert(sids, one)
    if tonumber(at or 0) <= tonumber(opened) then place = #sids + 1 end
  end
end
table.insert(sids, place, opened .. ':' .. sid)
local first = place == #sids
while #sids > MOST do table.remove(sids, 1) end
if offset(begin) < offset(kept[4]) then begin = kept[4] end
redis.call('HSET', key, 'user', user, 'offset', begin, 'sids', table.concat(sids, ' '))
redis.call('PEXPIRE', key, lease)
local at = 10 + tonumber(ARGV[9])
if first then
  if late(kept[2], sid, turn) then return 1 end
  redis.call('HSET', key, 'last', sid .. ':' .. turn)
  if takes == '1' then
    redis.call('HSET', key, 'whole', epoch)
    for i = 10, at - 1 do redis.call('HDEL', key, ARGV[i]) end
  end
end
-- one that was overtaken has only what the session had before: what is not in it any more was left since
if takes == '1' and not first then return 1 end
local set = takes == '1' and 'HSET' or 'HSETNX'
for i = at, #ARGV, 2 do redis.call(set, key, ARGV[i], ARGV[i + 1]) end
return 1
"""
)
"""KEYS: the session. ARGV: lease in ms; 1 if the connection takes the session over, 0 if it adds what Redis
lost; turn, user, sid, opened, epoch, offset; the number of the channels it may not have, these, and its own
with their values."""

JOINED = Script(
    _BEGIN
    + """
local kept = redis.pcall('HMGET', KEYS[1], 'epoch', 'end', 'sids', 'last')
if kept[2] then return 1 end
if not kept[1] then return 0 end
if newest(kept[3]) == ARGV[2] then
  if late(kept[4], ARGV[2], ARGV[3]) then return 1 end
  redis.call('HSET', KEYS[1], 'last', ARGV[2] .. ':' .. ARGV[3])
end
into(KEYS[1], ARGV[4])
redis.call('HSET', KEYS[1], ARGV[5], ARGV[6])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
"""
)
"""KEYS: the session. ARGV: lease in ms, sid, turn, epoch, channel, value. Answers 0 if there is no such
session."""

LEFT = Script(
    _BEGIN
    + """
local kept = redis.pcall('HMGET', KEYS[1], 'sids', 'end', 'last')
if kept[2] then return 1 end
if not kept[1] then return 0 end
if newest(kept[1]) == ARGV[2] and not late(kept[3], ARGV[2], ARGV[3]) then
  redis.call('HSET', KEYS[1], 'last', ARGV[2] .. ':' .. ARGV[3])
  redis.call('HDEL', KEYS[1], ARGV[4])
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
"""
)
"""KEYS: the session. ARGV: lease in ms, sid, turn, channel. Answers 0 if there is no such session."""

END = Script(
    _BEGIN
    + """
local sids = redis.pcall('HGET', KEYS[1], 'sids')
if type(sids) ~= 'string' or newest(sids) ~= ARGV[2] then return 0 end
redis.call('UNLINK', KEYS[1])
if string.find(sids, ' ', 1, true) then
  redis.call('HSET', KEYS[1], 'end', '1')
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return 1
"""
)
"""KEYS: the session. ARGV: lease in ms, the sid that ends it."""

RENEW = Script(
    _BEGIN
    + """
local SLICE = 1000  -- Lua unpacks no more than 8,000 values at once

-- Moves on what was received; with `adds`, what the newest connection has and Redis lost is in it again.
local function advance(key, at, first, last, begin, adds)
  local fields, changes = {}, {}
  for j = first, last do table.insert(fields, ARGV[at + 2 * j]) end
  for i, value in ipairs(redis.call('HMGET', key, unpack(fields))) do
    local joined = ARGV[at + 2 * (first + i - 1) + 1]
    if value and offset(joined) <= offset(value) and offset(value) < offset(begin) then
      table.insert(changes, fields[i])
      table.insert(changes, moved(value, begin))
    elseif not value and adds then
      table.insert(changes, fields[i])
      table.insert(changes, joined)
    end
  end
  if #changes > 0 then redis.call('HSET', key, unpack(changes)) end
end

local known, at = {}, 2
for i, key in ipairs(KEYS) do
  local sid, turn, proven, epoch, begin, count = unpack(ARGV, at, at + 5)
  local kept = redis.pcall('HMGET', key, 'epoch', 'end', 'sids', 'offset', 'last', 'whole')
  local has = kept[3] and string.find(kept[3] .. ' ', ':' .. sid .. ' ', 1, true)
  known[i] = (has or kept[2]) and 1 or 0
  if known[i] == 1 then redis.call('PEXPIRE', key, ARGV[1]) end
  if has then
    local adds = newest(kept[3]) == sid and not late(kept[5], sid, turn)
    if adds then into(key, epoch) end
    if adds or kept[1] == epoch then
      if kept[1] ~= epoch or offset(begin) > offset(kept[4]) then redis.call('HSET', key, 'offset', begin) end
      for first = 1, tonumber(count), SLICE do
        advance(key, at + 4, first, math.min(first + SLICE - 1, tonumber(count)), begin, adds)
      end
    end
    if adds and proven ~= '' and kept[6] ~= proven then redis.call('HSET', key, 'whole', proven) end
  end
  at = at + 6 + 2 * tonumber(count)
end
return known
"""
)
"""KEYS: sessions. ARGV: lease in ms, then of a connection of each: sid, turn, the latest epoch of which its
client was certainly on it (or nothing), epoch, up to where it has everything, the number of its channels,
and these with the offsets at which it joined them. Answers which are in order: 0 where the session, or the
connection in it, is missing."""
