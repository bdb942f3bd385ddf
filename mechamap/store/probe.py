"""Whether a database answers, for readiness: asked at most twice a second, answered within a second."""

from mechamap.store.refreshed import Refreshed
from mechamap.store.source import Source


class Probe:
    """``available`` never raises and never waits longer than a second, however dead the database is."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._answered: Refreshed[bool] = Refreshed(self._ping, seconds=0.5, patience=1.0)

    def available(self) -> tuple[bool, str]:
        """(does it answer, one sentence)."""
        if self._answered.read().fresh:
            return True, f"The {self._source.name} database answers."
        return False, f"The {self._source.name} database does not answer."

    def _ping(self) -> bool:
        self._source.ping()
        return True
