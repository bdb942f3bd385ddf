"""Who verifies Sanctum tokens (``SANCTUM_MODE``): the database, Laravel over HTTP, or the one that can.

``auto`` prefers the database, which has no limit of questions and tells more. Whether it can is found out
with every token, so a database that goes is noticed at once, one that comes back within seconds, and a table
that appears within a minute.
"""

import logging
from collections.abc import Callable

from mechamap.domain.errors import DirectoryUnavailable
from mechamap.settings import SanctumMode
from mechamap.store.breaker import State

from .sanctum import Sanctum, VerifiedSanctum
from .sanctum_http import SanctumByLaravel

log = logging.getLogger(__name__)


class SanctumModes:
    """Verifies tokens in the mode that is in use.

    Args:
        by_laravel: None without LARAVEL_API_URL, when ``auto`` is ``db``.
        answers: whether Laravel's database answers, within a second or so, for ``available``.
    """

    def __init__(
        self,
        mode: SanctumMode,
        database: Sanctum,
        by_laravel: SanctumByLaravel | None,
        answers: Callable[[], tuple[bool, str]],
    ) -> None:
        if mode is SanctumMode.HTTP and by_laravel is None:
            raise ValueError("verification by Laravel needs its address")
        self._mode = mode
        self._database = database
        self._by_laravel = by_laravel
        self._answers = answers
        self._in_use: SanctumMode | None = None

    def verify(self, token: str) -> VerifiedSanctum:
        """The token's owner.

        Raises:
            AuthenticationFailed, Unavailable: as the one that verifies it says.
        """
        if self._by_laravel is None or self._mode is SanctumMode.DB:
            return self._database.verify(token)
        if self.in_use() is SanctumMode.DB:
            try:
                return self._database.verify(token)
            except DirectoryUnavailable:  # it answered a moment ago
                self._note(SanctumMode.HTTP)
        return self._by_laravel.verify(token)

    def in_use(self) -> SanctumMode:
        """Who verifies now, as far as is known without waiting for a database that is away."""
        now = self._mode
        if now is SanctumMode.AUTO:
            now = SanctumMode.DB if self._by_laravel is None or self._has_table() else SanctumMode.HTTP
        self._note(now)
        return now

    def available(self) -> tuple[bool, str]:
        """Whether tokens can be verified as was meant, and one sentence that names the mode."""
        answers = self._mode is SanctumMode.HTTP or self._answers()[0]
        if self._by_laravel is None or self._mode is SanctumMode.DB or (answers and self._in_database()):
            away = "" if answers else ", which is away"
            return answers, f"Mode db: tokens are verified in the database{away}."
        laravel = self._by_laravel.client.state is State.CLOSED
        away = "" if laravel else ", which does not answer"
        lacks = "" if answers else " The database is away: channels that need its facts are refused."
        return laravel and answers, f"Mode http: tokens are verified by Laravel{away}.{lacks}"

    def _in_database(self) -> bool:
        return self.in_use() is SanctumMode.DB

    def _has_table(self) -> bool:
        try:
            return self._database.exist()
        except DirectoryUnavailable:
            return False

    def _note(self, mode: SanctumMode) -> None:
        if mode is not self._in_use:
            log.info("sanctum_mode", extra={"mode": mode.value, "asked_for": self._mode.value})
            self._in_use = mode
