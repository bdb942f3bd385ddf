"""Closing connections and watching them go: the count before, the order, and what is really left of them."""

import time
from collections.abc import Callable

from mechamap.domain.channels import parse_channel_of_site
from mechamap.domain.commands import Command
from mechamap.domain.errors import InvalidChannel
from mechamap.hub.operations import Operations
from mechamap.presence.protocol import ConnectionRecord

WATCHED = 10_000
"""Connections watched one by one, the most that a listing holds; of more, the rest are counted only."""
PATIENCE = 3.0
"""Seconds: an order reaches every worker in milliseconds, the roster shows a change within half a second."""
INTERVAL = 0.2


class Closing:
    """One order to close connections, made before it is given: a person is told first how many it names."""

    def __init__(
        self,
        operations: Operations,
        order: Command,
        *,
        patience: float = PATIENCE,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._operations = operations
        self._order = order
        self._sleep = sleep
        self._clock = clock
        self.patience = patience
        self._sids = {record.sid for record in self._candidates() if named_by(order, record)}
        self.named = len(self._sids)
        if order.everyone:
            self.named = max(self.named, operations.totals().connections)

    def order(self) -> None:
        """Give the order; connections made since the count are closed as well."""
        self._operations.kick(self._order)

    def wait(self) -> int:
        """How many of the named are still open, once none is or patience has ended.

        A page that connected again meanwhile has another id and does not count.
        """
        deadline = self._clock() + self.patience
        while True:
            left = self._left()
            if not left or self._clock() >= deadline:
                return left
            self._sleep(INTERVAL)

    def _left(self) -> int:
        return len(self._sids & {record.sid for record in self._candidates()})

    def _candidates(self) -> list[ConnectionRecord]:
        return self._operations.clients(user_id=self._order.user_id, sid=self._order.sid, limit=WATCHED)


def named_by(order: Command, record: ConnectionRecord) -> bool:
    """Whether the order means this connection."""
    if order.everyone:
        return True
    if order.channel is not None:
        return any(_canonical(name) == order.channel for name in record.channels)
    return order.sid in (None, record.sid) and order.user_id in (None, record.user_id)


def _canonical(name: str) -> str | None:
    """Canonical form of a name out of the roster, which another version may have written."""
    try:
        return parse_channel_of_site(name).canonical
    except InvalidChannel:
        return None
