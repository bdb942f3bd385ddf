"""Whom operators keep out, asked at each sign-in; and how a block is given and taken back."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from mechamap.domain.commands import Action, Command
from mechamap.domain.errors import DirectoryUnavailable, InvalidField, NotFound, UserBlocked
from mechamap.domain.moments import iso
from mechamap.store.blocks import BlockRecord, Blocks
from mechamap.store.refreshed import Refreshed

REFRESH_SECONDS = 2.0
"""How old the list may be. A block is a command as well, so it acts at once where workers hear each other."""
PATIENCE = 0.5
LONGEST = 366 * 86_400
"""Seconds of a block: who is to stay out for good is banned in Laravel."""


class Blocklist:
    """While our database is away, the list last read counts; without any nobody enters."""

    def __init__(self, blocks: Blocks, clock: Callable[[], float] = time.time) -> None:
        self._blocks = blocks
        self._clock = clock
        self._ends: Refreshed[dict[int, float]] = Refreshed(self._load, REFRESH_SECONDS, PATIENCE)

    def check(self, user_id: int) -> None:
        """
        Raises:
            UserBlocked
            DirectoryUnavailable: it cannot be told.
        """
        ends = self._ends.read().value
        if ends is None:
            raise DirectoryUnavailable("Blocked users cannot be looked up now.")
        until = ends.get(user_id, 0.0)
        if self._clock() < until:
            raise UserBlocked(until)

    def ends(self) -> Mapping[int, float]:
        """Until when (Unix seconds) which users are kept out, as far as is known. Never raises."""
        return self._ends.read().value or {}

    def forget(self) -> None:
        """The list was changed: read it again for whoever comes next."""
        self._ends.expire()

    def block(
        self, user_id: int, seconds: float, reason: str, by: str, give: Callable[[Command], int]
    ) -> tuple[BlockRecord, int]:
        """Keep the user out from now on, and close what is open (``give`` orders it); how many that were.

        Raises:
            InvalidField: the time; or too many are blocked.
            Unavailable: nothing was changed; or, from ``give``, live connections stay for now.
        """
        if not 1 <= seconds <= LONGEST:
            raise InvalidField("minutes", f"A block lasts from one second to {LONGEST // 86_400} days.")
        until = datetime.fromtimestamp(int(self._clock() + seconds), UTC)
        record = self._blocks.block(user_id, until, reason, by)
        self.forget()
        ends = until.timestamp()
        sentence = f"{reason.rstrip('.')}. You may connect again after {iso(ends)}."
        order = Command(Action.BLOCK, user_id=user_id, until=ends, code=UserBlocked.code, reason=sentence)
        return record, give(order)

    def unblock(self, user_id: int, give: Callable[[Command], int]) -> None:
        """Let the user in again.

        Raises:
            NotFound: nothing kept them out.
            Unavailable
        """
        if not self._blocks.unblock(user_id):
            raise NotFound(f"User {user_id} is not blocked.", code="not_blocked")
        self.forget()
        give(Command(Action.UNBLOCK, user_id=user_id))

    def live(self) -> list[BlockRecord]:
        """All blocks that are not over, the newest first.

        Raises:
            Unavailable
        """
        return self._blocks.live()

    def _load(self) -> dict[int, float]:
        return {record.user_id: record.until.timestamp() for record in self._blocks.live()}
