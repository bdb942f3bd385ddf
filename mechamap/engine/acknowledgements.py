"""Acknowledgements: the callbacks that wait for one client's answers, bounded.

python-socketio 5.18.1 keeps a callback for ever when its client never answers; here the oldest gives way.
"""

import itertools
from collections.abc import Callable

MAX_CALLBACKS = 1_000  # unanswered, per member


class Acknowledgements:
    """Callbacks by the id that travels with the event."""

    __slots__ = ("_callbacks", "_ids")

    def __init__(self) -> None:
        self._callbacks: dict[int, Callable] = {}
        self._ids = itertools.count(1)

    def expect(self, callback: Callable) -> int:
        """Keep the callback; the id to send."""
        if len(self._callbacks) >= MAX_CALLBACKS:
            del self._callbacks[next(iter(self._callbacks))]
        id = next(self._ids)
        self._callbacks[id] = callback
        return id

    def take(self, id: int) -> Callable | None:
        """The callback that waits for this answer; it is forgotten here."""
        return self._callbacks.pop(id, None)
