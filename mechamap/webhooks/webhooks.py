"""Webhooks in one worker: it competes for the lead; the leader looks at the channels and sends the queues.

Each receiver is sent to by a thread of its own, and none of them waits for another, so a receiver that is
slow or dead holds up nobody but itself.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence

from mechamap.broker.leadership import Leadership
from mechamap.broker.supervision import join, supervised
from mechamap.domain.errors import RealtimeError

from .delivery import Delivery
from .observer import WebhookObserver
from .occupancy import Occupancy
from .protocol import DeadLetters, Queues, Waiting, WebhookMeter, WebhookState
from .sender import GIVE_UP, Sender

log = logging.getLogger(__name__)

LOOK = 1.0
"""Seconds between two looks, and between renewals of the lead."""
SHARE = 0.05
"""Part of a worker's time that looks may take: those at very many channels come less often."""
MEASURE = 5.0
"""Seconds between readings of the queues in workers that do not lead, and of the number of dead letters."""
TROUBLED = 1.0
"""Seconds until the next attempt while Redis or our database is away."""
DRAIN = 2.0
"""Seconds for which a worker that stops waits for the webhook under way; if it is not over by then, whoever
leads next sends it again."""
LEASE, MARGIN = 10.0, 5.0
"""Seconds. The margin is longer than one attempt takes."""


class Webhooks:
    """``occupancy`` is None where nobody wants to know of channels. ``on_lost`` as for the broker."""

    def __init__(
        self,
        deliveries: Sequence[Delivery],
        queues: Queues,
        observer: WebhookObserver,
        occupancy: Occupancy | None,
        letters: DeadLetters,
        leadership: Leadership,
        meter: WebhookMeter,
        on_lost: Callable[[str], None],
        *,
        give_up: float = GIVE_UP,
    ) -> None:
        self.deliveries = tuple(deliveries)
        self.observer = observer
        self._queues = queues
        self._occupancy = occupancy
        self._letters = letters
        self._leadership = leadership
        self._on_lost = on_lost
        self._senders = [
            Sender(each.name, each.send, queues, letters, meter, url=each.url, give_up=give_up)
            for each in self.deliveries
        ]
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._leading = False
        self._failure: str | None = None
        self._unkept: str | None = None
        self._waiting: tuple[Waiting, ...] = ()
        self._dead = 0
        self._look_at = self._measured = float("-inf")

    def start(self) -> None:
        """Compete for the lead, and send whenever it is won."""
        self._threads = [supervised("webhooks", self._run, self._on_lost)]
        for sender in self._senders:
            name = f"webhooks-{sender.name}"
            self._threads.append(supervised(name, lambda sender=sender: self._serve(sender), self._on_lost))

    def stop(self) -> None:
        """Let another worker lead."""
        self._stopping.set()
        end = time.monotonic() + DRAIN
        for thread in self._threads:
            join(thread, max(0.0, end - time.monotonic()))
        self._leadership.release()

    def waiting(self) -> tuple[Waiting, ...]:
        """How it stands with each receiver, read now.

        Raises:
            BrokerUnavailable
        """
        return tuple(self._queues.waiting(each.name) for each in self.deliveries)

    def state(self) -> WebhookState:
        waiting = self._waiting
        count, lag = sum(each.events for each in waiting), max((each.age for each in waiting), default=0.0)
        # what was refused last says nothing of now where nothing waits any more
        failing = next((each for each in waiting if each.events and each.failure is not None), None)
        ok, detail = self._judged(failing)
        if self._dead:
            detail += f" Dead letters: {self._dead}; flask webhooks list shows them."
        return WebhookState(ok, detail, self._leading, count, lag, self._dead)

    def _judged(self, failing: Waiting | None) -> tuple[bool, str]:
        if not self._threads or not all(thread.is_alive() for thread in self._threads):
            return False, "The webhooks do not run in this worker."
        if self._failure is not None:
            return False, self._failure
        if failing is not None:
            waiting = f"{failing.events} events wait, the first for {failing.age:.0f} s"
            return False, f"Laravel does not take webhooks ({failing.failure}): {waiting}."
        if self._unkept is not None:
            return False, self._unkept
        return True, f"{'This' if self._leading else 'Another'} worker sends the webhooks."

    def _run(self) -> None:
        while not self._stopping.is_set():
            leads = self._leadership.take()
            if leads != self._leading:
                log.info("webhooks_leading" if leads else "webhooks_left")
                self._look_at = self._measured = float("-inf")
                if self._occupancy is not None:
                    self._occupancy.begin()
                self._dead, self._unkept = 0, None
            self._leading = leads
            failure = None if self._leadership.known else "Redis cannot say who sends the webhooks."
            try:
                self._round()
            except RealtimeError as err:
                failure = err.message
            except Exception:  # a defect here must not cost the worker its browsers
                log.exception("webhooks_failed")
                failure = "Webhooks failed by a defect of the server; its log says more."
            self._failure = failure
            # a part of it is chance, so that workers do not ask in step
            self._stopping.wait(LOOK * random.uniform(0.8, 1.0))
        self._leading = False

    def _round(self) -> None:
        now = time.monotonic()
        if self._leading and self._occupancy is not None and now >= self._look_at:
            self._occupancy.look()
            took = time.monotonic() - now
            self._look_at = time.monotonic() + took / SHARE - LOOK
        due = now - self._measured >= MEASURE
        if self._leading or due:
            self._waiting = self.waiting()
        if due:
            self._measured = now
            if self._leading:
                self._count_letters()

    def _count_letters(self) -> None:
        try:
            self._dead, self._unkept = self._letters.count(), None
        except RealtimeError as err:
            self._unkept = f"Webhooks that are given up cannot be kept: {err.message}"

    def _serve(self, sender: Sender) -> None:
        """Send whatever waits, for as long as this worker leads."""
        while not self._stopping.is_set():
            pause = LOOK
            if self._leading and self._leadership.held:
                try:
                    pause = sender.step()
                except RealtimeError as err:
                    log.warning("webhooks_wait", extra={"code": err.code, "why": err.message})
                    pause = TROUBLED
                except Exception:  # as above
                    log.exception("webhooks_failed", extra={"receiver": sender.name})
                    pause = TROUBLED
            if pause:
                self._stopping.wait(pause)
