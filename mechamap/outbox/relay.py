"""From Laravel's outbox to the broker: by one worker for all of them, in the order of commits.

The leader looks at everything that is committed and waits, publishes it by id in series, and only then looks
again: what is seen in a later look was committed later, so no row overtakes one that was committed before the
look. No place in the table is remembered, so a transaction that commits late is found like any other and a
gap in the ids (a transaction rolled back) delays nobody.
"""

import logging
import random
import threading
import time
from collections.abc import Callable

from ..broker.leadership import Leadership
from ..broker.supervision import join, supervised
from ..domain.errors import RealtimeError
from .backlog import Backlog
from .pace import Delays, Pace
from .protocol import OutboxState

log = logging.getLogger(__name__)

TAKE_EVERY = 1.0
"""Seconds between renewals: three may fail before the lease ends."""
FIRST_TRY = 0.5
"""Seconds between attempts to lead."""
DRAIN = 4.0
"""Seconds a worker that stops may take to finish its series."""


class Relay:
    """``on_lost`` is told if the relay's thread ends by an error it should not have."""

    def __init__(
        self, backlog: Backlog, leadership: Leadership, pace: Pace, on_lost: Callable[[str], None]
    ) -> None:
        self._backlog = backlog
        self._leadership = leadership
        self._on_lost = on_lost
        self._delays = Delays(pace)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._leading = False
        self._failure: str | None = None
        self._renewed = float("-inf")

    def start(self) -> None:
        """Compete for the lead, and publish whenever it is won."""
        self._thread = supervised("outbox", self._run, self._on_lost)

    def stop(self) -> None:
        """Finish the series under way, and let another worker lead."""
        self._stopping.set()
        if self._thread is not None:
            join(self._thread, DRAIN)

    def state(self) -> OutboxState:
        failure, oldest_at = self._failure, self._backlog.oldest_at
        if self._thread is None or not self._thread.is_alive():
            ok, detail = False, "The relay of the outbox does not run in this worker."
        elif failure is not None:
            ok, detail = False, failure
        elif self._leading:
            ok, detail = True, "This worker publishes the outbox."
        else:
            ok, detail = True, "Another worker publishes the outbox, or is about to."
        lag = 0.0 if oldest_at is None else time.monotonic() - oldest_at
        return OutboxState(ok, detail, self._leading, lag, self._backlog.dead)

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self._leadership.take():
                self._lead()
            else:
                self._stand_by()
            # Half of it is chance, so that workers do not ask in step.
            self._stopping.wait(FIRST_TRY * random.uniform(0.5, 1.0))

    def _lead(self) -> None:
        """Publish until the lease is lost, or ``stop``."""
        log.info("outbox_leading")
        self._leading, self._failure = True, None
        self._renewed = time.monotonic()
        try:
            while self._goes_on():
                try:
                    worked = self._step()
                except RealtimeError as err:
                    self._failed(err)
                    self._pause(self._delays.failed())
                    continue
                self._failure = None
                delay = self._delays.found() if worked else self._delays.empty()
                if not self._backlog:
                    self._pause(delay)
        finally:
            self._leading = False
            self._backlog.leave()
            self._leadership.release()
            log.info("outbox_left", extra={"why": self._failure or "the lead was given up"})

    def _stand_by(self) -> None:
        """Another leads; or nobody can tell who, and the table goes on to say since when rows wait."""
        self._backlog.settle_if_possible()
        if self._leadership.known:
            self._failure = self._backlog.oldest_at = None
            return
        self._failure = "Redis cannot say who publishes the outbox."
        self._backlog.watch_age()

    def _goes_on(self) -> bool:
        """Whether to lead on; renews the lease when that is due."""
        if self._stopping.is_set() or not self._leadership.held:
            return False
        if time.monotonic() - self._renewed >= TAKE_EVERY:
            self._renewed = time.monotonic()
            return self._leadership.take()
        return True

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while self._goes_on() and (left := end - time.monotonic()) > 0:
            self._stopping.wait(min(left, TAKE_EVERY))

    def _failed(self, err: RealtimeError) -> None:
        if err.message != self._failure:
            self._failure = err.message
            log.warning("outbox_waits", extra={"code": err.code, "why": err.message})

    def _step(self) -> bool:
        """One look, if what was seen in the last one is done, and one series; whether there was anything.

        Raises:
            RealtimeError: the database or the broker is away. Nothing is lost by trying again.
        """
        self._backlog.settle()
        if not self._backlog:
            self._backlog.look()
        if not self._backlog or not self._goes_on():
            return False
        self._backlog.pass_on(lambda: self._leadership.held)
        return True
