"""Answers remembered for seconds, and one question at a time for each key."""

import time
from collections.abc import Callable
from copy import copy
from typing import Generic, TypeVar

import gevent
from gevent.event import Event

V = TypeVar("V")

MOST = 10_000
"""Answers kept; the least recently stored go first."""


class _Question(Generic[V]):
    """One that is being asked, and whoever waits for it."""

    __slots__ = ("answered", "error", "value")

    def __init__(self) -> None:
        self.answered = Event()
        self.error: Exception | None = None
        self.value: V | None = None


class Remembered(Generic[V]):
    """For the greenlets of one worker: nothing here yields but asking and waiting.

    A question runs in a greenlet of its own, so a client that leaves takes no other's answer with it.
    """

    def __init__(self, most: int = MOST, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._kept: dict[bytes, tuple[V, float]] = {}  # the oldest first
        self._asked: dict[bytes, _Question[V]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: bytes, ask: Callable[[], tuple[V, float]]) -> V:
        """The answer: remembered, or that of a question under way, or of ``ask``, which also says for how
        many seconds it may be remembered.

        Raises:
            Exception: what ``ask`` raised, which is never remembered.
        """
        kept = self._kept.get(key)
        if kept is not None and self._clock() < kept[1]:
            return kept[0]
        question = self._asked.get(key)
        if question is None:
            question = self._asked[key] = _Question()
            gevent.spawn(self._ask, key, question, ask)
        question.answered.wait()
        if question.error is not None:
            # one exception raised in many greenlets would grow a traceback of all of them
            raise copy(question.error) from question.error
        return question.value  # type: ignore[return-value]

    def _ask(self, key: bytes, question: _Question[V], ask: Callable[[], tuple[V, float]]) -> None:
        try:
            question.value, seconds = ask()
            self._keep(key, question.value, seconds)
        except Exception as err:
            question.error = err
        finally:
            del self._asked[key]
            question.answered.set()

    def _keep(self, key: bytes, value: V, seconds: float) -> None:
        if seconds <= 0:
            return
        self._kept.pop(key, None)
        self._kept[key] = (value, self._clock() + seconds)
        while len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]
