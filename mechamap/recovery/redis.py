"""Sessions in Redis: one key each, under a lease that the worker of a live connection renews.

A worker that was killed leaves its sessions to their leases, which last a recovery window longer than the
last renewal. So the record is written when rooms change, not when the client leaves; what else changes is
written with the renewal.
"""

import logging
import threading
import time
from collections.abc import Iterator
from itertools import islice

import msgspec
import redis

from mechamap.broker.connection import Script, command_client, translated
from mechamap.broker.supervision import join, supervised
from mechamap.domain.history import Position
from mechamap.domain.recovery import Kept

from .protocol import Live

log = logging.getLogger(__name__)

RENEWALS = 4
"""In one recovery window."""
CHUNK = 200
"""Keys per renewal: Redis does nothing else for half a millisecond."""

# KEYS: the session. ARGV: the connection that wants to end it.
_END = Script("""
local kept = redis.call('GET', KEYS[1])
if kept and string.find(kept, '"' .. ARGV[1] .. '"', 1, true) then redis.call('UNLINK', KEYS[1]) end
return 0
""")

# KEYS: sessions. ARGV: the lease in ms, then of each its connection and what it is now. Answers which exist.
# One that another connection owns is left to it.
_RENEW = Script("""
local had = {}
for i, key in ipairs(KEYS) do
  local kept = redis.call('GET', key)
  had[i] = kept and 1 or 0
  if kept == ARGV[2 * i + 1] then
    redis.call('PEXPIRE', key, ARGV[1])
  elseif kept and string.find(kept, '"' .. ARGV[2 * i] .. '"', 1, true) then
    redis.call('SET', key, ARGV[2 * i + 1], 'PX', ARGV[1])
  end
end
return had
""")


class _Record(msgspec.Struct, forbid_unknown_fields=True):
    """Schema version 1."""

    v: int
    user: int
    sid: str
    epoch: str
    offset: int
    channels: dict[str, int]


_decode = msgspec.json.Decoder(_Record).decode


class RedisSessions:
    """``Sessions`` and ``SessionsLink``."""

    def __init__(self, url: str, window: float, *, prefix: str) -> None:
        """``window``: seconds a session waits for its client."""
        self._client = command_client(url)
        self._prefix = f"{prefix}:session:"
        self._pause = window / RENEWALS
        self._lease = int((window + 2 * self._pause) * 1000)
        self._live: dict[str, Live] = {}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def keep(self, live: Live) -> None:
        self._live[live.pid] = live  # first: the connection may end while Redis is being told
        with translated("the session was not kept"):
            self._write(live)

    def find(self, pid: str) -> Kept | None:
        with translated("the session cannot be looked up"):
            text = self._client.get(self._prefix + pid)
        if text is None:
            return None
        try:
            record = _decode(text)
        except msgspec.MsgspecError:
            log.warning("session_malformed")
            return None
        return Kept(record.user, record.sid, Position(record.epoch, record.offset), record.channels)

    def ended(self, live: Live, *, final: bool) -> None:
        if self._live.get(live.pid) is live:
            del self._live[live.pid]
        if not final:
            return
        try:
            _END.run(self._client, [self._prefix + live.pid], [live.sid])
        except redis.RedisError as err:
            log.info("session_not_ended", extra={"error": type(err).__name__})

    def start(self) -> None:
        self._thread = supervised("session-leases", self._renew_all, lambda name: None)

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            join(self._thread, 2.0)
        self._client.close()

    def _write(self, live: Live) -> None:
        self._client.set(self._prefix + live.pid, _encode(live.kept()), px=self._lease)

    def _renew_all(self) -> None:
        while not self._stopping.wait(self._pause):
            try:
                for lives in self._chunks():
                    self._renew(lives)
            except redis.RedisError as err:
                log.warning("sessions_not_renewed", extra={"error": type(err).__name__})

    def _chunks(self) -> Iterator[list[Live]]:
        rest = iter(list(self._live.values()))
        while chunk := list(islice(rest, CHUNK)):
            yield chunk
            time.sleep(0.001)

    def _renew(self, lives: list[Live]) -> None:
        """Renew the leases of what the sessions are now; what Redis has lost is written again."""
        keys = [self._prefix + live.pid for live in lives]
        arguments: list[object] = [self._lease]
        for live in lives:
            arguments += (live.sid, _encode(live.kept()))
        renewed = _RENEW.run(self._client, keys, arguments)
        for live, had in zip(lives, renewed, strict=True):
            if not had and self._live.get(live.pid) is live:
                self._write(live)


def _encode(kept: Kept) -> bytes:
    position = kept.position
    return msgspec.json.encode(
        _Record(1, kept.user_id, kept.sid, position.epoch, position.offset, dict(kept.channels))
    )
