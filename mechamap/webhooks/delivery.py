"""One webhook to one receiver: signed as Pusher's, sent once, and what came of it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from mechamap.domain.errors import RealtimeError
from mechamap.domain.pusher_signature import AppKey, webhook_headers
from mechamap.domain.webhooks import body_of
from mechamap.laravel.client import Bounds, LaravelClient, NoAnswer, Trouble

BOUNDS = Bounds(connect=2.0, total=4.0, at_once=1, waiting=10)
"""Seconds as with Pusher; one at a time keeps the order."""

_TROUBLE = {
    Trouble.UNREACHABLE: "Laravel cannot be reached.",
    Trouble.CERTIFICATE: "Laravel's certificate does not verify.",
    Trouble.TIMEOUT: f"Laravel did not answer within {BOUNDS.total:g} seconds.",
    Trouble.PAUSED: "Laravel does not answer and is left alone for a while.",
    Trouble.BUSY: "Another webhook to Laravel is under way.",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt: a stable code, one sentence, and seconds that the receiver asks for."""

    code: str
    detail: str
    retry_after: float = 0.0

    @property
    def ok(self) -> bool:
        return self.code == "ok"


class Delivery:
    """To one receiver. ``name`` is short and the same on every worker; ``keys`` finds those that may sign,
    newest first, and raises the product's errors.

    While an app's key is being changed Laravel knows the old one or the new one. So a refusal (4xx) makes the
    next attempt use the next key; with one key that changes nothing.
    """

    def __init__(
        self, url: str, keys: Callable[[], Sequence[AppKey]], clock: Callable[[], float] = time.time
    ) -> None:
        self.url = url
        self.name = sha256(url.encode()).hexdigest()[:12]
        self._keys = keys
        self._refusals = 0
        self._clock = clock
        self._client = LaravelClient(url, BOUNDS)

    def send(self, events: Sequence[bytes], batch_id: str) -> Outcome:
        """Once. Never raises the product's errors."""
        try:
            keys = self._keys()
        except RealtimeError as err:
            return Outcome(err.code, f"Nothing can be signed: {err.message}")
        key = keys[self._refusals % len(keys)]
        body = body_of(events, int(self._clock() * 1000))
        try:
            answer = self._client.post(body, {**webhook_headers(key, body), "Webhook-Id": batch_id})
        except NoAnswer as err:
            return Outcome(f"webhook_{err.trouble.value}", _TROUBLE[err.trouble], err.retry_after)
        if 200 <= answer.status < 300:
            return Outcome("ok", f"Laravel answered {answer.status}.")
        if 400 <= answer.status < 500 and answer.status != 429:
            self._refusals += 1
        code = f"webhook_status_{answer.status // 100}xx"
        return Outcome(code, f"Laravel answered {answer.status} instead of 2xx.", answer.retry_after or 0.0)
