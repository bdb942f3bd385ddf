"""Handing a message to Redis: one round trip, and never later than the sender was told.

A Redis that hung (a stopped virtual machine, a long script) still executes what stands in its socket buffers
when it wakes up, long after the sender gave up and answered 503. So every message carries its deadline by the
clock of Redis and the script refuses it afterwards.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import redis

from ..domain.errors import BrokerUnavailable
from ..domain.history import Bounds, Position
from .connection import COMMAND_TIMEOUT, Script
from .lua import BEGIN, FIND
from .sequence import Keys
from .stamp import new_epoch

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
_PUBLISH = Script(
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
for i = 12, #ARGV do answer[i - 7] = 0 end
for _, worker in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '(' .. string.format('%.0f', now), '+inf')) do
  local counts = redis.call('HMGET', ARGV[2] .. worker, unpack(ARGV, 12))
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
local seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
if now >= due or due - now > 1000 then floor, short, long, full = tend(now, seq) end
local number = string.format('%.0f', seq)
local message = epoch .. ':' .. number .. ':' .. ARGV[8]
local body = full == '1' and '' or ARGV[8]
local by_age, most = now % 8 == 0, tonumber(ARGV[9])
answer[3], answer[4] = epoch, seq
for i = 12, #ARGV do
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
return answer
"""
)


@dataclass(frozen=True, slots=True)
class Accepted:
    """Where Redis put a message, and the subscribers of each channel when it went out to all of them."""

    position: Position
    subscribers: dict[str, int]


Message = tuple[bytes, Sequence[str]]
"""The bytes, and the names they go to."""


class Dispatch:
    """Sends messages. Raises redis-py's errors, and ``BrokerUnavailable`` if Redis was late."""

    def __init__(self, client: redis.Redis, prefix: str, leases: str, counts: str, bounds: Bounds) -> None:
        """``leases`` is a key; ``counts`` begins the names of count tables."""
        keys = Keys(prefix)
        self._client = client
        # Bytes, because redis-py encodes every other argument anew each time.
        self._keys = [key.encode() for key in (*keys.sequence, leases)]
        self._names = [counts.encode(), keys.logs.encode()]
        self._bounds = bounds
        self._ages = [b"%d" % (seconds * 1000) for seconds in (bounds.seconds, bounds.user_seconds)]
        self._known = Position("", 0)
        self._candidate = new_epoch()
        # How far the clock of Redis is ahead of time.monotonic(), at least; None until it answered once.
        self._ahead: float | None = None

    @property
    def known(self) -> Position:
        """The highest position this process was told."""
        return self._known

    def learn(self, position: Position) -> None:
        """The sequence has come as far as ``position``: it may not fall behind it in the same epoch."""
        if position.epoch != self._known.epoch or position.offset > self._known.offset:
            self._known = position

    def send(self, message: bytes, channels: bytes, names: Sequence[str]) -> Accepted:
        """Number the message, put it into the logs with these names and publish it to the pub/sub channels
        whose names ``channels`` begins."""
        accepted: list[Accepted] = []
        self.send_many([(message, names)], channels, accepted.append)
        return accepted[0]

    def send_many(
        self,
        messages: Sequence[Message],
        channels: bytes,
        accepted: Callable[[Accepted], None],
    ) -> None:
        """Send (message, names) pairs in one round trip; ``accepted`` is told what ``send`` returns, for one
        after the other, until the first that was not sent. Then it raises, and none behind was."""
        begun = time.monotonic()
        rest = [(message, tuple(dict.fromkeys(names))) for message, names in messages]
        # Twice, because the first message of a process cannot know the clock, and clocks are set now and
        # then: an answer that is late by the clock but came in time only says that the clock was misjudged.
        for _ in range(2):
            if not rest:
                return
            end = begun + COMMAND_TIMEOUT + self._ahead if self._ahead is not None else 0.0
            calls = [self._arguments(int(end * 1000), channels, *pair) for pair in rest]
            answers = self._run(calls)
            answered = time.monotonic()
            sent = 0
            for (_, names), answer in zip(rest, answers, strict=True):
                if isinstance(answer, redis.RedisError):
                    raise answer
                # Redis looked at its clock before the answer arrived: never an overestimate, so never a
                # deadline too late.
                self._ahead = answer[0] / 1000 - answered
                if not answer[1]:
                    break
                accepted(self._accepted(answer, names))
                sent += 1
            rest = rest[sent:]
            if answered - begun >= COMMAND_TIMEOUT:
                break
        if rest:
            raise BrokerUnavailable("Redis answered too late: nothing more was sent.")

    def _run(self, calls: Sequence[Sequence[Any]]) -> Sequence[Any]:
        if len(calls) == 1:  # spares the transaction
            return [_PUBLISH.run(self._client, self._keys, calls[0])]
        return _PUBLISH.run_many(self._client, self._keys, calls)

    def _arguments(self, deadline: int, channels: bytes, message: bytes, names: Sequence[str]) -> list[Any]:
        known = self._known
        arguments = [deadline, *self._names, channels, self._candidate, known.epoch, known.offset]
        return [*arguments, message, self._bounds.count(len(message)), *self._ages, *names]

    def _accepted(self, answer: Sequence[Any], names: Sequence[str]) -> Accepted:
        _, _, epoch, offset, *counts = answer
        position = Position(epoch.decode(), offset)
        self.learn(position)
        if position.epoch == self._candidate:  # it is in use now
            self._candidate = new_epoch()
        return Accepted(position, dict(zip(names, counts, strict=True)))
