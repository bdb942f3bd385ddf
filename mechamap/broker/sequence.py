"""The broker's sequence in Redis: one number for every accepted message, under an epoch, and the channels'
logs.

Everything is written by scripts, so a message has its number, its place in the logs and its way to the
subscribers all at once or not at all:

* ``head``, a hash: the epoch, its last number, and what the tending below found out.
* ``log:<epoch>:<channel>``, a list per channel: ``number:number before:envelope``. The second is that of the
  entry before it, and the proof: a reading since L is complete if the first entry it finds says that the one
  before it was L or earlier. Logs may thus be trimmed and expire as they like. Not a stream: one with a
  single event, and most users' channels hold no more, takes 4.8 KB in Redis 7.0, a list 0.6 KB; and a list is
  faster.
* ``last``, a sorted set: the number of each channel's last entry. Channels quiet for longer than any log
  lives are taken out; ``floor`` is the highest number that went this way.
* ``marks``, a sorted set: the number reached at a moment, about one a second, to trim by age with.

An epoch ends when its numbers are no longer true: ``head`` is gone, or somebody knows a higher number than
``head`` does (an older data set), or the last event a worker delivered is not what the log says (a fork), or
Redis was promoted from a replica (replication is asynchronous: acknowledged events may be lost).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import redis

from ..domain.history import Gap, Position
from .connection import Script
from .lua import BEGIN, FIND
from .stamp import new_epoch

MOST_NEWS = 100_000
"""Names of logs taken in one answer, about 3 MB; a worker that has more to ask reads all it follows."""
_HEAD = ("epoch", "seq", "floor")

# ARGV: a new epoch's name, known epoch, known number, beginning of logs, then number, log and id of the last
# message that this worker delivered, number after which it wants news, most names. Answers epoch, number,
# floor, names of logs with news.
_SYNC = Script(
    BEGIN
    + FIND
    + """
local head = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'floor', 'promoted', 'full')
local promoted = promotion()
local sound = head[1] and head[2] and head[3] and head[4] and head[5]
if sound and promoted ~= '' and head[4] ~= promoted then sound = false end
if sound and head[1] == ARGV[2] then
  if tonumber(head[2]) < tonumber(ARGV[3]) then sound = false end
  if sound and ARGV[6] ~= '' then
    local log, number = ARGV[4] .. head[1] .. ':' .. ARGV[6], tonumber(ARGV[5])
    local entry = after(log, number - 1, 1)[1]
    if entry and number_of(entry) == number then
      -- An entry that ends with a colon is only a number.
      sound = string.sub(entry, -1) == ':' or string.find(entry, ARGV[7], 1, true)
    elseif redis.call('TYPE', log).ok == 'list' then
      sound = number_of(redis.call('LINDEX', log, 0)) > number
    end
  end
end
if not sound then
  begin(ARGV[1])
  head = {ARGV[1], '0', '0'}
end
local since = '-inf'
if head[1] == ARGV[2] then since = '(' .. ARGV[8] end
local news = redis.call('ZRANGEBYSCORE', KEYS[2], since, '+inf', 'LIMIT', 0, ARGV[9])
return {head[1], tonumber(head[2]), tonumber(head[3]), news}
"""
)

# ARGV: beginning of the logs of an epoch, most entries of a log, then name and number of each; without a
# number the last entries are wanted. Answers the head, then last number and entries of each.
_READ = Script(
    FIND
    + """
local answer = {redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'floor')}
local most = tonumber(ARGV[2])
for i = 3, #ARGV, 2 do
  local log, since = ARGV[1] .. ARGV[i], tonumber(ARGV[i + 1])
  answer[#answer + 1] = redis.call('ZSCORE', KEYS[2], ARGV[i]) or ''
  if since then
    answer[#answer + 1] = after(log, since, most)
  else
    local found = redis.pcall('LRANGE', log, -most, -1)
    answer[#answer + 1] = found.err and {} or found
  end
end
return answer
"""
)


@dataclass(frozen=True, slots=True)
class Keys:
    """Where the sequence lives in Redis."""

    prefix: str

    @property
    def sequence(self) -> list[str]:
        """head, last, marks."""
        return [f"{self.prefix}:head", f"{self.prefix}:last", f"{self.prefix}:marks"]

    @property
    def once(self) -> list[str]:
        """Two generations of names of publications, and the stop of a series."""
        return [f"{self.prefix}:once:{part}" for part in ("0", "1", "stop")]

    @property
    def logs(self) -> str:
        """Begins the name of every log."""
        return f"{self.prefix}:log:"

    def log(self, epoch: str, name: str) -> str:
        return f"{self.logs}{epoch}:{name}"


@dataclass(frozen=True, slots=True)
class Witness:
    """The last message that a worker delivered: its number, its log, its id."""

    offset: int = 0
    name: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Synced:
    """Where the sequence is. ``news``: logs with entries since the known position; None for "perhaps all"."""

    position: Position
    floor: int
    news: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a log. ``before`` is the number of the entry before it; ``body`` is empty if only the
    number was kept because Redis was short of memory."""

    offset: int
    before: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """What one log holds since a number. ``last``: the number of its newest entry, kept or not."""

    since: int
    entries: tuple[Entry, ...]
    last: int | None

    def gap(self, floor: int) -> Gap | None:
        """Why something may be missing."""
        if self.entries:
            whole = self.entries[0].before <= self.since and all(entry.body for entry in self.entries)
            return None if whole else Gap.TRIMMED
        if self.last is None:
            return None if self.since >= floor else Gap.TOO_OLD
        return None if self.last <= self.since else Gap.TRIMMED


@dataclass(frozen=True, slots=True)
class Head:
    """The state of the sequence at one moment. Without data in Redis: no epoch, number 0."""

    position: Position
    floor: int


class Logs:
    """Reads the sequence and its logs. Raises redis-py's errors."""

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        self._client = client
        self._keys = Keys(prefix)

    def sync(self, heard: Position, witness: Witness, known: int) -> Synced:
        """Where the sequence is now and which logs have news since ``heard``.

        Begins a new epoch if what Redis holds contradicts what this worker heard, or that the sequence had
        come as far as the number ``known`` in that epoch.
        """
        keys = self._keys
        news = MOST_NEWS if heard.epoch else 0
        arguments = [new_epoch(), heard.epoch, max(known, heard.offset), keys.logs]
        arguments += [witness.offset, witness.name, witness.id, heard.offset, news]
        epoch, offset, floor, names = _SYNC.run(self._client, keys.sequence, arguments)
        found = None if len(names) >= MOST_NEWS else frozenset(name.decode() for name in names)
        return Synced(Position(epoch.decode(), offset), floor, found)

    def head(self) -> Head:
        """Where the sequence is now."""
        return _head(self._client.hmget(self._keys.sequence[0], _HEAD))

    def read(
        self, epoch: str, wanted: Sequence[tuple[str, int | None]], limit: int
    ) -> tuple[Head, list[Reading]]:
        """The first ``limit`` entries of each log after that number, or its last ones, all at one moment."""
        arguments: list[str | int] = [self._keys.log(epoch, ""), limit]
        for name, since in wanted:
            arguments += (name, "" if since is None else since)
        state, *rest = _READ.run(self._client, self._keys.sequence[:2], arguments)
        return _head(state), [
            Reading(since or 0, tuple(map(_entry, found)), int(last) if last else None)
            for (_, since), last, found in zip(wanted, rest[::2], rest[1::2], strict=True)
        ]


def _head(fields: Sequence[bytes | None]) -> Head:
    epoch, offset, floor = fields
    return Head(Position((epoch or b"").decode(), int(offset or 0)), int(floor or 0))


def _entry(text: bytes) -> Entry:
    number, _, rest = text.partition(b":")
    before, _, body = rest.partition(b":")
    if not (number.isdigit() and before.isdigit()):  # a stranger's: as good as none
        return Entry(0, 0, b"")
    return Entry(int(number), int(before), body)
