"""Handing a message to Redis: one round trip, and never later than the sender was told.

A Redis that hung (a stopped virtual machine, a long script) still executes what stands in its socket buffers
when it wakes up, long after the sender gave up and answered 503. So every message carries its deadline by the
clock of Redis and the script refuses it afterwards.
"""

import time
from collections.abc import Callable, Sequence

import redis

from ..domain.errors import BrokerUnavailable
from .connection import COMMAND_TIMEOUT, Script

# KEYS: the leases. ARGV: deadline in ms, beginning of count tables, beginning of pub/sub channels, message,
# then canonical channels. Answers the time in ms, 1 if accepted, then the subscribers of each channel.
_PUBLISH = Script("""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now > tonumber(ARGV[1]) then return {now, 0} end
local answer = {now, 1}
for i = 5, #ARGV do answer[i - 2] = 0 end
for _, worker in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now), '+inf')) do
  local counts = redis.call('HMGET', ARGV[2] .. worker, unpack(ARGV, 5))
  for i, count in ipairs(counts) do
    answer[i + 2] = answer[i + 2] + (tonumber(count or 0) or 0)
  end
end
for i = 5, #ARGV do redis.call('PUBLISH', ARGV[3] .. ARGV[i], ARGV[4]) end
return answer
""")

# KEYS: none. ARGV: deadline in ms, pub/sub channel, message. Answers like the other one.
_COMMAND = Script("""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now > tonumber(ARGV[1]) then return {now, 0} end
redis.call('PUBLISH', ARGV[2], ARGV[3])
return {now, 1}
""")


Message = tuple[bytes, Sequence[str]]
"""The bytes, and the canonical channels they go to."""


class Dispatch:
    """Sends messages. Raises redis-py's errors, and ``BrokerUnavailable`` if Redis was late."""

    def __init__(self, client: redis.Redis, leases: str, counts: str, channels: str) -> None:
        """``leases`` is a key; the others begin the names of count tables and of pub/sub channels."""
        self._client = client
        self._leases = leases
        self._counts = counts
        self._channels = channels
        # How far the clock of Redis is ahead of time.monotonic(), at least; None until it answered once.
        self._ahead: float | None = None

    def publish_many(self, messages: Sequence[Message], accepted: Callable[[dict[str, int]], None]) -> None:
        """Send messages in one round trip; ``accepted`` is told the subscribers of each canonical channel
        when a message went out to all of them, for one after the other, until the first that was not sent.
        Then it raises, and none behind was."""
        begun = time.monotonic()
        rest = list(messages)
        for _ in range(2):  # as in _send
            if not rest:
                return
            end = begun + COMMAND_TIMEOUT + self._ahead if self._ahead is not None else 0.0
            fixed = (int(end * 1000), self._counts, self._channels)
            calls = [(*fixed, message, *channels) for message, channels in rest]
            if len(calls) == 1:  # spares the transaction
                answers = [_PUBLISH.run(self._client, [self._leases], calls[0])]
            else:
                answers = _PUBLISH.run_many(self._client, [self._leases], calls)
            answered = time.monotonic()
            sent = 0
            for (_, channels), answer in zip(rest, answers, strict=True):
                if isinstance(answer, redis.RedisError):
                    raise answer
                now, done, *counts = answer
                self._ahead = now / 1000 - answered
                if not done:
                    break
                accepted(dict(zip(channels, counts, strict=True)))
                sent += 1
            rest = rest[sent:]
            if answered - begun >= COMMAND_TIMEOUT:
                break
        if rest:
            raise BrokerUnavailable("Redis answered too late: nothing more was sent.")

    def command(self, message: bytes, channel: str) -> None:
        """Send to one pub/sub channel."""
        self._send(_COMMAND, [], [channel, message])

    def _send(self, script: Script, keys: list[str], arguments: list[str | bytes]) -> list[int]:
        begun = time.monotonic()
        # Twice, because the first message of a process cannot know the clock, and clocks are set now and
        # then: an answer that is late by the clock but came in time only says that the clock was misjudged.
        for _ in range(2):
            end = begun + COMMAND_TIMEOUT + self._ahead if self._ahead is not None else 0.0
            now, accepted, *counts = script.run(self._client, keys, [int(end * 1000), *arguments])
            answered = time.monotonic()
            # Redis looked at its clock before the answer arrived: never an overestimate, so never a deadline
            # too late.
            self._ahead = now / 1000 - answered
            if accepted:
                return counts
            if answered - begun >= COMMAND_TIMEOUT:
                break
        raise BrokerUnavailable("Redis answered too late: nothing was sent.")
