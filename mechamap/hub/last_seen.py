"""Who is connected counts as seen: Laravel's own idea of «online» is made true, a minute at a time."""

import logging
import time
from collections.abc import Callable

from mechamap.domain.errors import DirectoryUnavailable
from mechamap.domain.identity import GUEST_ID
from mechamap.store.protocol import SeenUsers

from .connections import Connections

log = logging.getLogger(__name__)

EVERY = 60.0
"""Seconds between two notes of one user. Laravel shows people as online for fifteen minutes."""
ROUND = 5.0
"""Seconds until a newly connected user is noted."""


class LastSeen:
    """One worker's part: it notes its own users, all that are due together."""

    def __init__(
        self, connections: Connections, users: SeenUsers, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._connections = connections
        self._users = users
        self._clock = clock
        self._noted: dict[int, float] = {}

    def note(self) -> None:
        """Note who is connected and was not noted for a minute. While the database is away nobody is; those
        who still are connected are noted afterwards."""
        now = self._clock()
        here = {connection.user_id for connection in self._connections} - {GUEST_ID}
        self._noted = {user: at for user, at in self._noted.items() if user in here and now - at < EVERY}
        due = here - self._noted.keys()
        if not due:
            return
        try:
            self._users.seen(due, EVERY)
        except DirectoryUnavailable as err:
            log.warning("last_seen_not_written", extra={"code": err.code, "users": len(due)})
            return
        self._noted.update(dict.fromkeys(due, now))
