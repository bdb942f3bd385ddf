"""The subscribers of one worker, channel by channel, and the thread that makes Redis agree with them.

Callers only change the books and wait for a ticket. One thread compares books and Redis and brings Redis
along, with everything that changed since its last round in one go: a thousand simultaneous subscriptions cost
two round trips, and races between subscribing and unsubscribing cannot end wrong, because only the last state
is ever written.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

import redis

from ..domain.errors import BrokerUnavailable
from .lease import RENEW, LeasedTables, Row
from .listener import Listener

log = logging.getLogger(__name__)

TIMEOUT = 2.0
"""Seconds until a subscription that Redis has not confirmed is refused."""
RETRY = 0.1
TABLE = "counts"


@dataclass(slots=True, eq=False)
class _Ticket:
    """One caller's wish to be counted. ``open``: neither granted nor given up."""

    channel: str
    open: bool = True
    granted: bool = False
    answered: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True)
class _Count:
    """Subscribers of one channel: ``held`` are promised, ``asked`` are waiting for the promise."""

    held: int = 0
    asked: int = 0

    @property
    def total(self) -> int:
        return self.held + self.asked


@dataclass(frozen=True, slots=True)
class _Round:
    """What one round has to write: channels with their totals, and how many channels there are then."""

    totals: dict[str, int]
    size: int
    fresh: bool
    tickets: list[_Ticket]


class Subscriptions:
    """``run`` is the thread's body. Who waits is counted at once, and taken back on giving up."""

    def __init__(
        self,
        listener: Listener,
        tables: LeasedTables,
        prefix: str,
        on_change: Callable[[Collection[str], Collection[str]], None],
    ) -> None:
        """``prefix`` begins the names of pub/sub channels. ``on_change`` is told, once Redis confirmed it and
        before anybody is promised anything, which channels are newly followed and which no longer are; it may
        raise redis-py's errors."""
        self._listener = listener
        self._tables = tables
        self._prefix = prefix
        self._on_change = on_change
        self._followed: set[str] = set()
        self._books: dict[str, _Count] = {}
        self._changed = threading.Condition()
        self._dirty: set[str] = set()
        self._tickets: list[_Ticket] = []
        self._fresh = False
        self._stopping = False
        self._renewed = time.monotonic()

    def name(self, channel: str) -> str:
        """The pub/sub channel in Redis that carries this canonical channel."""
        return f"{self._prefix}{channel}"

    @property
    def leased(self) -> bool:
        """Whether the lease was renewed recently enough to hold."""
        return time.monotonic() - self._renewed < self._tables.lease

    def add(self, channel: str) -> None:
        """One subscriber more; returns when Redis agrees.

        Raises:
            BrokerUnavailable: it did not in time; the subscriber is not counted.
        """
        ticket = _Ticket(channel)
        with self._changed:
            if self._stopping:
                raise BrokerUnavailable("The broker has stopped: the subscription was refused.")
            self._books.setdefault(channel, _Count()).asked += 1
            self._dirty.add(channel)
            self._tickets.append(ticket)
            self._changed.notify_all()
        try:
            ticket.answered.wait(TIMEOUT)
        except BaseException:  # gevent ends a greenlet by raising in it: its subscriber goes too
            if self._give_up(ticket):
                self.remove(channel)
            raise
        if not self._give_up(ticket):
            raise BrokerUnavailable("Redis did not confirm the subscription in time: nobody was subscribed.")

    def remove(self, channel: str) -> None:
        """One subscriber less, if there is one."""
        with self._changed:
            count = self._books.get(channel)
            if count is not None and count.held:
                count.held -= 1
                self._change(channel, count)

    def restore(self) -> None:
        """Redis may have lost everything: write all of it in the next round."""
        with self._changed:
            self._fresh = True
            self._changed.notify_all()

    def stop(self) -> None:
        """End ``run`` soon; whoever waits is refused, now and later."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def run(self) -> None:
        """Keep Redis in agreement until ``stop``."""
        self._renewed = time.monotonic()
        while (work := self._take()) is not None:
            agreed = self._agree(work)
            with self._changed:
                if agreed:
                    self._grant(work.tickets)
                    continue
                self._fresh = True
                self._dirty |= work.totals.keys()
                self._tickets = [ticket for ticket in work.tickets if ticket.open] + self._tickets
                self._changed.wait_for(lambda: self._stopping, RETRY)

    def _take(self) -> _Round | None:
        """Wait for something to do, or for the lease to need renewal; None at the end."""
        with self._changed:
            pause = self._renewed + self._tables.lease * RENEW - time.monotonic()
            self._changed.wait_for(lambda: self._stopping or self._fresh or self._dirty, max(0.0, pause))
            if self._stopping:
                for ticket in self._tickets:
                    ticket.answered.set()
                return None
            channels = self._books.keys() | self._dirty if self._fresh else self._dirty
            totals = {channel: self._total(channel) for channel in channels}
            work = _Round(totals, len(self._books), self._fresh, self._tickets)
            self._fresh, self._dirty, self._tickets = False, set(), []
            return work

    def _agree(self, work: _Round) -> bool:
        """One round; False if Redis could not be brought along."""
        self._listener.follow(self.name(channel) for channel, total in work.totals.items() if total)
        self._listener.leave(self.name(channel) for channel, total in work.totals.items() if not total)
        if not self._listener.settled(TIMEOUT):
            return False
        wanted = {channel for channel, total in work.totals.items() if total}
        new, old = wanted - self._followed, (work.totals.keys() - wanted) & self._followed
        rows: Iterator[Row] = (
            (TABLE, channel, str(total) if total else None) for channel, total in work.totals.items()
        )
        try:
            if new or old:
                self._on_change(new, old)
                self._followed -= old
                self._followed |= new
            sizes = self._tables.commit(rows, fresh=work.fresh)
        except redis.RedisError as err:
            # A warning for the first round that fails; those after it begin afresh.
            level = logging.DEBUG if work.fresh else logging.WARNING
            log.log(level, "broker_counts_not_written", extra={"error": type(err).__name__})
            return False
        self._renewed = time.monotonic()
        # A mismatch means that Redis lost this worker's table: the next round writes all of it.
        return sizes == (work.size,)

    def _total(self, channel: str) -> int:
        count = self._books.get(channel)
        return count.total if count is not None else 0

    def _change(self, channel: str, count: _Count) -> None:
        if not count.total:
            del self._books[channel]
        self._dirty.add(channel)
        self._changed.notify_all()

    def _grant(self, tickets: list[_Ticket]) -> None:
        for ticket in tickets:
            if ticket.open:
                count = self._books[ticket.channel]
                count.asked -= 1
                count.held += 1
                ticket.open, ticket.granted = False, True
                ticket.answered.set()

    def _give_up(self, ticket: _Ticket) -> bool:
        """Close the ticket; whether it had been granted."""
        with self._changed:
            if ticket.open:
                ticket.open = False
                count = self._books[ticket.channel]
                count.asked -= 1
                self._change(ticket.channel, count)
            return ticket.granted
