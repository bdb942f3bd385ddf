"""Publishers of one moment share a round trip; so do others who tell Redis something.

A round trip to Redis costs a worker about 100 µs, most of it in the kernel, whether it carries one message or
fifty. While ``FLIGHTS`` of them are under way, whoever wants to publish joins the next one; alone, nobody
waits.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ..domain.errors import BrokerUnavailable

FLIGHTS = 2
"""Round trips at a time: one on its way there, one on its way back."""
MOST = 64
"""Messages in one: Redis serves nobody else for about a millisecond."""

M = TypeVar("M")
"""What is sent for one publisher."""
A = TypeVar("A")
"""What that publisher is told; never None."""


@dataclass(slots=True, eq=False)
class _Ticket(Generic[M, A]):
    """One publisher. ``flight``: it is to carry out this flight, its own message the first in it. ``answer``:
    when there is one."""

    message: M
    awake: threading.Event = field(default_factory=threading.Event)
    flight: "list[_Ticket[M, A]] | None" = None
    answer: A | None = None
    failure: Exception | None = None


class Gathering(Generic[M, A]):
    """``send`` makes the round trip: it tells its second argument the place of each message and the answer
    to it, and raises what became of those without an answer. ``done`` completes the sentence that says that
    something was not, for those who did not make the round trip themselves."""

    def __init__(
        self,
        send: Callable[[Sequence[M], Callable[[int, A], None]], None],
        done: tuple[str, str] = ("the event", "accepted"),
    ) -> None:
        self._send = send
        self._done = done
        self._waiting: deque[_Ticket[M, A]] = deque()
        self._flights = 0
        # Held for a few instructions that do not yield: greenlets never wait for it, only real threads may.
        self._lock = threading.Lock()

    def publish(self, message: M) -> A:
        """The answer to this message.

        Raises what ``send`` raises; and ``BrokerUnavailable`` if the round trip before this one failed, since
        then this one was not begun. ``unknown`` is told to all whom it concerns.
        """
        ticket: _Ticket[M, A] = _Ticket(message)
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
            unknown = isinstance(ticket.failure, BrokerUnavailable) and ticket.failure.unknown
            what, done = self._done
            outcome = f"it is not known whether {what} was" if unknown else f"{what} was not"
            text = f"Redis did not answer: {outcome} {done}."
            raise BrokerUnavailable(text, unknown=unknown) from ticket.failure
        return ticket.answer

    def _wait(self, ticket: _Ticket[M, A]) -> None:
        try:
            ticket.awake.wait()
        except BaseException as err:  # gevent ends a greenlet by raising in it
            with self._lock:
                if ticket in self._waiting:
                    self._waiting.remove(ticket)
            if ticket.flight is not None:
                self._land(ticket.flight, BrokerUnavailable(f"A publisher was ended ({type(err).__name__})."))
            raise

    def _fly(self, flight: list[_Ticket[M, A]]) -> None:
        def told(place: int, answer: A) -> None:
            flight[place].answer = answer

        try:
            self._send([each.message for each in flight], told)
        except Exception as err:
            self._land(flight, err)
            if flight[0].answer is None:
                raise
        except BaseException as err:
            text = f"A publisher was ended ({type(err).__name__})."
            self._land(flight, BrokerUnavailable(text, unknown=True))
            raise
        else:
            self._land(flight, None)

    def _land(self, flight: list[_Ticket[M, A]], failure: Exception | None) -> None:
        """Tell those of the flight, and let the next one begin; after a failure there is none."""
        with self._lock:
            told = [each for each in flight if each.answer is None]
            for each in told:
                each.failure = failure
            if failure is not None:
                for each in self._waiting:
                    each.failure = BrokerUnavailable(f"The round trip before failed: {failure}")
                told += self._waiting
                self._waiting.clear()
            first = self._waiting[0] if self._waiting else None
            if first is None:
                self._flights -= 1
            else:
                first.flight = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
        for each in (*flight, *told):
            each.awake.set()
        if first is not None:
            first.awake.set()
