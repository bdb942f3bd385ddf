"""Whether Laravel may be asked now: it is left alone while it is down, or for as long as it wants to be."""

import random

from mechamap.store.breaker import Breaker, CircuitOpen, State

TOLERATED = 3
"""Questions in a row without an answer after which Laravel is left alone: one slow route is no outage."""
SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds that a Laravel which is down is not asked; twice as long after each vain trial."""


class Paused(Exception):
    """Not asked. ``retry_after`` is seconds, not the same for all: those who are told so together would come
    back together."""

    def __init__(self, seconds: float) -> None:
        super().__init__("left alone")
        self.retry_after = seconds * random.uniform(1, 2)


class Patience:
    """A circuit breaker that waits longer each time, for one address of Laravel. Each caller that ``admit``
    lets pass ends with one of ``answered``, ``failed``, ``asked_to_wait`` and ``abandoned``."""

    def __init__(self) -> None:
        self._breaker = Breaker()
        self._vain = self._pauses = 0

    @property
    def state(self) -> State:
        """CLOSED: asked as usual."""
        return self._breaker.state

    def check(self) -> None:
        """Raise Paused if nobody may ask; takes no turn."""
        if self._breaker.state is State.OPEN:
            raise Paused(SHORTEST_PAUSE)

    def admit(self) -> None:
        """Let the caller ask.

        Raises:
            Paused
        """
        try:
            self._breaker.admit()
        except CircuitOpen as err:
            raise Paused(err.retry_after) from None

    def answered(self) -> None:
        """Laravel is there."""
        self._vain = self._pauses = 0
        self._breaker.succeeded()

    def failed(self) -> None:
        """It did not answer, or somebody said in its stead that it is down."""
        if self._breaker.state is State.OPEN:
            return  # others said so already
        self._vain += 1
        if self._vain < TOLERATED:
            self._breaker.abandoned()
            return
        pause = min(LONGEST_PAUSE, SHORTEST_PAUSE * 2**self._pauses)
        self._pauses = min(self._pauses + 1, 10)
        self._breaker.failed(pause * random.uniform(0.75, 1.25))

    def asked_to_wait(self, seconds: float) -> None:
        """It wants to be left alone for so long."""
        self._breaker.failed(seconds)

    def abandoned(self) -> None:
        """The caller learned nothing."""
        self._breaker.abandoned()
