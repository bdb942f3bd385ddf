"""This worker's part of the roster: its live connections, and which rows in Redis are out of date."""

import threading
from collections.abc import Iterator, Mapping

from ..broker.lease import Row
from .protocol import ConnectionRecord
from .records import encode

RECORDS, USERS, ORDER = "records", "users", "order"
"""Tables: session id → entry; user id → session ids, joined by spaces; session id → when it connected."""


class Entries:
    """Books that never wait: callers change them, the writer takes what changed. All state, no history:
    however often an entry changed, only its last form is written."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._live: dict[str, ConnectionRecord] = {}
        self._of_user: dict[int, dict[str, None]] = {}
        self._stale_sids: set[str] = set()
        self._stale_users: set[int] = set()

    @property
    def stale(self) -> bool:
        """Whether Redis is behind."""
        return bool(self._stale_sids)

    def put(self, record: ConnectionRecord) -> None:
        """Add or replace."""
        with self._lock:
            self._remove(record.sid)
            self._live[record.sid] = record
            self._of_user.setdefault(record.user_id, {})[record.sid] = None
            self._stale_sids.add(record.sid)
            self._stale_users.add(record.user_id)

    def remove(self, sid: str) -> None:
        """Remove if there."""
        with self._lock:
            self._remove(sid)

    def take(self, *, everything: bool) -> tuple[Iterator[Row], tuple[int, int, int]]:
        """Rows that bring Redis up to date, and the sizes its tables have afterwards.

        The rows are made as they are sent: tens of thousands at once would hold up everything else for long.
        """
        with self._lock:
            sids = list(self._live) if everything else list(self._stale_sids)
            users = list(self._of_user) if everything else list(self._stale_users)
            self._stale_sids.clear()
            self._stale_users.clear()
            live = {sid: self._live.get(sid) for sid in sids}
            of_user = {user: " ".join(self._of_user.get(user, ())) or None for user in users}
            sizes = len(self._live), len(self._of_user), len(self._live)
        return _rows(live, of_user), sizes

    def _remove(self, sid: str) -> None:
        record = self._live.pop(sid, None)
        if record is None:
            return
        sids = self._of_user[record.user_id]
        del sids[sid]
        if not sids:
            del self._of_user[record.user_id]
        self._stale_sids.add(sid)
        self._stale_users.add(record.user_id)


def _rows(live: Mapping[str, ConnectionRecord | None], of_user: Mapping[int, str | None]) -> Iterator[Row]:
    for user, sids in of_user.items():
        yield USERS, str(user), sids
    for sid, record in live.items():
        yield RECORDS, sid, encode(record) if record is not None else None
        yield ORDER, sid, repr(record.connected_at) if record is not None else None
