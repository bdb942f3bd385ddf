"""What sends the queue of one receiver: batch after batch, each until it is taken or given up.

The next batch waits for the one before it, so the events of a channel arrive in their order. A receiver that
does not take them is tried less and less often; what is older than five minutes when it still does not is put
aside as a dead letter, and a batch that is refused alone holds up the others no longer than that.
"""

import logging
import random
from collections.abc import Callable

from .delivery import Outcome
from .protocol import Batch, DeadLetters, Letter, Queues, WebhookMeter

log = logging.getLogger(__name__)

GIVE_UP = 300.0
"""Seconds of trying, as with Pusher."""
IDLE = 0.5
"""Seconds between looks at an empty queue: what happens meanwhile is one batch."""
FIRST_RETRY, LAST_RETRY = 0.5, 30.0
LONGEST_WISH = 120.0
"""Seconds for which a receiver may ask to be left alone."""
HURRIED = 0.5
"""Seconds between attempts with batches that are too old already."""

PAUSED = "webhook_paused"
"""What comes of an attempt that was not made, because Laravel did not answer the last ones."""


class Sender:
    """For one receiver, called ``name``; ``send`` makes one attempt."""

    def __init__(
        self,
        name: str,
        send: Callable[[tuple[bytes, ...], str], Outcome],
        queues: Queues,
        letters: DeadLetters,
        meter: WebhookMeter,
        *,
        url: str,
        give_up: float = GIVE_UP,
    ) -> None:
        self.name = name
        self._send = send
        self._queues = queues
        self._letters = letters
        self._meter = meter
        self._url = url
        self._give_up = give_up
        self._failure: str | None = None

    def step(self) -> float:
        """Try the next batch once, if there is one; seconds until the next step.

        Raises:
            Unavailable: of the queues or the table of dead letters. Nothing is lost by trying again.
        """
        batch = self._queues.take(self.name)
        if batch is None:
            return IDLE
        outcome = self._send(batch.events, batch.id)
        asked = outcome.code != PAUSED
        if asked:
            self._meter.webhook_attempt(outcome.code)
            self._told(outcome)
        if outcome.ok:
            self._queues.done(self.name, batch.id, delivered=True)
            self._meter.webhook_events("delivered", len(batch.events))
            return 0.0
        if asked:
            self._queues.failed(self.name, batch.id, outcome.code)
        if batch.age < self._give_up or batch.failing < self._give_up:
            return self._pause(batch, outcome)
        self._bury(batch, outcome)
        return HURRIED if asked else 0.0  # where Laravel is left alone, the next one is not sent either

    def _pause(self, batch: Batch, outcome: Outcome) -> float:
        doubled = min(LAST_RETRY, FIRST_RETRY * 2 ** min(batch.attempts, 10)) * random.uniform(0.5, 1.0)
        return max(doubled, min(LONGEST_WISH, outcome.retry_after))

    def _bury(self, batch: Batch, outcome: Outcome) -> None:
        attempts, code = batch.attempts + (outcome.code != PAUSED), self._failure or outcome.code
        self._letters.keep(Letter(batch.id, self._url, batch.events, code, attempts))
        self._queues.done(self.name, batch.id, delivered=False)
        self._meter.webhook_events("dead", len(batch.events))
        log.warning(
            "webhook_given_up",
            extra={"batch": batch.id, "events": len(batch.events), "code": code, "tries": attempts},
        )

    def _told(self, outcome: Outcome) -> None:
        """Once when it begins, once when it changes, once when it is over."""
        code = None if outcome.ok else outcome.code
        if code == self._failure:
            return
        self._failure = code
        if outcome.ok:
            log.info("webhooks_taken_again", extra={"receiver": self.name})
        else:
            log.warning(
                "webhooks_not_taken",
                extra={"receiver": self.name, "code": code, "why": outcome.detail},
            )
