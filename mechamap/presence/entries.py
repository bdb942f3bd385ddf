"""This worker's part of the roster: its live connections, and which rows in Redis are out of date."""

import threading
from collections.abc import Iterator, Mapping

from ..broker.lease import Row
from .protocol import Live
from .records import encode

RECORDS, USERS, ORDER = "records", "users", "order"
"""Tables: session id → entry; user id → session ids, joined by spaces; session id → when it connected."""


class Entries:
    """Books that never wait: callers change them, the writer takes what changed. All state, no history:
    however often an entry changed, only its last form is written."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._live: dict[str, Live] = {}
        # most users have one connection, whose id is kept bare
        self._of_user: dict[int, str | dict[str, None]] = {}
        self._stale_sids: set[str] = set()
        self._stale_users: set[int] = set()

    @property
    def stale(self) -> bool:
        """Whether Redis is behind."""
        return bool(self._stale_sids)

    def put(self, live: Live) -> None:
        """Add or replace, or tell that it changed."""
        with self._lock:
            self._remove(live.sid)
            self._live[live.sid] = live
            others = self._of_user.get(live.user_id)
            if others is None:
                self._of_user[live.user_id] = live.sid
            elif isinstance(others, dict):
                others[live.sid] = None
            else:
                self._of_user[live.user_id] = {others: None, live.sid: None}
            self._stale_sids.add(live.sid)
            self._stale_users.add(live.user_id)

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
            of_user = {user: self._joined(user) for user in users}
            sizes = len(self._live), len(self._of_user), len(self._live)
        return _rows(live, of_user), sizes

    def _joined(self, user_id: int) -> str | None:
        sids = self._of_user.get(user_id)
        return " ".join(sids) if isinstance(sids, dict) else sids

    def _remove(self, sid: str) -> None:
        live = self._live.pop(sid, None)
        if live is None:
            return
        sids = self._of_user[live.user_id]
        if isinstance(sids, dict):
            del sids[sid]
        if not isinstance(sids, dict) or not sids:
            del self._of_user[live.user_id]
        self._stale_sids.add(sid)
        self._stale_users.add(live.user_id)


def _rows(live: Mapping[str, Live | None], of_user: Mapping[int, str | None]) -> Iterator[Row]:
    for user, sids in of_user.items():
        yield USERS, str(user), sids
    for sid, connection in live.items():
        yield RECORDS, sid, encode(connection.record()) if connection is not None else None
        yield ORDER, sid, repr(connection.connected_at) if connection is not None else None
