"""Who types where, within one process. Enough for one worker."""

import time
from collections.abc import Callable


class MemoryTypists:
    """``Typists``."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """``seconds``: how long a page's word holds that is neither repeated nor taken back."""
        self._seconds = seconds
        self._clock = clock
        self._pages: dict[tuple[str, int], dict[str, float]] = {}

    def began(self, place: str, user_id: int, page: str) -> None:
        self._pages.setdefault((place, user_id), {})[page] = self._clock() + self._seconds

    def ended(self, place: str, user_id: int, page: str) -> bool:
        now = self._clock()
        pages = self._pages.pop((place, user_id), {})
        rest = {other: until for other, until in pages.items() if other != page and until > now}
        if rest:
            self._pages[place, user_id] = rest
        return not rest
