"""The roster of several workers in Redis: each writes its own tables, whoever asks reads all."""

import heapq
import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import chain

import redis

from ..broker.connection import Script, command_client, translated
from ..broker.lease import LEASE, RENEW, Kind, LeasedTables, Row
from ..broker.supervision import join, log_lost, supervised
from ..broker.topology import PREFIX
from ..domain.connection_limit import Standing
from . import records
from .census import RedisCensus
from .entries import ORDER, RECORDS, USERS, Entries
from .protocol import ConnectionRecord, Live, WorkerRecord

log = logging.getLogger(__name__)

BATCH = 0.1
"""Seconds in which changes gather before they are written together."""
RETRY = 0.25
PAGE = 500
ABOUT, ITSELF = "about", "worker"
"""The table with the worker's own description, and the one field in it."""

# KEYS: tables of connections, then as many of users. Answers connections, distinct users. A user on two
# workers counts once, so with several workers the ids are united: about 6 ms for 10,000 users on two workers.
_TOTALS = Script("""
local half = #KEYS / 2
local connections = 0
for i = 1, half do connections = connections + redis.call('HLEN', KEYS[i]) end
if half == 1 then return {connections, redis.call('HLEN', KEYS[2])} end
local seen, users = {}, 0
for i = half + 1, #KEYS do
  for _, user in ipairs(redis.call('HKEYS', KEYS[i])) do
    if not seen[user] then
      seen[user] = true
      users = users + 1
    end
  end
end
return {connections, users}
""")


class RedisRoster:
    """``Roster``, ``Census`` and ``RosterLink``. ``on_lost`` as for the broker: the writing thread ended by
    an error."""

    def __init__(
        self,
        url: str,
        worker_id: str,
        *,
        prefix: str = PREFIX,
        lease: float = LEASE,
        on_lost: Callable[[str], None] = log_lost,
    ) -> None:
        self.worker_id = worker_id
        self._on_lost = on_lost
        self._client = command_client(url)
        self._tables = LeasedTables(
            self._client,
            f"{prefix}:roster",
            worker_id,
            {RECORDS: Kind.HASH, USERS: Kind.HASH, ORDER: Kind.SORTED, ABOUT: Kind.HASH},
            lease,
        )
        self._census = RedisCensus(self._client, self._tables, f"{prefix}:roster:survey")
        self._entries = Entries()
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._about: str | None = None

    def record(self, connection: Live) -> None:
        self._entries.put(connection)
        self._wake()

    def forget(self, sid: str) -> None:
        self._entries.remove(sid)
        self._wake()

    def connections(
        self, *, user_id: int | None = None, sid: str | None = None, limit: int = 1000
    ) -> list[ConnectionRecord]:
        if limit <= 0:
            return []
        with translated("connections cannot be listed"):
            workers = self._tables.live()
            if sid is not None:
                found = records.connections(self._field(RECORDS, workers, sid))
            elif user_id is not None:
                found = self._of_user(workers, user_id)
            else:
                found = self._newest(workers, limit)
        found = [record for record in found if user_id is None or record.user_id == user_id]
        return heapq.nlargest(limit, found, key=lambda record: record.connected_at)

    def counts(self, user_ids: Collection[int]) -> dict[int, int]:
        return self._census.counts(user_ids)

    def answer(self, question: str, standings: Sequence[Standing]) -> None:
        self._census.answer(question, standings)

    def answers(self, question: str) -> list[Standing]:
        return self._census.answers(question)

    def totals(self) -> tuple[int, int]:
        with translated("connections cannot be counted"):
            workers = self._tables.live()
            if not workers:
                return 0, 0
            keys = [self._tables.key(table, worker) for table in (RECORDS, USERS) for worker in workers]
            connections, users = _TOTALS.run(self._client, keys, [])
        return connections, users

    def workers(self) -> list[WorkerRecord]:
        with translated("workers cannot be listed"):
            found = records.workers(self._field(ABOUT, self._tables.live(), ITSELF))
        return sorted(found, key=lambda worker: (worker.slot, worker.started_at))

    def start(self, describe: Callable[[], WorkerRecord]) -> None:
        if self._thread is not None:
            raise RuntimeError("the roster was started before")
        self._thread = supervised("roster-writer", lambda: self._run(describe), self._on_lost)

    def stop(self) -> None:
        self._stopping.set()
        self._wake()
        if self._thread is not None:
            join(self._thread, 2.0)
            try:
                self._tables.release()
            except redis.RedisError as err:
                log.info("roster_lease_not_released", extra={"error": type(err).__name__})
        self._client.close()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _run(self, describe: Callable[[], WorkerRecord]) -> None:
        """Keep the tables up to date and the lease alive until ``stop``."""
        everything, renew_at = True, 0.0
        while not self._stopping.is_set():
            due = everything or time.monotonic() >= renew_at
            if due:
                self._describe(describe)
            if not self._write(everything=everything, about=due):
                everything = True
                self._stopping.wait(RETRY)
                continue
            everything = False
            if due:
                renew_at = time.monotonic() + self._tables.lease * RENEW
            with self._changed:
                self._changed.wait_for(self._has_work, max(0.0, renew_at - time.monotonic()))
            self._stopping.wait(BATCH)

    def _has_work(self) -> bool:
        return self._entries.stale or self._stopping.is_set()

    def _describe(self, describe: Callable[[], WorkerRecord]) -> None:
        try:
            self._about = records.encode(describe())
        except Exception:  # the description is for people; the lease must not end for want of it
            log.exception("worker_not_described", extra={"worker": self.worker_id})

    def _write(self, *, everything: bool, about: bool) -> bool:
        """One round; False if Redis is not up to date after it and everything must be written again."""
        rows, sizes = self._entries.take(everything=everything)
        itself: list[Row] = [(ABOUT, ITSELF, self._about)] if about and self._about is not None else []
        try:
            written = self._tables.commit(chain(itself, rows), fresh=everything)
        except redis.RedisError as err:
            log.log(
                logging.DEBUG if everything else logging.WARNING,
                "roster_not_written",
                extra={"error": type(err).__name__},
            )
            return False
        return written == (*sizes, int(self._about is not None))

    def _field(self, table: str, workers: list[str], field: str) -> list[bytes | None]:
        """One field of that table of each worker."""
        with self._client.pipeline(transaction=False) as together:
            for worker in workers:
                together.hget(self._tables.key(table, worker), field)
            return together.execute()

    def _of_user(self, workers: list[str], user_id: int) -> list[ConnectionRecord]:
        joined = self._field(USERS, workers, str(user_id))
        wanted = {
            worker: sids.decode(errors="replace").split()
            for worker, sids in zip(workers, joined, strict=True)
            if sids
        }
        return self._entries_of(wanted)

    def _newest(self, workers: list[str], limit: int) -> list[ConnectionRecord]:
        """The newest by the small tables of times, so that reading does not grow with all connections."""
        with self._client.pipeline(transaction=False) as together:
            for worker in workers:
                together.zrevrange(self._tables.key(ORDER, worker), 0, limit - 1, withscores=True)
            times = together.execute()
        every = (
            (connected_at, worker, sid)
            for worker, some in zip(workers, times, strict=True)
            for sid, connected_at in some
        )
        wanted: dict[str, list[bytes]] = {}
        for _, worker, sid in heapq.nlargest(limit, every):
            wanted.setdefault(worker, []).append(sid)
        return self._entries_of(wanted)

    def _entries_of(self, wanted: Mapping[str, Sequence[str | bytes]]) -> list[ConnectionRecord]:
        """The entries of those sessions of each worker, a page at a time."""
        rows: list[bytes | None] = []
        for worker, sids in wanted.items():
            for start in range(0, len(sids), PAGE):
                rows += self._client.hmget(self._tables.key(RECORDS, worker), sids[start : start + PAGE])
        return records.connections(rows)
