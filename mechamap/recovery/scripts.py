"""The steps in which a session in Redis changes: what ``Kept`` says, each at once, under one lease.

A session is a hash. Its fields are ``user``, ``epoch``, ``offset`` (the position), ``sids`` (words, the
newest last), and for each channel ``c:`` and its name. A channel's value is a number, the offset after which
it is owed; what follows the number behind a blank is kept as it is. A session that was ended while other
connections may still have it has the one field ``end``, so that these do not bring it back.
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

local function newest(sids) return string.match(sids or '', '(%S+)$') end
"""

KEEP = Script(
    _BEGIN
    + f"local MOST = {MOST_SIDS}"
    + """
local key, lease, takes, user, sid, epoch, begin = KEYS[1], unpack(ARGV, 1, 6)
if redis.call('TYPE', key).ok ~= 'hash' then redis.call('UNLINK', key) end
if redis.call('HEXISTS', key, 'end') == 1 then return 0 end
into(key, epoch)
local at = 8
for i = 1, tonumber(ARGV[7]) do redis.call('HDEL', key, ARGV[at]); at = at + 1 end
local sids = {}
for one in string.gmatch(redis.call('HGET', key, 'sids') or '', '%S+') do
  if one ~= sid then table.insert(sids, one) end
end
table.insert(sids, takes == '1' and #sids + 1 or 1, sid)
while #sids > MOST do table.remove(sids, 1) end
local was = redis.call('HGET', key, 'offset')
if offset(begin) < offset(was) then begin = was end
redis.call('HSET', key, 'user', user, 'offset', begin, 'sids', table.concat(sids, ' '))
for i = at, #ARGV, 2 do redis.call(takes == '1' and 'HSET' or 'HSETNX', key, ARGV[i], ARGV[i + 1]) end
redis.call('PEXPIRE', key, lease)
return 1
"""
)
"""KEYS: the session. ARGV: lease in ms; 1 if the connection takes the session over, 0 if it adds what Redis
lost; user, sid, epoch, offset; the number of the channels it may not have, these, and its own with their
values."""

JOINED = Script(
    _BEGIN
    + """
local kept = redis.pcall('HMGET', KEYS[1], 'epoch', 'end')
if kept[2] then return 1 end
if not kept[1] then return 0 end
into(KEYS[1], ARGV[2])
redis.call('HSET', KEYS[1], ARGV[3], ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
"""
)
"""KEYS: the session. ARGV: lease in ms, epoch, channel, value. Answers 0 if there is no such session."""

LEFT = Script(
    _BEGIN
    + """
local kept = redis.pcall('HMGET', KEYS[1], 'sids', 'end')
if kept[2] then return 1 end
if not kept[1] then return 0 end
if newest(kept[1]) == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[3]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
"""
)
"""KEYS: the session. ARGV: lease in ms, sid, channel. Answers 0 if there is no such session."""

END = Script(
    _BEGIN
    + """
local sids = redis.pcall('HGET', KEYS[1], 'sids')
if type(sids) ~= 'string' or newest(sids) ~= ARGV[2] then return 0 end
redis.call('UNLINK', KEYS[1])
if sids ~= ARGV[2] then
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

local function advance(key, at, first, last, begin)
  local fields, changes = {}, {}
  for j = first, last do table.insert(fields, ARGV[at + 2 * j]) end
  for i, value in ipairs(redis.call('HMGET', key, unpack(fields))) do
    local joined = ARGV[at + 2 * (first + i - 1) + 1]
    if value and offset(joined) <= offset(value) and offset(value) < offset(begin) then
      table.insert(changes, fields[i])
      table.insert(changes, moved(value, begin))
    end
  end
  if #changes > 0 then redis.call('HSET', key, unpack(changes)) end
end

local known, at = {}, 2
for i, key in ipairs(KEYS) do
  local sid, epoch, begin, count = unpack(ARGV, at, at + 3)
  local kept = redis.pcall('HMGET', key, 'epoch', 'end', 'sids', 'offset')
  local has = kept[3] and string.find(' ' .. kept[3] .. ' ', ' ' .. sid .. ' ', 1, true)
  known[i] = (has or kept[2]) and 1 or 0
  if known[i] == 1 then redis.call('PEXPIRE', key, ARGV[1]) end
  if has then
    if kept[1] == epoch then
      if offset(begin) > offset(kept[4]) then redis.call('HSET', key, 'offset', begin) end
      for first = 1, tonumber(count), SLICE do
        advance(key, at + 2, first, math.min(first + SLICE - 1, tonumber(count)), begin)
      end
    end
  end
  at = at + 4 + 2 * tonumber(count)
end
return known
"""
)
"""KEYS: sessions. ARGV: lease in ms, then of a connection of each: sid, epoch, up to where it has everything,
the number of its channels, and these with the offsets at which it joined them. Answers which are in order: 0
where the session, or the connection in it, is missing."""
