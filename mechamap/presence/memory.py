"""A roster inside one process. Enough for one worker; a command line, being another process, sees nothing."""

import threading
from collections.abc import Callable, Collection, Sequence

from mechamap.domain.connection_limit import Standing

from .protocol import MOST_ANSWERED, ConnectionRecord, Live, WorkerRecord

MOST_QUESTIONS = 100
"""Whose answers are kept; the oldest go."""


class MemoryRoster:
    """``Roster``, ``Census`` and ``RosterLink``: a dictionary. No lease: the process that holds it is the
    worker."""

    def __init__(self, worker_id: str) -> None:
        self.worker_id = worker_id
        self._describe: Callable[[], WorkerRecord] | None = None
        self._live: dict[str, Live] = {}
        self._answers: dict[str, list[Standing]] = {}
        self._lock = threading.Lock()

    def record(self, connection: Live) -> None:
        with self._lock:
            self._live[connection.sid] = connection

    def forget(self, sid: str) -> None:
        with self._lock:
            self._live.pop(sid, None)

    def connections(
        self, *, user_id: int | None = None, sid: str | None = None, limit: int = 1000
    ) -> list[ConnectionRecord]:
        with self._lock:
            found = [
                live
                for live in self._live.values()
                if (user_id is None or live.user_id == user_id) and (sid is None or live.sid == sid)
            ]
        found.sort(key=lambda live: live.connected_at, reverse=True)
        return [live.record() for live in found[: max(0, limit)]]

    def counts(self, user_ids: Collection[int]) -> dict[int, int]:
        found = dict.fromkeys(user_ids, 0)
        with self._lock:
            for live in self._live.values():
                if live.user_id in found:
                    found[live.user_id] += 1
        return found

    def answer(self, question: str, standings: Sequence[Standing]) -> None:
        with self._lock:
            self._answers.pop(question, None)
            while len(self._answers) >= MOST_QUESTIONS:
                del self._answers[next(iter(self._answers))]
            self._answers[question] = list(standings[:MOST_ANSWERED])

    def answers(self, question: str) -> list[Standing]:
        with self._lock:
            return list(self._answers.get(question, ()))

    def totals(self) -> tuple[int, int]:
        with self._lock:
            return len(self._live), len({live.user_id for live in self._live.values()})

    def workers(self) -> list[WorkerRecord]:
        return [self._describe()] if self._describe is not None else []

    def start(self, describe: Callable[[], WorkerRecord]) -> None:
        self._describe = describe

    def stop(self) -> None:
        self._describe = None
        with self._lock:
            self._live.clear()
