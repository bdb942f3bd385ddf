"""Which publications were accepted under names of their publishers: how long that stands, and how a broker
inside one process remembers it."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from ..domain.errors import Conflict
from ..domain.idempotency import Once
from ..domain.publication import Receipt

REMEMBER = 600.0
"""Seconds for which a name stands, unless told otherwise."""
MOST_REMEMBERED = 100_000
"""Names, about 20 MB in Redis. The oldest are forgotten first, even if their time has not come."""


def contradiction() -> Conflict:
    """A name was used for something else than before."""
    text = "Another publication was accepted under this id or Idempotency-Key."
    return Conflict(text, code="idempotency_conflict")


class Remembered:
    """The names of one process. The caller keeps threads apart."""

    def __init__(
        self,
        seconds: float = REMEMBER,
        most: int = MOST_REMEMBERED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._receipts: OrderedDict[bytes, tuple[float, bytes, Receipt]] = OrderedDict()

    def find(self, once: Once) -> Receipt | None:
        """What was told when this was accepted, if it was; without counts, where its channels may have been
        others.

        Raises:
            Conflict: something else was accepted under the name.
        """
        self._forget()
        at, digest, receipt = self._receipts.get(once.token, (0.0, b"", None))
        if receipt is not None and digest != once.digest:
            raise contradiction()
        if receipt is None or once.seconds is None:
            return receipt
        return replace(receipt, subscribers={}) if self._clock() - at < once.seconds else None

    def keep(self, once: Once, receipt: Receipt) -> None:
        """This was accepted now; ``find`` found nothing."""
        self._receipts[once.token] = (self._clock(), once.digest, receipt)
        self._receipts.move_to_end(once.token)
        self._forget()

    def _forget(self) -> None:
        limit = self._clock() - self._seconds
        while self._receipts:
            at, _, _ = next(iter(self._receipts.values()))
            if at > limit and len(self._receipts) <= self._most:
                return
            self._receipts.popitem(last=False)
