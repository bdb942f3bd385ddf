"""Publishers of one moment share a round trip.

A round trip to Redis costs a worker about 100 µs, most of it in the kernel, whether it carries one message or
fifty. While ``FLIGHTS`` of them are under way, whoever wants to publish joins the next one; alone, nobody
waits.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..domain.errors import BrokerUnavailable

FLIGHTS = 2
"""Round trips at a time: one on its way there, one on its way back."""
MOST = 64
"""Messages in one: Redis serves nobody else for about a millisecond."""

Counts = dict[str, int]
Message = tuple[bytes, Sequence[str]]


@dataclass(slots=True, eq=False)
class _Ticket:
    """One publisher. ``flight``: it is to carry out this flight, its own message the first in it. ``counts``:
    its answer, when there is one."""

    message: Message
    awake: threading.Event = field(default_factory=threading.Event)
    flight: "list[_Ticket] | None" = None
    counts: Counts | None = None
    failure: Exception | None = None


class Gathering:
    """``send_one`` and ``send_many`` are those of ``Dispatch``; so is what ``publish`` gives and raises."""

    def __init__(
        self,
        send_one: Callable[[bytes, Sequence[str]], Counts],
        send_many: Callable[[Sequence[Message], Callable[[Counts], None]], None],
    ) -> None:
        self._send_one = send_one
        self._send_many = send_many
        self._waiting: deque[_Ticket] = deque()
        self._flights = 0
        # Held for a few instructions that do not yield: greenlets never wait for it, only real threads may.
        self._lock = threading.Lock()

    def publish(self, message: bytes, channels: Sequence[str]) -> Counts:
        """What ``send_one`` gives for this message.

        Raises what it raises; and ``BrokerUnavailable`` if the round trip before this one failed, since then
        this one was not begun.
        """
        ticket = _Ticket((message, channels))
        with self._lock:
            if self._flights < FLIGHTS:
                self._flights += 1
                ticket.flight = [ticket]
            else:
                self._waiting.append(ticket)
        if ticket.flight is None:
            self._wait(ticket)
        if ticket.flight is not None:
            self._fly(ticket.flight)
        elif ticket.failure is not None:
            raise BrokerUnavailable("Redis did not answer: the event was not accepted.") from ticket.failure
        return ticket.counts

    def _wait(self, ticket: _Ticket) -> None:
        try:
            ticket.awake.wait()
        except BaseException as err:  # gevent ends a greenlet by raising in it
            with self._lock:
                if ticket in self._waiting:
                    self._waiting.remove(ticket)
            if ticket.flight is not None:
                self._land(ticket.flight, BrokerUnavailable(f"A publisher was ended ({type(err).__name__})."))
            raise

    def _fly(self, flight: list[_Ticket]) -> None:
        try:
            if len(flight) == 1:
                flight[0].counts = self._send_one(*flight[0].message)
            else:
                rest = iter(flight)
                self._send_many(
                    [each.message for each in flight], lambda counts: setattr(next(rest), "counts", counts)
                )
        except Exception as err:
            self._land(flight, err)
            if flight[0].counts is None:
                raise
        except BaseException as err:
            self._land(flight, BrokerUnavailable(f"A publisher was ended ({type(err).__name__})."))
            raise
        else:
            self._land(flight, None)

    def _land(self, flight: list[_Ticket], failure: Exception | None) -> None:
        """Tell those of the flight, and let the next one begin; after a failure there is none."""
        with self._lock:
            told = [each for each in flight if each.counts is None]
            if failure is not None:
                told += self._waiting
                self._waiting.clear()
            for each in told:
                each.failure = failure
            first = self._waiting[0] if self._waiting else None
            if first is None:
                self._flights -= 1
            else:
                first.flight = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
        for each in (*flight, *told):
            each.awake.set()
        if first is not None:
            first.awake.set()
