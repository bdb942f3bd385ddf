"""Pieces of Lua that several scripts of the sequence begin with; ``sequence`` says how the data lie."""

BEGIN = """
local function promotion()
  local info = redis.pcall('INFO', 'replication')
  local id = type(info) == 'string' and string.match(info, 'master_replid2:(%x+)') or ''
  return string.find(id, '[^0]') and id or ''
end

local function begin(epoch)
  redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3])
  redis.call('HSET', KEYS[1], 'epoch', epoch, 'seq', 0, 'floor', 0,
    'due', 0, 'short', 0, 'long', 0, 'full', 0, 'promoted', promotion())
end
"""
"""Lua: begin a new epoch; KEYS 1 to 3 are those of ``Keys.sequence``. A replica that is promoted keeps the
id of its former primary's replication as ``master_replid2``, until it restarts; others have zeros there."""

FIND = """
local function number_of(entry)
  if not entry then return 0 end
  return tonumber(string.match(entry, '^%d+') or math.huge)
end

local function index_after(log, size, number)
  local low, high = 0, size
  while low < high do
    local middle = math.floor((low + high) / 2)
    if number_of(redis.call('LINDEX', log, middle)) > number then high = middle else low = middle + 1 end
  end
  return low
end

local function after(log, number, most)
  local size = redis.pcall('LLEN', log)
  if type(size) ~= 'number' then return {} end
  local first = index_after(log, size, number)
  return redis.call('LRANGE', log, first, first + most - 1)
end
"""
"""Lua: the number of an entry; where in a log the entries after a number begin; those entries. What only a
stranger can have written does no harm: an entry without a number counts as new, a key of another kind as an
empty log."""
